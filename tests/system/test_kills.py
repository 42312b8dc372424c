"""A consumer killed between two of its steps, and the whole system at any moment: nothing is lost or doubled."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import require
from support.crash import STEPS
from support.eventually import eventually
from support.people import Door, Person, door_to
from support.ports import free_ports
from support.processes import Program
from support.servers import DocumentStore, ImpatientStore

from social.infra.security.tokens import new_private_key
from social.infra.store.mongo import Mongo
from social.notifications import streams


async def consistent(mongo: Mongo, ada: Person, likes: int) -> None:
    """Assert that a group has each like once, the stream is contiguous, counts agree, and nothing is left over."""
    (group,) = [each for each in await ada.notifications() if each.type == "like"] or [None]
    assert group is not None
    assert group.count == likes
    facts = await mongo.many("notification_facts", {"group": group.id})
    assert len(facts) == likes
    row = await mongo.one("streams", {"_id": ada.id})
    assert row is not None
    items = streams.items_of(row)
    assert [item.s for item in items] == list(range(1, row["seq"] + 1))
    revisions = [item.rev for item in items]
    assert {item.k for item in items} == {group.id}
    assert revisions == sorted(set(revisions))
    assert revisions[-1] == group.rev
    (post,) = (await ada.posts(ada)).items
    assert post.likes == likes
    assert await mongo.count("outbox", {}, limit=1) == 0
    assert await mongo.count("parked", {}, limit=1) == 0


@pytest.mark.parametrize("step", STEPS)
async def test_the_embedded_system_killed_at_a_step_ends_with_each_like_once(tmp_path: Path, step: str) -> None:
    api_port, realtime_port = free_ports(2)
    url = f"http://127.0.0.1:{api_port}"
    settings = {"PLAZA_VAR": tmp_path / "var", "API_PORT": api_port, "REALTIME_PORT": realtime_port}
    settings["CRASH_ONCE"] = tmp_path / "crashed"
    program = await Program("embedded", folder=tmp_path, crash=step, **settings).start().answering(f"{url}/readyz")
    try:
        async with door_to(url) as door:
            ada, fans = await people(door, 3)
            post = await ada.publish("hello")
            likes = [asyncio.create_task(fan.like(post)) for fan in fans]
            await asyncio.gather(*likes, return_exceptions=True)
            assert (await program.ended()).code == -signal.SIGKILL
            await program.start().answering(f"{url}/readyz")
            for fan in fans:
                await fan.like(post)  # the likes that were not answered; for the others it changes nothing

            async def settled() -> None:
                note = (tmp_path / "var" / "store.json").read_text()
                port = note.partition('"port":')[2].rstrip("}")
                mongo = Mongo(f"mongodb://127.0.0.1:{port}/?retryWrites=false", "plaza")
                try:
                    await consistent(mongo, ada, len(fans))
                finally:
                    mongo.close()

            await eventually(settled, timeout_s=15, every_s=0.2)
            assert (await program.signal(signal.SIGTERM)).code == 0
    finally:
        await program.kill()


@pytest.fixture
def key_files(tmp_path: Path) -> dict[str, object]:
    """Return the keys that the API signs with."""
    (tmp_path / "jwt.pem").write_bytes(new_private_key())
    (tmp_path / "refresh.key").write_bytes(b"k" * 32)
    return {"JWT_PRIVATE_KEY_FILE": tmp_path / "jwt.pem", "REFRESH_KEY_FILE": tmp_path / "refresh.key"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DocumentStore]:
    """Run a store in which the transaction of a killed process keeps its documents from others until it is aborted."""
    require(ImpatientStore)
    store = ImpatientStore(tmp_path / "documents")
    await store.start()
    yield store
    await store.kill()
    await store.stop()


@pytest.fixture
async def mongo(store: DocumentStore) -> AsyncIterator[Mongo]:
    connection = Mongo(store.url, "plaza")
    yield connection
    connection.close()


@pytest.fixture
def servers(store: DocumentStore, redis_url: str, amqp_url: str) -> dict[str, object]:
    """Return the URLs of the real servers."""
    return {"MONGO_URL": store.url, "REDIS_URL": redis_url, "BROKER_URL": amqp_url}


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Yield a function that starts programs which end with the test."""
    started: list[Program] = []
    yield started
    for program in started:
        if program.process is not None and program.process.poll() is None:
            program.process.kill()
            program.process.wait()


@pytest.mark.parametrize("step", STEPS)
async def test_workers_killed_at_a_step_end_with_each_like_once(
    tmp_path: Path,
    step: str,
    servers: dict[str, Any],
    key_files: dict[str, Any],
    mongo: Mongo,
    programs: list[Program],
) -> None:
    migrated = await Program("social", "migrate", folder=tmp_path, **servers).start().ended()
    assert migrated.code == 0, migrated
    api_port, workers_port = free_ports(2)
    api = Program("api", folder=tmp_path, API_PORT=api_port, API_HOST="127.0.0.1", **servers, **key_files)
    crash = {"CRASH_ONCE": tmp_path / "crashed", "WORKERS_PORT": workers_port, "WORKERS_HOST": "127.0.0.1"}
    workers = Program("workers", folder=tmp_path, crash=step, **servers, **crash)
    programs += [api.start(), workers.start()]
    ready = f"http://127.0.0.1:{workers_port}/readyz"
    await asyncio.gather(api.answering(f"http://127.0.0.1:{api_port}/readyz"), workers.answering(ready))
    async with door_to(f"http://127.0.0.1:{api_port}") as door:
        ada, fans = await people(door, 3)
        post = await ada.publish("hello")
        await asyncio.gather(*(fan.like(post) for fan in fans))
        assert (await workers.ended()).code == -signal.SIGKILL
        await workers.start().answering(ready)
        await eventually(lambda: consistent(mongo, ada, len(fans)), timeout_s=20, every_s=0.2)
    assert [(await each.signal(signal.SIGTERM)).code for each in (api, workers)] == [0, 0]


async def people(door: Door, fans: int) -> tuple[Person, list[Person]]:
    everybody = await asyncio.gather(*(door.register(f"person{n}") for n in range(fans + 1)))
    return everybody[0], everybody[1:]


async def test_the_embedded_system_killed_again_and_again_keeps_every_acknowledged_like(tmp_path: Path) -> None:
    """A client writes without pause; each like that was answered has its notification exactly once."""
    api_port, realtime_port = free_ports(2)
    url = f"http://127.0.0.1:{api_port}"
    settings = {"PLAZA_VAR": tmp_path / "var", "API_PORT": api_port, "REALTIME_PORT": realtime_port}
    program = Program("embedded", folder=tmp_path, **settings)
    acknowledged: dict[str, int] = {}
    dice = random.Random(7)
    try:
        await program.start().answering(f"{url}/readyz")
        async with door_to(url) as door:
            ada, fans = await people(door, 4)
            stop = asyncio.Event()
            writers = [asyncio.create_task(write(ada, fans, acknowledged, stop, n)) for n in range(3)]
            for _ in range(4):
                before = sum(acknowledged.values())

                async def wrote(before: int = before) -> None:
                    assert sum(acknowledged.values()) > before

                await eventually(wrote, every_s=0.001)
                await asyncio.sleep(dice.uniform(0, 0.3))
                await program.kill()
                await program.start().answering(f"{url}/readyz")
            stop.set()
            unknown = set().union(*await asyncio.gather(*writers))
            assert sum(acknowledged.values()) > 20

            async def settled() -> None:
                found: dict[str, int] = {}
                page = await ada.inbox("?limit=100")
                while True:
                    for each in page.items:
                        assert each.post_id not in found, "two groups for one post"
                        assert each.post_id is not None
                        assert len({actor.id for actor in each.actors}) == each.count
                        found[each.post_id] = each.count
                    if page.next is None:
                        break
                    page = await ada.inbox(f"?limit=100&cursor={page.next}")
                sure = {post: count for post, count in acknowledged.items() if post not in unknown}
                assert {post: count for post, count in found.items() if post in sure} == sure
                for post in unknown:
                    assert found.get(post, 0) >= acknowledged.get(post, 0)

            await eventually(settled, timeout_s=20, every_s=0.2)
            offset = (await ada.inbox()).offset
            assert (await ada.sync(offset)).recovered
    finally:
        await program.kill()


async def write(
    ada: Person, fans: list[Person], acknowledged: dict[str, int], stop: asyncio.Event, writer: int
) -> set[str]:
    """Post, and have two people like it; return the posts with a like whose effect is unknown."""
    unknown: set[str] = set()
    n = 0
    while not stop.is_set():
        n += 1
        try:
            post = await ada.publish(f"{writer}.{n}", key=f"{writer}.{n}")
        except Exception:
            await asyncio.sleep(0.02)
            continue
        for fan in fans[:2]:
            try:
                await fan.like(post)
            except Exception:
                unknown.add(post.id)
                await asyncio.sleep(0.02)
            else:
                acknowledged[post.id] = acknowledged.get(post.id, 0) + 1
    return unknown
