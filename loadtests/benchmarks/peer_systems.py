"""The two systems that are compared, each as three processes over the servers that both use in turns."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil
import redis.asyncio
from pymongo import AsyncMongoClient

from devtools.cluster.ports import free_ports
from devtools.cluster.server import die_with_parent
from devtools.cluster.servers import RabbitServer, RedisServer
from embedded.store import Store
from loadtests.benchmarks.peer_client import Http
from loadtests.documents import chosen

ROOT = Path(__file__).parents[2]
PEER = ROOT / "loadtests/peers/express"
KINDS = ("api", "realtime", "worker")  # one process each
POLICIES = ("USER", "IP", "LOGIN", "REGISTER", "RESET")
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 15.0


class Servers(NamedTuple):
    """The servers that both systems use."""

    mongo: str
    redis: str
    amqp: str
    store_pid: int | None = None


class Cpu(NamedTuple):
    """CPU seconds so far, of a system's own processes, and of the store where this program started it."""

    own_s: float
    store_s: float

    def of_each(self, before: "Cpu", count: int) -> dict[str, float | None]:
        """Return the milliseconds for each of `count` requests: on a busy machine only these can be compared."""
        spent = {"cpu_ms": self.own_s - before.own_s, "store_cpu_ms": self.store_s - before.store_s}
        return {name: round(1_000 * seconds / count, 3) if count else None for name, seconds in spent.items()}


class System(NamedTuple):
    """A running system: its URLs, and its processes."""

    name: str
    api: str
    realtime: str
    database: str  # its name, and the prefix of its queues
    pids: Sequence[int] = ()
    store_pid: int | None = None

    def cpu(self) -> Cpu:
        """Return the CPU time that its processes and its store have used so far."""
        store = [] if self.store_pid is None else [self.store_pid]
        return Cpu(*(sum(map(_cpu_s, pids)) for pids in (self.pids, store)))


@contextlib.asynccontextmanager
async def brokers(folder: Path) -> AsyncIterator[tuple[RedisServer, RabbitServer]]:
    """Run a Redis and a RabbitMQ, for all rounds."""
    async with contextlib.AsyncExitStack() as stop:
        started = RedisServer(folder / "redis"), RabbitServer(folder / "rabbit")
        for server in started:
            stop.push_async_callback(server.stop)
            await server.start()
        yield started


@contextlib.asynccontextmanager
async def store(folder: Path) -> AsyncIterator[tuple[str, int | None]]:
    """Run the store of a turn: a new embedded store and its process, or the store that STORE names."""
    settings = chosen()
    if settings.store_url:
        yield settings.store_url, None
        return
    embedded = Store(made(folder), settings.embedded_store)
    try:
        yield await embedded.start(), embedded.pid
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def running(name: str, servers: Servers, folder: Path, root: Path) -> AsyncIterator[System]:
    """Run `product` or `peer`, empty and ready, until the block ends; drop its database then."""
    async with redis.asyncio.Redis.from_url(servers.redis) as client:
        await client.flushall()
    database = f"measured_{name}_{secrets.token_hex(4)}"
    ports = dict(zip(KINDS, free_ports(len(KINDS)), strict=True))
    settings = {"MONGO_URL": servers.mongo, "MONGO_DATABASE": database, "REDIS_URL": servers.redis}
    settings |= {
        "AMQP_URL": servers.amqp,
        "AMQP_PREFIX": database,
    }  # queues of its own: an earlier turn may have left messages
    start = _product if name == "product" else _peer
    commands, environment, cwd = await start(settings, ports, made(folder), root)
    async with contextlib.AsyncExitStack() as stop:
        stop.push_async_callback(_drop, servers.mongo, database)
        processes = {}
        for kind in KINDS:
            own, log = {**_foreign(), **settings, **environment[kind]}, folder / f"{kind}.log"
            processes[kind] = await stop.enter_async_context(_program(commands[kind], own, cwd, log))
        for kind in KINDS:
            await _ready(processes[kind], ports[kind], folder / f"{kind}.log")
        here, pids = "http://127.0.0.1:", [each.pid for each in processes.values()]
        yield System(name, f"{here}{ports['api']}", f"{here}{ports['realtime']}", database, pids, servers.store_pid)


Start = tuple[dict[str, list[str]], dict[str, dict[str, str]], Path]  # commands, settings, folder


async def _product(settings: Mapping[str, str], ports: Mapping[str, int], folder: Path, root: Path) -> Start:
    """Return how the product starts: as in production, without limits on requests; without access logs, as the peer."""
    for words in (("migrate",), ("keys", str(folder / "keys"))):
        await _done([sys.executable, "-m", "social", *words], {**_foreign(), **settings}, root)
    keys, shared = folder / "keys", {f"RATE_{policy}": "1000000/1" for policy in POLICIES}
    shared |= {"LOG_LEVEL": "warning", "MEDIA_URL": f"file:{folder / 'media'}", "MAILER_URL": f"file:{folder / 'mail'}"}
    shared |= {"MAIL_LINKS": "http://127.0.0.1", "DRAIN_S": "1"}
    modules = {"api": "api", "realtime": "realtime", "worker": "workers"}
    environment = {
        kind: {**shared, f"{module.upper()}_HOST": "127.0.0.1", f"{module.upper()}_PORT": str(ports[kind])}
        for kind, module in modules.items()
    }
    signing = {"JWT_PRIVATE_KEY_FILE": str(keys / "jwt.pem"), "REFRESH_KEY_FILE": str(keys / "refresh.key")}
    environment["api"] |= signing
    environment["realtime"] |= {"JWT_JWKS": str(keys / "jwks.json"), "PID_KEY_FILE": str(keys / "pid.key")}
    return {kind: [sys.executable, "-m", module] for kind, module in modules.items()}, environment, root


async def _peer(settings: Mapping[str, str], ports: Mapping[str, int], folder: Path, root: Path) -> Start:
    secret = secrets.token_urlsafe(32)
    shared = {"NODE_ENV": "production", "HOST": "127.0.0.1", "JWT_SECRET": secret}
    environment = {kind: {**shared, "PORT": str(ports[kind])} for kind in KINDS}
    return {kind: ["node", f"src/{kind}.js"] for kind in KINDS}, environment, PEER


def made(folder: Path) -> Path:
    """Make a folder and return it."""
    folder.mkdir()
    return folder


def _foreign() -> dict[str, str]:
    """Return the environment without the URLs of other systems."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_URL") and name != "STORE"}


async def _done(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {printed.decode(errors='replace')}")


@contextlib.asynccontextmanager
async def _program(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path, log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *die_with_parent(),
            *command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    http = Http(f"http://127.0.0.1:{port}")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_WITHIN_S):
            while process.returncode is None:
                if (await http.ask("GET", "/readyz")).status == 200:
                    await http.close()
                    return
                await asyncio.sleep(0.1)
    raise RuntimeError(f"{log.stem} did not start: {_last_words(log)}")


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-2_000:]


async def _drop(url: str, database: str) -> None:
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(url)
    async with client:
        await client.drop_database(database)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def node_version() -> str:
    """Return the versions of Node and of the peer's packages."""
    printed = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    packages = json.loads((PEER / "package.json").read_text())["dependencies"]
    return f"Node {printed.removeprefix('v')}, Express {packages['express']}, Socket.IO {packages['socket.io']}"
