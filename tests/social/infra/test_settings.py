"""Settings as values, as files, under former names and by PORT; what is wrong stops the start and is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.settings import ApiSettings
from embedded.settings import EmbeddedSettings
from realtime.settings import Settings as RealtimeSettings
from social.infra.settings import Connections, StartError, load
from social.infra.spellings import former_names
from workers.settings import WorkerSettings

URLS = {
    "MONGO_URL": "mongodb+srv://u:p@cluster.example.org/?tls=true",
    "REDIS_URL": "rediss://:p@redis:6379/0",
    "BROKER_URL": "amqps://u:p@rabbitmq/vhost",
}
SECRET = "a Secret of enough characters that nobody shows"
Give = Callable[..., None]


@pytest.fixture(autouse=True)
def give(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Give:
    """Set variables beside the URLs of all servers; None takes one away."""
    monkeypatch.chdir(tmp_path)

    def give(**variables: Any) -> None:
        for name, value in variables.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, str(value))

    give(**URLS, AMQP_URL=None, PORT=None)
    return give


def refused(kind: type[Connections], process: str = "nowhere") -> str:
    with pytest.raises(StartError) as error:
        load(kind, process)
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", [Connections, EmbeddedSettings])
@pytest.mark.parametrize("name", URLS)
def test_a_server_is_named_by_its_url(kind: type[Connections], name: str, give: Give) -> None:
    assert load(kind, "nowhere").mongo_url == URLS["MONGO_URL"]
    for wrong in ("localhost", f"http://u:{SECRET}@localhost", name.lower()):
        give(**{name: wrong})
        assert refused(kind).startswith(f"{name} is wrong: ")


@pytest.mark.parametrize(
    "url",
    [
        "amqp://localhost/",
        "amqps://u:p@mq/v",
        "sqs://eu-central-1",
        "sqs://us-gov-west-1?prefix=a",
        "sqs://eusc-de-east-1",
    ],
)
def test_a_broker_may_be_of_any_kind(give: Give, url: str) -> None:
    give(BROKER_URL=url)
    assert load(Connections, "nowhere").broker_url == url


@pytest.mark.parametrize("url", ["sqs://", "sqs://?prefix=a", "sqs://europe", "sqs:", "amqp://"])
def test_a_broker_without_its_place_is_refused(give: Give, url: str) -> None:
    give(BROKER_URL=url)
    assert refused(Connections).startswith("BROKER_URL is wrong: it ")


def test_the_former_name_of_a_setting_means_the_same(give: Give) -> None:
    give(AMQP_URL=URLS["BROKER_URL"])
    assert load(Connections, "nowhere").broker_url == URLS["BROKER_URL"]
    give(BROKER_URL=None)
    assert load(Connections, "nowhere").broker_url == URLS["BROKER_URL"]
    assert former_names(Connections, "nowhere/.env") == {"AMQP_URL": "BROKER_URL"}
    give(AMQP_URL=f"http://u:{SECRET}@localhost")
    assert refused(Connections).startswith("AMQP_URL is wrong: ")
    give(BROKER_URL=URLS["BROKER_URL"])
    assert refused(Connections) == "BROKER_URL and AMQP_URL are both given and differ: leave AMQP_URL out"


def test_a_url_may_be_the_content_of_a_file(give: Give, tmp_path: Path) -> None:
    file = tmp_path / "mongo"
    file.write_text(URLS["MONGO_URL"] + "\n")
    give(MONGO_URL=None, MONGO_URL_FILE=file)
    assert load(Connections, "nowhere").mongo_url == URLS["MONGO_URL"]
    file.write_text(f"http://u:{SECRET}@localhost")
    assert refused(Connections).startswith("MONGO_URL_FILE is wrong: ")
    for content, says in ((b"", f"{file} is empty"), (b"\xff", f"cannot use {file}: it is no text in UTF-8")):
        file.write_bytes(content)
        assert refused(Connections) == f"MONGO_URL_FILE: {says}"
    give(MONGO_URL_FILE="/nowhere/mongo")
    assert refused(Connections) == "MONGO_URL_FILE: cannot use /nowhere/mongo: No such file or directory"
    give(MONGO_URL_FILE=None)
    assert refused(Connections).startswith("MONGO_URL is missing (MongoDB, a replica set, ")
    assert refused(Connections).endswith("; or MONGO_URL_FILE)")


@pytest.mark.parametrize(
    ("kind", "value", "file"),
    [
        (WorkerSettings, "MONGO_URL", "MONGO_URL_FILE"),
        (WorkerSettings, "MAILER_URL", "MAILER_URL_FILE"),
        (ApiSettings, "JWT_PRIVATE_KEY", "JWT_PRIVATE_KEY_FILE"),
        (ApiSettings, "REFRESH_KEY", "REFRESH_KEY_FILE"),
        (ApiSettings, "JWKS", "JWT_JWKS"),
        (RealtimeSettings, "PID_KEY", "PID_KEY_FILE"),
    ],
)
def test_a_secret_that_is_given_as_value_and_as_file_is_refused(
    kind: type[Connections], value: str, file: str, give: Give
) -> None:
    give(**{value: SECRET, file: "/nowhere/secret"})
    assert f"{value} and {file} are both given: leave one of them out" in refused(kind)


def test_what_is_wrong_is_named_at_once_with_what_is_missing(give: Give) -> None:
    give(MONGO_URL_FILE="/nowhere/mongo", REDIS_URL=None)
    says = refused(Connections)
    assert "MONGO_URL and MONGO_URL_FILE are both given" in says
    assert "REDIS_URL is missing" in says


def test_the_environment_wins_over_the_file_in_whatever_way_it_gives_a_setting(give: Give, tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / ".env").write_text(
        "JWT_PRIVATE_KEY_FILE=jwt.pem\nREFRESH_KEY=from the file, and not used at all\nMONGO_URL_FILE=/nowhere/mongo\n"
        'BROKER_URL_FILE=broker\nAPI_PORT=9000\nJWKS="{}"\n'
    )
    (tmp_path / "broker").write_text("amqp://from-a-file/")
    give(JWT_PRIVATE_KEY=SECRET, REFRESH_KEY_FILE="refresh.key", BROKER_URL=None, PORT=7000)
    settings = load(ApiSettings, "api")
    assert settings.jwt_private_key is not None
    assert settings.jwt_private_key_file is None
    assert settings.refresh_key is None
    assert settings.refresh_key_file == Path("refresh.key")
    assert (settings.mongo_url, settings.broker_url) == (URLS["MONGO_URL"], "amqp://from-a-file/")
    assert (settings.api_port, settings.jwks) == (9000, "{}")


@pytest.mark.parametrize(
    ("kind", "own"), [(ApiSettings, "API_PORT"), (RealtimeSettings, "REALTIME_PORT"), (WorkerSettings, "WORKERS_PORT")]
)
def test_the_platforms_port_is_the_processs_unless_it_has_its_own(
    kind: type[Connections], own: str, give: Give
) -> None:
    give(JWT_PRIVATE_KEY=SECRET, REFRESH_KEY=SECRET, PID_KEY=SECRET, JWKS="{}", PORT=7000)
    assert getattr(load(kind, "nowhere"), own.lower()) == 7000
    give(**{own: 7001})
    assert getattr(load(kind, "nowhere"), own.lower()) == 7001
    give(**{own: None, "PORT": "http"})
    assert refused(kind).startswith("PORT is wrong: ")


def test_no_secret_is_in_what_settings_show_of_themselves(give: Give) -> None:
    urls = {name: url.replace(":p@", f":{SECRET}@".replace(" ", "%20")) for name, url in URLS.items()}
    give(**urls, JWT_PRIVATE_KEY=SECRET, REFRESH_KEY=SECRET, PID_KEY=SECRET, JWKS="{}")
    give(MAILER_URL=f"smtps://u:{SECRET.replace(' ', '%20')}@mail")
    for kind in (ApiSettings, RealtimeSettings, WorkerSettings):
        shown = f"{load(kind, 'nowhere')!r} {load(kind, 'nowhere')}"
        assert "***" in shown
        assert "Secret" not in shown.replace("SecretStr", "")


@pytest.mark.parametrize(("kind", "name"), [(RealtimeSettings, "PID_KEY"), (ApiSettings, "REFRESH_KEY")])
def test_a_secret_that_is_missing_is_named_with_both_its_ways(kind: type[Connections], name: str) -> None:
    says = refused(kind)
    assert f"{name} is missing" in says or f"{name}_FILE is missing" in says
    assert f"or {name}" in says
