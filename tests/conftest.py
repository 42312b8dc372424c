"""The real servers of the tests: started once per session when a test needs them, and empty for each test."""

import asyncio
import gc
import os
import shutil
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import uuid4

import psutil
import pymongo
import pytest
import redis
import structlog
from support.databases import Databases, a_name
from support.moto import CREDENTIALS, Moto
from support.patience import patience
from support.people import Door, Person
from support.ports import free_ports
from support.servers import DocumentStore, NamedStore, RabbitServer, RedisServer, SqsServer
from support.site import Site, system
from support.stores import chosen

from devtools.cluster.server import Server
from workers import sweeper

MEMORY = Path("/dev/shm")
ROOM = 4 << 30  # bytes

# Folders whose tests wait for processes and clocks more than they compute; the longest first.
WAITING = ("system", "embedded", "loadtests", "nginx", "deploy", "workers", "realtime")
SHORT = "social"  # a folder of short files, which run last: a worker that begins a long file last works on alone

S = TypeVar("S", bound=Server)
T = TypeVar("T")

# structlog's own configuration, without colours and without local variables in tracebacks: to draw them takes 0.2 s.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.set_exc_info,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_configure(config: pytest.Config) -> None:
    """Put temporary folders into memory; a wrong STORE ends the run with the line of its pytest.UsageError."""
    chosen()
    if in_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that mostly wait and files that mostly compute take turns, so that both kinds run beside each other."""
    tests = Path(__file__).parent
    folders = {item.path: item.path.relative_to(tests).parts[0] for item in items}
    waiting = [path for folder in WAITING for path in folders if folders[path] == folder]
    others = [path for path in folders if folders[path] not in WAITING]
    computing = sorted(others, key=lambda path: folders[path] == SHORT)
    turns = {path: at / len(some) for some in (waiting, computing) for at, path in enumerate(some)}
    items.sort(key=lambda item: turns[item.path])


def pytest_collection_finish() -> None:
    """Let the garbage collector look seldom, and never at what was collected and imported: a tenth of the run's CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def in_memory() -> bool:
    """Return whether there is room for files in memory, lost only by a power cut: on a disk each commit takes 3 ms."""
    return (
        MEMORY.is_dir()
        and os.access(MEMORY, os.W_OK)
        and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
        and shutil.disk_usage(MEMORY).free > ROOM
    )


@pytest.fixture(scope="session", autouse=True)
def patient() -> Iterator[None]:
    """Let no test find a server away because the machine is busy."""
    with patience():
        yield


@pytest.fixture(scope="session", autouse=True)
def own_ports() -> Iterator[None]:
    """Let servers of tests have ports that no other worker takes while they are down."""
    with pytest.MonkeyPatch.context() as patched:
        for module in ("server", "redis_cluster"):
            patched.setattr(f"devtools.cluster.{module}.free_ports", free_ports)
        yield


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder for the servers of the session."""
    if in_memory():
        for left in MEMORY.glob("plaza-tests-*"):  # left by a run that was killed
            if not psutil.pid_exists(int(left.name.split("-")[2])):
                shutil.rmtree(left, ignore_errors=True)
        prefix = f"plaza-tests-{os.getpid()}-"
        with TemporaryDirectory(prefix=prefix, dir=MEMORY, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run a Redis for the session; most tests need `redis_url`."""
    require(RedisServer)
    yield from serve(RedisServer(tmp_path_factory.mktemp("redis")))


@pytest.fixture(scope="session")
def rabbit_server(server_folder: Path) -> Iterator[RabbitServer]:
    """Run a RabbitMQ for the session; most tests need `amqp_url`."""
    require(RabbitServer)
    yield from serve(RabbitServer(server_folder / "rabbit"))


@pytest.fixture(scope="session")
def sqs_server(server_folder: Path) -> Iterator[SqsServer]:
    """Run an SQS for the session; most tests need `sqs_url`."""
    require(SqsServer)
    yield from serve(SqsServer(server_folder / "sqs"))


@pytest.fixture(scope="session")
def document_store(server_folder: Path) -> Iterator[DocumentStore]:
    """Run a document store for the session; most tests need `mongo_url` and `mongo_database`."""
    if chosen().store_url:
        yield NamedStore(server_folder / "documents")
        return
    require(DocumentStore)
    yield from serve(DocumentStore(server_folder / "documents"))


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """Run an S3 for the session; most tests need `moto`."""
    yield from serve(Moto(tmp_path_factory.mktemp("moto")))


@pytest.fixture
def moto(moto_server: Moto, monkeypatch: pytest.MonkeyPatch) -> Moto:
    """Return an S3 with a bucket; its credentials are in the environment."""
    run(moto_server.start())  # a test may have left it stopped
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return moto_server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Return the URL of an empty Redis."""
    run(redis_server.start())  # a test may have left it stopped
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def amqp_url(rabbit_server: RabbitServer) -> Iterator[str]:
    """Yield the URL of a new vhost, with only the built-in exchanges."""
    run(rabbit_server.start())
    vhost = f"test-{uuid4().hex[:12]}"
    run(rabbit_server.add_vhost(vhost))
    yield rabbit_server.url_of(vhost)
    run(rabbit_server.start())
    run(rabbit_server.delete_vhost(vhost))


@pytest.fixture
def sqs_url(sqs_server: SqsServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of new queues, which their first user creates; credentials are in the environment."""
    run(sqs_server.start())
    for name, value in SqsServer.credentials.items():
        monkeypatch.setenv(name, value)
    return f"{sqs_server.url}&prefix=test-{uuid4().hex[:12]}"


@pytest.fixture
def mongo_url(document_store: DocumentStore) -> str:
    """Return the URL of a running document store, shared by the session: use `mongo_database` in it."""
    run(document_store.start())
    return document_store.url


@pytest.fixture(scope="session")
def databases(document_store: DocumentStore) -> Iterator[Databases]:
    """Yield databases with all collections and indexes; most tests need `mongo_database`."""
    kept = Databases()
    yield kept
    run(document_store.start())
    run(kept.end(document_store.url))


@pytest.fixture
def mongo_database(databases: Databases, mongo_url: str) -> Iterator[str]:
    """Yield the name of an empty database for this test, with all collections and indexes."""
    name = run(databases.take(mongo_url))
    yield name
    databases.give_back(name)


@pytest.fixture
def bare_database(document_store: DocumentStore, mongo_url: str) -> Iterator[str]:
    """Yield the name of a database for this test that is not there yet; it is dropped after the test."""
    name = a_name()
    yield name
    run(document_store.start())
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        client.drop_database(name)


@pytest.fixture
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sweepers of a `site` look ten times a second; request this fixture before the site."""
    jobs = sweeper.jobs

    def quick(*args: Any) -> list[sweeper.Job]:
        return [replace(job, every_s=min(job.every_s, 0.1)) for job in jobs(*args) if job.every_s <= 5]

    monkeypatch.setattr(sweeper, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(sweeper, "jobs", quick)


@pytest.fixture
async def site(mongo_url: str, mongo_database: str) -> AsyncIterator[Site]:
    """Run a whole Plaza in this process, over a database of its own."""
    async with system(mongo_url, mongo_database) as running:
        yield running


@pytest.fixture
async def door(site: Site) -> Door:
    """Return the address of the API."""
    return site.door


@pytest.fixture
async def ada(door: Door) -> Person:
    """A person."""
    return await door.register("ada")


@pytest.fixture
async def bob(door: Door) -> Person:
    """Another person."""
    return await door.register("bob")


@pytest.fixture
async def eve(door: Door) -> Person:
    """A person who should not get in."""
    return await door.register("eve")


def require(server: type[Server]) -> None:
    """Skip a test whose server is not installed; where CI=true that is a failure."""
    if (missing := server.missing()) is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing}, and CI=true lets no test be skipped for it", pytrace=False)
    pytest.skip(missing)


def serve(server: S) -> Iterator[S]:
    """Start a server, yield it, end it."""
    run(server.start())
    yield server
    run(server.kill())  # its data are not needed any more
    run(server.stop())


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own, and leave the loop of the test alone."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
