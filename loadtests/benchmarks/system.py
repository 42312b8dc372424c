"""Systems for measurements, each in a folder of its own, with the people in them, and percentiles of their figures."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[2]))  # also for the programs that import this module

import workers.app
from devtools.cluster.server import die_with_parent
from devtools.cluster.servers import RabbitServer, RedisServer
from embedded.app import connect as connect_embedded
from embedded.settings import EmbeddedSettings
from embedded.store import noted_url
from loadtests.documents import documents, environment_for
from social.feeds import timelines
from social.infra import clock
from social.infra.broker.outbox import Outbox
from social.infra.broker.rabbit import RabbitBroker
from social.infra.files.blobs import blobs
from social.infra.files.mailer import FileMailer
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks
from social.infra.redis.redis import connect
from social.infra.settings import load
from social.infra.store.mongo import Mongo
from social.infra.store.schema import migrate
from social.notifications import streams
from social.people import users
from workers.mail import MailConsumer

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
POLICIES = ("USER", "IP", "LOGIN", "REGISTER", "RESET")


class System(NamedTuple):
    """A running system: its URL."""

    api: str
    realtime: str
    store: str
    """The URL of its documents."""
    database: str


@contextlib.asynccontextmanager
async def started() -> AsyncIterator[System]:
    """Run `python -m embedded`, without limits on requests, until the block ends."""
    servers = {name: value for name, value in os.environ.items() if name != "PORT" and not name.endswith("_URL")}
    with tempfile.TemporaryDirectory() as folder, environment_for(servers, "EMBEDDED_STORE") as environment:
        ports = [_free_port(), _free_port()]
        rates = {f"RATE_{policy}": "1000000/1" for policy in POLICIES}
        environment |= {"PLAZA_VAR": folder, "API_PORT": str(ports[0]), "REALTIME_PORT": str(ports[1]), **rates}
        url = f"http://127.0.0.1:{ports[0]}"
        async with _running("embedded", environment) as process:
            async with aiohttp.ClientSession() as http:
                while True:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with http.get(f"{url}/readyz") as answer:
                            if answer.status == 200:
                                break
                    assert process.returncode is None, "the system did not start"
                    await asyncio.sleep(0.1)
            store = environment.get("MONGO_URL") or noted_url(Path(folder))
            database = environment.get("MONGO_DATABASE", "plaza")
            yield System(url, f"http://127.0.0.1:{ports[1]}", store, database)


@contextlib.asynccontextmanager
async def working_in_process(fanout_limit: int) -> AsyncIterator[Plaza]:
    """Run the store, broker and workers of the embedded system in this process: all but the API and the gateway."""
    with tempfile.TemporaryDirectory() as name, environment_for({}, "EMBEDDED_STORE") as chosen:
        folder, tasks = Path(name), Tasks()
        settings = load(EmbeddedSettings, "embedded", plaza_var=folder, **{key.lower(): chosen[key] for key in chosen})
        async with connect_embedded(settings, tasks) as plaza:
            post = MailConsumer(FileMailer(folder / "mail", "plaza@example.org"), "http://127.0.0.1")
            plaza.start(tasks)
            workers.app.start(plaza, tasks, post, blobs(f"file:{folder / 'media'}"), fanout_limit=fanout_limit)
            try:
                yield plaza
            finally:
                await tasks.cancel()


@contextlib.asynccontextmanager
async def working_over_servers(roles: str) -> AsyncIterator[tuple[Plaza, str]]:
    """Run the servers of `over_servers` and `python -m workers` over them; yield the connection and RabbitMQ's URL."""
    async with over_servers() as (plaza, environment), worker(environment, roles):
        yield plaza, environment["BROKER_URL"]


def worker(
    environment: Mapping[str, str], roles: str
) -> contextlib.AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """Start a process of workers with these roles, on any free port."""
    return _running("workers", {**environment, "WORKER_ROLES": roles, "WORKERS_PORT": "0"})


@contextlib.asynccontextmanager
async def over_servers() -> AsyncIterator[tuple[Plaza, Mapping[str, str]]]:
    """Run a Redis, a RabbitMQ and the document store that STORE names; yield a connection to them that publishes the
    events of each commit, and the environment of processes over them.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with contextlib.AsyncExitStack() as stop:
            redis, rabbit = RedisServer(folder / "redis"), RabbitServer(folder / "rabbit")
            for server in (redis, rabbit):
                server.folder.mkdir()
                stop.push_async_callback(server.stop)
                await server.start()
            store = await stop.enter_async_context(documents(folder))
            mongo = Mongo(store.url, store.database)
            await migrate(mongo)
            outbox = Outbox(mongo)
            broker = RabbitBroker(rabbit.url, "plaza", outbox)
            plaza, tasks = Plaza.over(mongo, connect(redis.url), broker, outbox), Tasks()
            plaza.start(tasks)
            stop.push_async_callback(plaza.close)
            stop.push_async_callback(tasks.cancel)
            yield plaza, os.environ | {**store.environment, "REDIS_URL": redis.url, "BROKER_URL": rabbit.url}


@contextlib.asynccontextmanager
async def _running(module: str, environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(*die_with_parent(), sys.executable, "-m", module),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def register(http: aiohttp.ClientSession, name: str) -> str:
    """Register an account and return its access token."""
    ask = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    async with http.post("/v1/auth/register", json=ask) as answer:
        assert answer.status == 201, await answer.text()
        return str((await answer.json())["access_token"])


async def people(mongo: Mongo, count: int) -> list[str]:
    """Insert accounts without passwords; return their ids."""
    ids = [clock.new_id() for _ in range(count)]
    counters = dict.fromkeys(("followers", "following", "posts", "version"), 0)
    for start in range(0, count, 1_000):
        some = ids[start : start + 1_000]
        rows = [
            {"_id": each, "username": each, "email": each, **users.new_profile(each), **counters, "rev": 0}
            | {"created_at": clock.now(), "words": [], "password": None}
            for each in some
        ]
        await mongo.insert_missing("users", rows)
        await mongo.insert_missing("streams", [streams.new(each) for each in some])
        await mongo.insert_missing("timelines", [timelines.new(each) for each in some])
    return ids


async def follow(mongo: Mongo, pairs: Sequence[tuple[str, str]]) -> None:
    """Insert follows without events, as they are after a long time."""
    rows = [{"_id": one + other, "from": one, "to": other, "follows_at": clock.now()} for one, other in pairs]
    for start in range(0, len(rows), 1_000):
        await mongo.insert_missing("edges", rows[start : start + 1_000])


def p50_ms(took: Sequence[float]) -> float:
    """Return the median of seconds, in milliseconds."""
    return 1_000 * median(took)


def p99_ms(took: Sequence[float]) -> float:
    """Return the 99th percentile of seconds, in milliseconds."""
    return 1_000 * quantiles(took, n=100)[98]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
