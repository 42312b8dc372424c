"""Keys as values: those of files mean the same as settings, and what is weak or wrong is named without being shown."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from api.app import load_authenticator
from api.settings import ApiSettings
from realtime.settings import Settings as RealtimeSettings
from social.accounts.login import TokenIssuer
from social.infra.security import given_keys, keyfiles
from social.infra.settings import StartError, load

URLS = {"MONGO_URL": "mongodb://localhost", "REDIS_URL": "redis://localhost", "BROKER_URL": "amqp://localhost/"}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder of keys; this is a process over servers that nobody asks."""
    monkeypatch.chdir(tmp_path)
    for name, url in URLS.items():
        monkeypatch.setenv(name, url)
    keyfiles.make_keys(tmp_path / "keys")
    return tmp_path / "keys"


def issuer() -> TokenIssuer:
    made = load_authenticator(load(ApiSettings, "api"))
    made.passwords.close()
    assert isinstance(made, TokenIssuer)
    return made


def test_keys_mean_the_same_as_files_and_as_printed_settings(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_PRIVATE_KEY_FILE", str(keys / "jwt.pem"))
    monkeypatch.setenv("REFRESH_KEY_FILE", str(keys / "refresh.key"))
    of_files = issuer()
    for process in ("api", "realtime"):
        Path(process).mkdir()
        Path(process, ".env").write_text("\n".join(keyfiles.values(keys)))
    monkeypatch.delenv("JWT_PRIVATE_KEY_FILE")
    monkeypatch.delenv("REFRESH_KEY_FILE")
    of_values = issuer()
    assert of_values.verifier.verify(of_files.signer.sign("ada", "s1")).user_id == "ada"
    assert of_values.refresh.session(of_files.refresh.first("s1")) == "s1"
    gateway = load(RealtimeSettings, "realtime")
    assert gateway.pid_key is not None
    assert gateway.pid_key.get_secret_value() == (keys / "pid.key").read_text()
    assert given_keys.verifier(gateway.jwks, gateway.jwt_jwks).accepts(of_files.signer.kid)


@pytest.mark.parametrize("name", ["JWT_PRIVATE_KEY", "REFRESH_KEY", "MONGO_URL"])
def test_a_secret_that_is_given_as_the_path_of_its_file_is_not_shown(
    name: str, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {
        "JWT_PRIVATE_KEY": (keys / "jwt.pem").read_text(),
        "REFRESH_KEY": "xxat/least-thirty-two-characters-of-chance",
        "MONGO_URL": "mongodb://user:sEcret@host/",
    }[name]
    monkeypatch.setenv("JWT_PRIVATE_KEY_FILE", str(keys / "jwt.pem"))
    monkeypatch.setenv("REFRESH_KEY_FILE", str(keys / "refresh.key"))
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", secret)
    with pytest.raises(StartError, match=f"^{name}_FILE: cannot use a value that is no path") as refused:
        issuer()
    assert not any(part in str(refused.value) for part in (secret[12:22], "sEcret", "BEGIN"))


def test_a_key_that_is_a_value_needs_no_jwks_and_refuses_a_foreign_one(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_PRIVATE_KEY", (keys / "jwt.pem").read_text())
    monkeypatch.setenv("REFRESH_KEY", "at least thirty-two characters of chance")
    assert issuer().verifier.jwks == issuer().signer.jwks
    keyfiles.make_keys(tmp_path / "others")
    monkeypatch.setenv("JWT_JWKS", str(tmp_path / "others" / "jwks.json"))
    with pytest.raises(StartError, match=r"^JWT_JWKS: .*jwks\.json does not hold the public half of JWT_PRIVATE_KEY$"):
        issuer()
    monkeypatch.delenv("JWT_JWKS")
    monkeypatch.setenv("JWKS", (tmp_path / "others" / "jwks.json").read_text())
    with pytest.raises(StartError, match=r"^JWKS does not hold the public half of JWT_PRIVATE_KEY$"):
        issuer()


def test_an_api_without_auth_keeps_no_secret_that_it_is_given(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_SERVICES", "posts")
    monkeypatch.setenv("JWT_PRIVATE_KEY_FILE", str(keys / "jwt.pem"))
    with pytest.raises(StartError, match=r"^JWT_JWKS is missing .*; or JWKS\)$"):
        load(ApiSettings, "api")
    monkeypatch.setenv("JWKS", (keys / "jwks.json").read_text())
    made = load_authenticator(load(ApiSettings, "api"))
    made.passwords.close()
    assert not isinstance(made, TokenIssuer)
    monkeypatch.setenv("REFRESH_KEY", "at least thirty-two characters of chance")
    settings = load(ApiSettings, "api")
    assert (settings.jwt_private_key_file, settings.refresh_key) == (None, None)


WEAK = "a Secret that is weak"


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("JWT_PRIVATE_KEY", lambda: given_keys.signer(SecretStr(WEAK), None)),
        ("REFRESH_KEY", lambda: given_keys.refresh_tokens(SecretStr(WEAK), None)),
        ("REFRESH_KEY", lambda: given_keys.refresh_tokens(SecretStr(f"base64:{WEAK}"), None)),
        ("JWKS", lambda: given_keys.verifier(WEAK, None)),
        ("JWKS", lambda: given_keys.verifier('{"keys": []}', None)),
    ],
)
def test_a_value_that_is_no_key_is_one_line_without_the_value(name: str, make: object) -> None:
    with pytest.raises(StartError, match=f"^{name}: ") as refused:
        make()  # type: ignore[operator]
    assert WEAK not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_weak_pid_key_is_named_by_the_variable_that_gave_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWKS", "{}")
    (tmp_path / "pid").write_text(WEAK)
    for name, value in (("PID_KEY", WEAK), ("PID_KEY_FILE", str(tmp_path / "pid"))):
        with monkeypatch.context() as given:
            given.setenv(name, value)
            with pytest.raises(StartError, match=f"^{name} is wrong: it needs at least 32 characters") as refused:
                load(RealtimeSettings, "realtime")
            assert WEAK not in str(refused.value)
