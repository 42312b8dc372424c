"""The servers that the tests use."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aio_pika
import psutil
import pymongo
import pytest
import redis.asyncio
from aio_pika import DeliveryMode, Message
from motor.motor_asyncio import AsyncIOMotorClient
from support import ports
from support.databases import KEPT, MANY, Databases, emptied
from support.eventually import LONG_S
from support.servers import DocumentStore, RabbitServer, RedisServer

from devtools.cluster import server as server_module
from devtools.cluster.ports import free_ports
from devtools.cluster.server import Server, StartFailed
from social.infra.store.schema import INDEXES

S = TypeVar("S", bound=Server)


async def test_redis_keeps_what_was_appended_when_killed(tmp_path: Path, redis_server: RedisServer) -> None:
    async with started(RedisServer(tmp_path, append_only=True)) as server:
        url = server.url
        async with redis.asyncio.from_url(url) as client:
            await client.set("like", "1")
        await killed_and_restarted(server)
        assert server.url == url != redis_server.url
        async with redis.asyncio.from_url(url) as client:
            assert await client.get("like") == b"1"
    assert await processes_in(tmp_path) == []


async def test_rabbit_keeps_a_confirmed_message_of_a_quorum_queue_when_killed(
    tmp_path: Path, rabbit_server: RabbitServer
) -> None:
    async with started(RabbitServer(tmp_path)) as server:
        url = server.url
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            await channel.declare_queue("likes", durable=True, arguments={"x-queue-type": "quorum"})
            message = Message(b"a like", delivery_mode=DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, routing_key="likes", mandatory=True)
        await server.save()
        await killed_and_restarted(server)
        assert server.url == url != rabbit_server.url
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            queue = await channel.get_queue("likes")
            kept = await queue.get(timeout=LONG_S)
            await kept.ack()
            assert kept.body == b"a like"
    assert await processes_in(tmp_path) == []


async def test_the_document_store_keeps_a_committed_transaction_when_killed(
    tmp_path: Path, document_store: DocumentStore
) -> None:
    async with started(DocumentStore(tmp_path)) as server:
        url = server.url
        async with documents(url) as client, await client.start_session() as session, session.start_transaction():
            await client.site.likes.insert_one({"_id": 1}, session=session)
            await client.site.outbox.insert_one({"_id": 1}, session=session)
        await killed_and_restarted(server)
        assert server.url == url != document_store.url
        async with documents(url) as client:
            assert await client.site.likes.count_documents({}) == 1
            assert await client.site.outbox.count_documents({}) == 1
    assert await processes_in(tmp_path) == []


async def test_a_port_that_is_taken_is_left_to_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(RedisServer(tmp_path / "first")) as first, redis.asyncio.from_url(first.url) as client:
        await client.set("mine", "1")
        picks = iter([[first.port], ports.free_ports(1)])
        monkeypatch.setattr(server_module, "free_ports", lambda count: next(picks))
        async with started(RedisServer(tmp_path / "second")) as second:
            assert second.port != first.port
            assert await client.get("mine") == b"1"


async def test_a_server_that_cannot_start_says_what_it_said(tmp_path: Path) -> None:
    server = DocumentStore(tmp_path)
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(StartFailed, match="File exists"):
        await server.start()
    assert await processes_in(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the leash is Linux's PR_SET_PDEATHSIG")
async def test_a_killed_test_run_leaves_no_server_behind(tmp_path: Path, redis_server: RedisServer) -> None:
    code = (
        "import asyncio, pathlib, sys, time; from support.servers import RedisServer\n"
        "asyncio.run(RedisServer(pathlib.Path(sys.argv[1])).start()); print('started', flush=True); time.sleep(60)"
    )
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, tmp_path),
        cwd=(root := Path(__file__).parents[2]),
        env=os.environ | {"PYTHONPATH": str(root / "tests")},
        stdout=subprocess.PIPE,
    )
    assert run.stdout is not None
    assert await run.stdout.readline() == b"started\n"
    run.send_signal(signal.SIGKILL)
    await run.wait()
    assert await processes_in(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_a_port_is_picked_by_one_process_at_a_time() -> None:
    wanted, other = random.sample(range(30_000, 32_000), 2)
    code = f"from devtools.cluster.ports import free_ports; print(free_ports(1, [{wanted}]), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as picks:
        assert picks.stdout is not None
        assert picks.stdout.readline() == f"[{wanted}]\n".encode()
        assert free_ports(1, [wanted, other]) == [other], "nobody listens there, and it is taken"
        picks.kill()
    assert free_ports(1, [wanted]) == [wanted]


async def test_every_test_finds_redis_empty(redis_url: str) -> None:
    async with redis.asyncio.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("left", "behind")


test_and_so_does_the_next_one = test_every_test_finds_redis_empty


async def test_every_test_has_a_vhost_of_its_own(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue("same name", durable=True, arguments={"x-queue-type": "quorum"})
        assert queue.declaration_result.message_count == 0
        await channel.default_exchange.publish(Message(b"left behind"), routing_key="same name")


test_and_the_next_one_another = test_every_test_has_a_vhost_of_its_own


async def test_every_test_has_a_database_of_its_own(mongo_url: str, bare_database: str) -> None:
    async with documents(mongo_url) as client:
        assert bare_database not in await client.list_database_names()
        await client[bare_database].likes.insert_one({"left": "behind"})
        assert bare_database in await client.list_database_names()


@pytest.mark.parametrize("turn", range(KEPT + 1))
async def test_every_test_finds_all_collections_and_nothing_in_them(
    mongo_url: str, mongo_database: str, turn: int
) -> None:
    async with documents(mongo_url) as client:
        database = client[mongo_database]
        assert set(await database.list_collection_names()) == set(INDEXES)
        for name in INDEXES:
            assert await database[name].find_one({}) is None
        await database.likes.insert_many([{"left": "behind"} for _ in range(turn + 1)])
        await database.own.insert_one({"left": "behind"})


async def test_what_is_not_quickly_emptied_is_not_used_again(mongo_url: str, bare_database: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        assert not emptied(client[bare_database]), "its collections are missing"
        client[bare_database].create_collection("other")
        for name in INDEXES:
            client[bare_database].create_collection(name)
        assert emptied(client[bare_database])
        assert set(client[bare_database].list_collection_names()) == set(INDEXES)
        client[bare_database].posts.insert_many([{"n": n} for n in range(MANY + 1)])
        assert not emptied(client[bare_database])


async def test_a_test_that_changed_an_index_is_found_out(mongo_url: str) -> None:
    databases = Databases()
    name = await databases.take(mongo_url)
    async with documents(mongo_url) as client:
        await client[name].users.drop_index("email")
    databases.give_back(name)
    with pytest.raises(AssertionError, match="email is missing"):
        await databases.end(mongo_url)


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Request a server that is not installed."""
    from conftest import require

    monkeypatch.setattr(RedisServer, "missing", classmethod(lambda cls: "redis-server is not installed"))
    return lambda: require(RedisServer)


def test_a_missing_server_skips_its_tests(missing: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="redis-server is not installed"):
        missing()


def test_a_missing_server_fails_its_tests_in_ci(missing: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="redis-server is not installed"):
        missing()


@asynccontextmanager
async def started(server: S) -> AsyncIterator[S]:
    """Yield a running server, stopped at the end."""
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def documents(url: str) -> AsyncIterator[AsyncIOMotorClient[dict[str, Any]]]:
    """Return a client as the product makes it."""
    client = AsyncIOMotorClient[dict[str, Any]](url, serverSelectionTimeoutMS=60_000)
    try:
        yield client
    finally:
        client.close()


async def killed_and_restarted(server: Server) -> None:
    """Kill a server and start it again, as after a crash."""
    await server.kill()
    assert not server.running
    await server.restart()


async def processes_in(folder: Path) -> list[str]:
    """Return every process that works in the folder, once none does or those that end have had time for it."""
    until = time.monotonic() + LONG_S
    while left := [f"{p.pid} {p.name()}" for p in psutil.process_iter() if works_in(p, folder)]:
        if time.monotonic() > until:
            break
        await asyncio.sleep(0.05)
    return left


def works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False
