"""The doctor's findings about stores for pictures and mail, about settings, and about answers of a real mongod."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult
from support.moto import Moto
from support.ports import free_ports
from support.smtp import smtp

from social.infra.security import keyfiles
from social.infra.settings import StartError, StoreSettings, load
from social.ops.doctor import keys, mongodb, start, stores
from social.ops.doctor.findings import Finding, Level
from social.ops.doctor.settings import Examined, read

SECRET = "hunter2-and-more"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without any .env."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)


async def of(process: str, **chosen: str) -> list[Finding]:
    settings = Examined(**chosen)
    kept, sent = stores.pictures(process, settings), stores.mail(process, settings)
    return [each async for each in kept] + [each async for each in sent]


async def test_pictures_are_asked_about_where_they_are_kept(
    moto: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    expected = {
        f"file:{tmp_path / 'media'}": (Level.OK, "can be written to"),
        "file:/dev/null/media": (Level.PROBLEM, "cannot write to /dev/null/media"),
        moto.bucket_url: (Level.OK, "s3://plaza-media keeps what it is given"),
        moto.bucket_url.replace("plaza-media", "nowhere"): (Level.PROBLEM, "NoSuchBucket"),
        "s3://plaza-media?endpoint=nowhere:9000": (Level.PROBLEM, "Invalid endpoint: nowhere:9000"),
        f"s3://plaza-media?endpoint=http://127.0.0.1:{port}": (Level.PROBLEM, "cannot be used: Could not connect"),
    }
    for url, (level, says) in expected.items():
        monkeypatch.setenv("MEDIA_URL", url)
        (finding,) = await of("api")
        assert (finding.level, finding.about) == (level, "pictures"), finding
        assert says in finding.says
    monkeypatch.setenv("MEDIA_URL", moto.bucket_url)
    assert [each.about for each in await of("workers", worker_roles="sweeper, relay")] == ["pictures"]
    assert await of("api", api_services="auth") + await of("workers", worker_roles="relay") + await of("realtime") == []


async def test_mail_is_asked_about_where_it_leaves_and_none_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def about(url: str) -> Finding:
        monkeypatch.setenv("MAILER_URL", url)
        (finding,) = await of("workers", worker_roles="mail")
        assert finding.about == "mail"
        assert SECRET not in str(finding)
        return finding

    def let_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"right", handled=False)

    async with smtp(authenticator=let_in, auth_require_tls=False) as (server, port):
        assert (await about(f"smtp://plaza:right@127.0.0.1:{port}")).level == Level.OK
        wrong = await about(f"smtp://plaza:{SECRET}@127.0.0.1:{port}")
        assert wrong.level == Level.PROBLEM
        assert wrong.says == f"smtp://127.0.0.1:{port} refuses the user or the password"
        assert server.envelopes == []
    gone = await about(f"smtp://plaza:{SECRET}@127.0.0.1:{port}")
    assert gone.level == Level.PROBLEM
    assert f"smtp://127.0.0.1:{port} cannot be used" in gone.says
    unwritable = await about("file:/dev/null/mail")
    assert (unwritable.level, "cannot write to /dev/null/mail" in unwritable.says) == (Level.PROBLEM, True)
    for url in (f"file:{tmp_path / 'mail'}", "console:"):
        nobody = await about(url)
        assert (nobody.level, "nobody is sent any" in nobody.says) == (Level.WARNING, True)


async def test_a_process_whose_check_ends_unforeseen_is_named_and_nothing_it_said_is_shown() -> None:
    (finding,) = [each async for each in start.examine("elsewhere")]
    assert finding.level == Level.PROBLEM
    assert finding.says == "elsewhere would not start: its check ended with exit code 1"
    assert finding.remedy == "run `python -m elsewhere --check` and see"


def test_a_file_of_settings_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / ".env").write_bytes(b"MONGO_URL=\xff")
    with pytest.raises(StartError, match=r"^api/\.env cannot be read"):
        load(StoreSettings, "api")
    assert read("api") == (Examined(_env_file=None), [])


def member(number: int, state: str, *, behind_s: int = 0) -> dict[str, Any]:
    """Return a member of replSetGetStatus; a member that is away is reported with an optime of the year 1970."""
    away = state == "(not reachable/healthy)"
    return {
        "_id": number,
        "name": f"mongo-{number}:27017",
        "health": 0.0 if away else 1.0,
        "state": {"PRIMARY": 1, "SECONDARY": 2, "RECOVERING": 3, "ARBITER": 7}.get(state, 8),
        "stateStr": state,
        **({"optimeDate": NOW - timedelta(seconds=behind_s)} if state != "ARBITER" else {}),
        **({"optimeDate": datetime(1970, 1, 1, tzinfo=UTC)} if away else {}),
    }


def of_set(*members: dict[str, Any]) -> Iterator[Finding]:
    return mongodb.members("rs0", {"set": "rs0", "myState": 1, "members": list(members), "ok": 1.0})


def test_a_replica_set_that_is_well_is() -> None:
    (well,) = of_set(member(0, "PRIMARY"), member(1, "SECONDARY", behind_s=2), member(2, "SECONDARY"))
    assert (well.level, well.says) == (Level.OK, "replica set rs0: 3 of 3 members are in service")
    (arbited,) = of_set(member(0, "PRIMARY"), member(1, "SECONDARY"), member(2, "ARBITER"))
    assert arbited.level == Level.OK


@pytest.mark.parametrize("state", ["(not reachable/healthy)", "RECOVERING"])
def test_a_member_that_is_out_of_service_is_named_and_what_is_left(state: str) -> None:
    (one,) = of_set(member(0, "PRIMARY"), member(1, "SECONDARY"), member(2, state))
    assert one.level == Level.WARNING
    assert one.says == f"member mongo-2:27017 of rs0 is {state}; 2 of 3 are left"
    assert "without a majority there are no writes" in one.remedy
    several = list(of_set(member(0, "SECONDARY"), member(1, state), member(2, state)))
    assert [each.level for each in several] == [Level.PROBLEM, Level.PROBLEM]
    assert "1 of 3 are left" in several[0].says


def test_a_member_that_lags_is_named() -> None:
    well, late = of_set(member(0, "PRIMARY"), member(1, "SECONDARY", behind_s=95), member(2, "SECONDARY", behind_s=9))
    assert well.level == Level.OK
    assert (late.level, late.says) == (Level.WARNING, "member mongo-1:27017 of rs0 is 95 s behind")


def test_a_user_who_may_not_list_the_members_learns_which_role_is_missing() -> None:
    (refused,) = mongodb.members("rs0", None)
    assert (refused.level, "clusterMonitor" in refused.remedy) == (Level.WARNING, True)


def test_what_would_not_outlive_a_crash_is_named() -> None:
    kept = {"storageEngine": {"name": "wiredTiger", "supportsCommittedReads": True, "persistent": True}, "ok": 1.0}
    lost = {"storageEngine": {"name": "inMemory", "supportsCommittedReads": True, "persistent": False}, "ok": 1.0}
    (finding,) = mongodb.durability(lost, {"transactionLifetimeLimitSeconds": 15, "ok": 1.0})
    assert (finding.level, finding.says) == (Level.PROBLEM, "its storage engine keeps everything in memory")
    (finding,) = mongodb.durability(kept, {"transactionLifetimeLimitSeconds": 60, "ok": 1.0})
    assert (finding.level, "is locked for 60 s" in finding.says) == (Level.WARNING, True)
    assert list(mongodb.durability(kept, {"transactionLifetimeLimitSeconds": 15, "ok": 1.0})) == []
    assert list(mongodb.durability({}, {})) == []


async def about_keys(**given: Any) -> list[Finding]:
    return [each async for each in keys.examine(Examined(**given))]


async def test_keys_that_are_values_are_looked_at_like_files(tmp_path: Path) -> None:
    keyfiles.make_keys(tmp_path / "keys")
    keyfiles.make_keys(tmp_path / "others")
    own, other = (dict(line.split("=", 1) for line in keyfiles.values(tmp_path / name)) for name in ("keys", "others"))
    given = {name.lower(): value for name, value in own.items()}
    (finding,) = await about_keys(**given)
    assert (finding.level, finding.says) == (Level.OK, "JWT_PRIVATE_KEY, JWKS, REFRESH_KEY, PID_KEY can be used")
    (finding,) = await about_keys(**given | {"jwks": other["JWKS"]})
    assert finding.level == Level.PROBLEM
    assert finding.says.startswith("JWKS does not hold the public half of JWT_PRIVATE_KEY: every token")
    for name in given.keys() - {"jwks"}:
        (finding,) = await about_keys(**given | {name: SECRET})
        assert finding.level == Level.PROBLEM
        assert finding.says.startswith(f"{name.upper()}: ")
        assert SECRET not in str(finding)


async def test_what_is_given_in_two_ways_is_left_to_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("amqp://from-a-file/")
    for name, value in {"MONGO_URL": "mongodb://here", "MONGO_URL_FILE": "x", "BROKER_URL_FILE": "broker"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BROKER_URL", raising=False)
    settings, findings = read("api")
    assert (settings.mongo_url, settings.broker_url, findings) == (None, "amqp://from-a-file/", [])
    monkeypatch.setenv("AMQP_MANAGEMENT_URL_FILE", "/nowhere/url")
    _, (finding,) = read("api")
    assert finding.says == "AMQP_MANAGEMENT_URL_FILE: cannot use /nowhere/url: No such file or directory"
