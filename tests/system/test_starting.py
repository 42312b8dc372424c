"""Processes that start before their servers: they wait, log so, and begin without being started again."""

import asyncio
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.eventually import eventually
from support.people import door_to
from support.ports import free_ports
from support.processes import Program
from support.servers import DocumentStore, RabbitServer, RedisServer

from social.contracts.problems import ProblemBody
from social.infra.process.plaza import Plaza
from social.infra.security.keyfiles import make_keys
from social.infra.settings import StartError
from workers.settings import WorkerSettings

PROCESSES = ("api", "realtime", "workers")
SERVERS = ("MongoDB", "Redis", "broker")


@pytest.fixture
def settings(tmp_path: Path, mongo_url: str, mongo_database: str, redis_url: str, amqp_url: str) -> dict[str, Any]:
    """Return all settings that the three processes need."""
    make_keys(tmp_path)
    return {
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": mongo_database,
        "REDIS_URL": redis_url,
        "BROKER_URL": amqp_url,
        "JWT_PRIVATE_KEY_FILE": tmp_path / "jwt.pem",
        "REFRESH_KEY_FILE": tmp_path / "refresh.key",
        "JWT_JWKS": tmp_path / "jwks.json",
        "PID_KEY_FILE": tmp_path / "pid.key",
        "MEDIA_URL": f"file:{tmp_path / 'media'}",
        "MAILER_URL": f"file:{tmp_path / 'mail'}",
        "DRAIN_S": 0,
        **dict(zip((f"{name.upper()}_PORT" for name in PROCESSES), free_ports(3), strict=True)),
    }


class GuardedStore(DocumentStore):
    """A store that requires a user and a password, and has no user."""

    def spawn(self, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        return super().spawn([*command, "--auth"], env)


def waits(program: Program, server: str) -> list[datetime]:
    """Return when a process logged that it waits for a server."""
    found = re.findall(rf"^(\S+) .*waits_for='{server} \(.*", program.out, re.M)
    return [datetime.fromisoformat(each) for each in found]


async def test_processes_wait_for_every_server_they_need_and_then_begin(
    tmp_path: Path,
    settings: dict[str, Any],
    redis_server: RedisServer,
    rabbit_server: RabbitServer,
    document_store: DocumentStore,
) -> None:
    urls = {name: f"http://127.0.0.1:{settings[f'{name.upper()}_PORT']}" for name in PROCESSES}
    servers = (redis_server, rabbit_server, document_store)
    await asyncio.gather(*(each.kill() for each in servers))
    await asyncio.gather(*(each.stop() for each in servers))
    (tmp_path / "leaves").mkdir()
    (port,) = free_ports(1)
    leaves = Program("realtime", folder=tmp_path / "leaves", **{**settings, "REALTIME_PORT": port}).start()
    migrate = Program("social", "migrate", "--wait", "600", folder=tmp_path, **settings).start()
    programs = {name: Program(name, folder=tmp_path, **settings).start() for name in PROCESSES}
    try:
        for name, program in programs.items():
            await program.answering(f"{urls[name]}/livez")
            async with door_to(urls[name]) as door:
                ready = await door.ask("GET", "/readyz")
                assert (ready.status, ready.body["status"]) == (503, "starting")
                assert ready.body["checks"]["mongo"] != "ok"
                if name != "workers":
                    away = await door.ask("GET", {"api": "/v1/feed", "realtime": "/socket.io/?EIO=4"}[name])
                    assert (away.status, ProblemBody.model_validate(away.body).code) == (503, "unavailable")
                    assert int(away.headers["Retry-After"]) >= 1
        for program in (leaves, *programs.values()):
            await eventually(lambda program=program: waited(program))
            for server in SERVERS:
                assert all((later - one).total_seconds() > 4.5 for one, later in pairwise(waits(program, server)))
        assert (await leaves.signal(signal.SIGTERM))[::2] == (0, "")
        assert "waiting for MongoDB (" in migrate.out
        await asyncio.gather(*(each.start() for each in servers))
        assert (await migrate.ended()).code == 0
        for name, program in programs.items():
            await program.answering(f"{urls[name]}/readyz")
            await eventually(lambda program=program: says(program, "server=Redis", "server=broker"))
            assert (await program.signal(signal.SIGTERM))[::2] == (0, ""), name
    finally:
        for program in (*programs.values(), leaves, migrate):
            await program.kill()


async def waited(program: Program) -> None:
    """Assert that a process logged twice that it waits for each server."""
    assert all(len(waits(program, server)) >= 2 for server in SERVERS), program.out


async def says(program: Program, *texts: str) -> None:
    """Assert that a process logged these events."""
    assert all(text in program.out for text in texts), program.out


async def test_a_server_that_refuses_a_process_stops_it_with_the_setting_that_is_wrong(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    store = GuardedStore(tmp_path / "guarded")
    await store.start()
    try:
        mongo = {"MONGO_URL": store.url.replace("://", "://plaza:sesame@")}
        wrong = [
            (mongo, "api"),
            (mongo, "social", "migrate"),
            ({"REDIS_URL": settings["REDIS_URL"].replace("://", "://plaza:sesame@")}, "realtime"),
            ({"BROKER_URL": settings["BROKER_URL"].replace("guest:guest", "guest:sesame")}, "workers"),
            ({"BROKER_URL": settings["BROKER_URL"].rpartition("/")[0] + "/nowhere"}, "workers"),
        ]

        async def ended(at: int, given: dict[str, str], *command: str) -> None:
            folder = tmp_path / str(at)
            folder.mkdir()
            ports = dict(zip((f"{name.upper()}_PORT" for name in PROCESSES), free_ports(3), strict=True))
            done = await Program(*command, folder=folder, **{**settings, **ports, **given}).start().ended()
            (name,) = given
            assert (done.code, done.err.count("\n")) == (1, 1), done
            assert done.err.startswith(f"plaza: {name} is wrong: the server says "), done
            assert "sesame" not in done.err + done.out
            assert "Traceback" not in done.out, done.out

        await asyncio.gather(*(ended(at, *each) for at, each in enumerate(wrong)))
    finally:
        await store.kill()
        await store.stop()


async def test_the_embedded_system_waits_for_a_store_that_its_settings_name(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    program = Program("embedded", folder=tmp_path, MONGO_URL="mongodb://127.0.0.1:1", PLAZA_VAR=folder).start()
    try:
        await eventually(lambda: says(program, "waits_for='MongoDB (127.0.0.1:1: "))
        assert (await program.signal(signal.SIGINT)).code == 130
    finally:
        await program.kill()


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("MONGO_URL", "mongodb://plaza:open:sesame@localhost"),
        ("REDIS_URL", "redis://localhost:sesame"),
        ("BROKER_URL", "amqp://localhost:sesame/"),
    ],
)
async def test_a_url_that_is_none_is_named_and_its_password_is_not(name: str, url: str) -> None:
    good = {"mongo_url": "mongodb://localhost", "redis_url": "redis://localhost", "broker_url": "amqp://localhost/"}
    settings = WorkerSettings(**good | {name.lower(): url})
    with pytest.raises(StartError, match=f"^{name} is wrong: it is no URL") as refused:
        Plaza.connect(settings)
    assert "sesame" not in str(refused.value)
