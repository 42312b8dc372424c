"""Each process by itself, as compose and Helm run it: over real servers, with its own settings."""

import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from support.attempts import attempted
from support.people import door_to
from support.ports import free_ports
from support.processes import Ended, Program

from social.infra.security.keyfiles import make_keys

NEEDED = {
    "api": {"MONGO_URL", "REDIS_URL", "BROKER_URL", "JWT_PRIVATE_KEY_FILE", "REFRESH_KEY_FILE"},
    "workers": {"MONGO_URL", "REDIS_URL", "BROKER_URL"},
    "realtime": {"MONGO_URL", "REDIS_URL", "BROKER_URL", "JWT_JWKS", "PID_KEY"},
}


@pytest.fixture
def settings(tmp_path: Path, mongo_url: str, mongo_database: str, redis_url: str, amqp_url: str) -> dict[str, Any]:
    """Return all settings that api and workers need."""
    make_keys(tmp_path)
    api_port, realtime_port, workers_port = free_ports(3)
    return {
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": mongo_database,
        "REDIS_URL": redis_url,
        "BROKER_URL": amqp_url,
        "JWT_PRIVATE_KEY_FILE": tmp_path / "jwt.pem",
        "REFRESH_KEY_FILE": tmp_path / "refresh.key",
        "JWT_JWKS": tmp_path / "jwks.json",
        "PID_KEY_FILE": tmp_path / "pid.key",
        "API_HOST": "127.0.0.1",
        "API_PORT": api_port,
        "REALTIME_HOST": "127.0.0.1",
        "REALTIME_PORT": realtime_port,
        "WORKERS_HOST": "127.0.0.1",
        "WORKERS_PORT": workers_port,
        "DRAIN_S": 1,
    }


async def ended(module: str, *words: str, folder: Path, **settings: Any) -> Ended:
    return await Program(module, *words, folder=folder, **settings).start().ended()


async def test_api_and_workers_start_serve_and_stop(tmp_path: Path, settings: dict[str, Any]) -> None:
    """The processes start before any migration: they wait for the indexes, then work."""
    programs = {name: Program(name, folder=tmp_path, new=True, **settings).start() for name in ("api", "workers")}
    urls = {name: f"http://127.0.0.1:{settings[f'{name.upper()}_PORT']}" for name in programs}
    try:
        await programs["workers"].answering(urls["workers"] + "/livez")
        for _ in range(2):
            assert (await ended("social", "migrate", folder=tmp_path, **settings)).code == 0
        for name, program in programs.items():
            await program.answering(urls[name] + "/readyz")
            async with door_to(urls[name]) as door:
                assert (await door.ask("GET", "/livez")).body == {"status": "alive"}
                assert (await door.ask("GET", "/readyz")).body["status"] == "ready"
                assert b"plaza_outbox_rows" in (await door.ask("GET", "/metrics")).raw
        async with door_to(urls["api"]) as door:
            ada = await door.register("ada")
            await ada.publish("hello")
        for program in programs.values():
            done = await program.signal(signal.SIGTERM)
            assert (done.code, done.err) == (0, "")
    finally:
        for program in programs.values():
            await program.kill()


@pytest.mark.parametrize("name", list(NEEDED))
async def test_a_process_that_waits_for_the_indexes_can_be_stopped(
    tmp_path: Path, settings: dict[str, Any], name: str
) -> None:
    program = Program(name, folder=tmp_path, **settings).start()
    try:
        while "waits_for" not in program.out:
            assert program.process is not None
            assert program.process.poll() is None, program.err
            await asyncio.sleep(0.02)
        assert (await program.signal(signal.SIGTERM)).code == 0
    finally:
        await program.kill()


@pytest.mark.parametrize("name", list(NEEDED))
async def test_a_process_names_every_setting_it_misses(tmp_path: Path, name: str) -> None:
    done = await ended(name, folder=tmp_path)
    assert done.code == 1
    assert done.err.count("\n") == 1, done.err
    for setting in NEEDED[name]:
        assert f"{setting} is missing" in done.err


SECRET = "a weak Secret"
WRONG: dict[str, list[tuple[dict[str, str], str]]] = {
    "api": [
        ({"API_SERVICES": "auth,painting"}, "API_SERVICES is wrong: "),
        ({"API_PORT": "x"}, "API_PORT is wrong: "),
        ({"RATE_LOGIN": "many"}, "RATE_LOGIN is wrong: "),
        ({"ORIGINS": ","}, "ORIGINS is wrong: "),
        ({"MEDIA_URL": "ftp://pictures"}, "MEDIA_URL is wrong: "),
        ({"LOG_FILE": "/dev/null/api.log"}, "LOG_FILE: cannot write to /dev/null/api.log"),
        ({"BROKER_URL": "localhost:5672"}, "BROKER_URL is wrong: "),
        ({"BROKER_URL": "sqs://"}, "BROKER_URL is wrong: it names no region"),
        ({"AMQP_URL": f"amqp://u:{SECRET}@elsewhere/"}, "BROKER_URL and AMQP_URL are both given and differ"),
        ({"REFRESH_KEY": SECRET}, "REFRESH_KEY and REFRESH_KEY_FILE are both given: leave one of them out"),
        ({"JWT_PRIVATE_KEY_FILE": "", "JWT_PRIVATE_KEY": SECRET}, "JWT_PRIVATE_KEY: "),
        ({"REFRESH_KEY_FILE": "", "REFRESH_KEY": SECRET}, "REFRESH_KEY: the refresh key needs at least 32 bytes"),
        ({"API_PORT": "", "PORT": "x"}, "PORT is wrong: "),
        ({"JWT_PRIVATE_KEY_FILE": "/nowhere/jwt.pem"}, "JWT_PRIVATE_KEY_FILE: "),
        ({"REFRESH_KEY_FILE": "/dev/null"}, "REFRESH_KEY_FILE: "),
        ({"MEDIA_URL": "file:/dev/null/media"}, "MEDIA_URL is wrong: cannot write to /dev/null/media"),
    ],
    "workers": [
        ({"WORKER_ROLES": "notifications,painting"}, "WORKER_ROLES is wrong: "),
        ({"LOG_STYLE": "loud"}, "LOG_STYLE is wrong: "),
        ({"MONGO_URL": "postgres://localhost"}, "MONGO_URL is wrong: "),
        ({"REDIS_URL": "localhost"}, "REDIS_URL is wrong: "),
        ({"MEDIA_URL": "file:/dev/null/media"}, "MEDIA_URL is wrong: cannot write to /dev/null/media"),
        ({"MAILER_URL": "file:/dev/null/mail"}, "MAILER_URL is wrong: cannot write to /dev/null/mail"),
    ],
    "realtime": [
        ({"JWT_JWKS": "/nowhere/jwks.json"}, "JWT_JWKS: cannot use /nowhere/jwks.json"),
        ({"PID_KEY_FILE": "/nowhere/pid.key"}, "PID_KEY_FILE: cannot use /nowhere/pid.key"),
        ({"PID_KEY_FILE": "/dev/null"}, "PID_KEY_FILE: /dev/null is empty"),
        ({"NODE_NAME": "realtime.1"}, "NODE_NAME is wrong: "),
        ({"REALTIME_ENGINE": "steam"}, "REALTIME_ENGINE is wrong: "),
    ],
    "embedded": [
        ({"API_PORT": "x"}, "API_PORT is wrong: "),
        ({"API_PORT": "70000"}, "API_PORT is wrong: "),
        ({"REALTIME_PORT": "-1"}, "REALTIME_PORT is wrong: "),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL is wrong: "),
        ({"DRAIN_S": "long"}, "DRAIN_S is wrong: "),
        ({"MONGO_DATABASE": "a b"}, "MONGO_DATABASE is wrong: "),
        ({"EVENTS_PER_S": "many", "MONGO_URL": ""}, "EVENTS_PER_S is wrong: "),  # found once the store is there
        ({"PLAZA_VAR": "/dev/null/var"}, "cannot write to /dev/null/var: "),
    ],
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_setting_is_one_line_that_names_it(tmp_path: Path, name: str) -> None:
    make_keys(tmp_path)
    good = {
        "MONGO_URL": "mongodb://127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1",
        "BROKER_URL": "amqp://127.0.0.1:1/",
        "JWT_PRIVATE_KEY_FILE": tmp_path / "jwt.pem",
        "REFRESH_KEY_FILE": tmp_path / "refresh.key",
        "JWT_JWKS": tmp_path / "jwks.json",
        "PID_KEY_FILE": tmp_path / "pid.key",
        "MEDIA_URL": f"file:{tmp_path / 'media'}",
        "MAILER_URL": f"file:{tmp_path / 'mail'}",
        "PLAZA_VAR": tmp_path / "var",
    }
    ways: list[list[str]] = [[], ["--check"]] if name in NEEDED else [[]]
    attempts: list[Any] = [(words, wrong) for words in ways for wrong, _ in WRONG[name]]
    expected = [f"plaza: {says}" for _ in ways for _, says in WRONG[name]]
    if name in NEEDED:  # no server is there, and none was needed
        attempts.append((["--check"], {}))
        expected.append("0")
    said = await attempted(name, attempts, tmp_path, **good)
    for line, begins in zip(said, expected, strict=True):
        assert line.startswith(begins), said
        assert SECRET not in line


@pytest.mark.parametrize("name", WRONG)
async def test_help_and_an_unknown_option_start_nothing(tmp_path: Path, name: str) -> None:
    helped = await ended(name, "--help", folder=tmp_path, PLAZA_VAR=tmp_path / "var")
    assert (helped.code, helped.err) == (0, "")
    assert helped.out.startswith(f"usage: python -m {name} ")
    refused = await ended(name, "--hepl", folder=tmp_path, PLAZA_VAR=tmp_path / "var")
    assert refused.code == 2
    assert "unrecognized arguments: --hepl" in refused.err
    assert not (tmp_path / "var").exists()


async def test_a_taken_port_is_one_line(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert (await ended("social", "migrate", folder=tmp_path, **settings)).code == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for name in NEEDED:
            done = await ended(name, folder=tmp_path, **{**settings, f"{name.upper()}_PORT": port})
            assert done.code == 1
            assert done.err.count("\n") == 1, done.err
            why = done.err.removeprefix(f"plaza: cannot listen on 127.0.0.1:{port}: ").strip()
            assert why in ("Address already in use", "the address is in use or not ours"), done.err


async def test_a_service_can_be_served_alone(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert (await ended("social", "migrate", folder=tmp_path, **settings)).code == 0
    program = Program("api", folder=tmp_path, **{**settings, "API_SERVICES": "auth, users"})
    url = f"http://127.0.0.1:{settings['API_PORT']}"
    try:
        await program.start().answering(f"{url}/readyz")
        async with door_to(url) as door:
            ada = await door.register("ada")
            assert (await ada.me()).username == "ada"
            (await ada.ask("GET", "/v1/feed")).refused(404, "not_found")
            paths = (await door.ask("GET", "/openapi.json")).body["paths"]
            assert "/v1/users/me" in paths
            assert "/v1/feed" not in paths
    finally:
        await program.kill()


async def test_a_command_without_its_store_ends_with_one_line(tmp_path: Path) -> None:
    done = await ended("social", "migrate", folder=tmp_path)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "MONGO_URL is missing" in done.err
    for name in ("migrate", "reports"):
        (tmp_path / name).mkdir()
    nowhere = {"MONGO_URL": "mongodb://127.0.0.1:1"}
    asked = (ended("social", name, folder=tmp_path / name, **nowhere) for name in ("migrate", "reports"))
    for done in await asyncio.gather(*asked):
        assert (done.code, done.err.count("\n")) == (1, 1), done.err
        assert "MongoDB (127.0.0.1:1: " in done.err
        assert "MONGO_URL" in done.err
