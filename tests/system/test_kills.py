"""A consumer killed between two of its steps, and the whole system at any moment: nothing is lost or doubled."""

import asyncio
import json
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import require, run
from support.crash import POISON, POISONED, STEPS
from support.eventually import eventually
from support.people import Door, Person, door_to
from support.ports import free_ports
from support.processes import Program
from support.servers import ImpatientStore, RabbitServer, RedisServer

from social.contracts.envelope import Envelope
from social.contracts.events import PostLiked
from social.infra import clock
from social.infra.broker.opening import broker_of
from social.infra.broker.outbox import Outbox
from social.infra.security.keyfiles import make_keys
from social.infra.store.mongo import Mongo
from social.notifications import streams
from social.ops import parked
from workers.deaths import MOST_DEATHS


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
                note = json.loads((tmp_path / "var" / "store.json").read_text())
                mongo = Mongo(note["url"], "plaza")
                try:
                    await consistent(mongo, ada, len(fans))
                finally:
                    mongo.close()

            await eventually(settled, every_s=0.2)
            assert (await program.signal(signal.SIGTERM)).code == 0
    finally:
        await program.kill()


class Services(NamedTuple):
    """A store, a broker, and an API over them, for workers that are killed one after another."""

    settings: dict[str, Any]
    url: str


@pytest.fixture(scope="module")
def services(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, rabbit_server: RabbitServer
) -> Iterator[Services]:
    """Run a store in which the transaction of a killed process keeps its documents from others until it is aborted."""
    require(ImpatientStore)
    folder, (port,) = tmp_path_factory.mktemp("services"), free_ports(1)
    store = ImpatientStore(folder / "documents")
    for server in (store, redis_server, rabbit_server):
        run(server.start())
    run(rabbit_server.add_vhost("kills"))
    amqp_url = rabbit_server.url_of("kills")
    settings = {"MONGO_URL": store.url, "REDIS_URL": redis_server.url, "BROKER_URL": amqp_url}
    make_keys(folder)
    keys = {"JWT_PRIVATE_KEY_FILE": folder / "jwt.pem", "REFRESH_KEY_FILE": folder / "refresh.key"}
    api = Program("api", folder=folder, API_PORT=port, API_HOST="127.0.0.1", **settings, **keys)
    try:
        migrated = run(Program("social", "migrate", folder=folder, **settings).start().ended())
        assert migrated.code == 0, migrated
        url = f"http://127.0.0.1:{port}"
        run(api.start().answering(f"{url}/readyz"))
        yield Services(settings, url)
        assert run(api.signal(signal.SIGTERM)).code == 0
    finally:
        run(api.kill())
        run(rabbit_server.delete_vhost("kills"))
        run(store.kill())
        run(store.stop())


@pytest.fixture
async def mongo(services: Services) -> AsyncIterator[Mongo]:
    connection = Mongo(services.settings["MONGO_URL"], "plaza")
    yield connection
    connection.close()


@pytest.mark.parametrize("step", STEPS)
async def test_workers_killed_at_a_step_end_with_each_like_once(
    tmp_path: Path, step: str, services: Services, mongo: Mongo
) -> None:
    (port,) = free_ports(1)
    crash = {"CRASH_ONCE": tmp_path / "crashed", "WORKERS_PORT": port, "WORKERS_HOST": "127.0.0.1"}
    workers = Program("workers", folder=tmp_path, crash=step, **services.settings, **crash).start()
    ready = f"http://127.0.0.1:{port}/readyz"
    try:
        await workers.answering(ready)
        async with door_to(services.url) as door:
            ada, fans = await people(door, 3, of=STEPS.index(step))
            post = await ada.publish("hello")
            await asyncio.gather(*(fan.like(post) for fan in fans))
            assert (await workers.ended()).code == -signal.SIGKILL
            await workers.start().answering(ready)
            await eventually(lambda: consistent(mongo, ada, len(fans)), every_s=0.2)
        assert (await workers.signal(signal.SIGTERM)).code == 0
    finally:
        await workers.kill()


async def test_a_like_that_kills_each_worker_is_parked_and_its_neighbours_are_handled(
    tmp_path: Path, services: Services, mongo: Mongo
) -> None:
    (port,) = free_ports(1)
    crash = {"CRASH_ONCE": tmp_path / "never", "WORKERS_PORT": port, "WORKERS_HOST": "127.0.0.1"}
    workers = Program("workers", folder=tmp_path, crash=POISONED, **services.settings, **crash)
    broker = broker_of(services.settings["BROKER_URL"], "plaza", Outbox(mongo))
    like = PostLiked(post_id=POISON, author_id=POISON, by=POISON)
    poison = Envelope(id=clock.new_id(), type="PostLiked", v=1, key=POISON, at=clock.now(), data=like.model_dump())
    try:
        async with door_to(services.url) as door:
            ada, fans = await people(door, 6, of=len(STEPS))
            post = await ada.publish("hello")
            for fan in fans[:3]:
                await fan.like(post)
            await broker.publish([poison])
            for fan in fans[3:]:
                await fan.like(post)
            deaths = [await _death(workers, mongo) for _ in range(12)]
            assert deaths.count(True) > MOST_DEATHS
            assert deaths == sorted(deaths, reverse=True)  # once it is parked, nobody dies
            (row,) = await mongo.many("parked", {})
            assert (row["group"], row["_id"]) == ("notifications", f"notifications:{poison.id}")
            assert f"{MOST_DEATHS} processes died" in row["error"]
            await parked.discard(mongo, row["_id"])
            await eventually(lambda: consistent(mongo, ada, len(fans)), every_s=0.2)
        assert (await workers.signal(signal.SIGTERM)).code == 0
    finally:
        await workers.kill()
        await broker.close()


async def _death(workers: Program, mongo: Mongo) -> bool:
    """Start workers that do not run; return whether they were killed before they parked a message."""
    if workers.process is None or workers.process.poll() is not None:
        workers.start()
    while workers.process is not None and workers.process.poll() is None:
        if await mongo.count("parked", {}, limit=1):
            return False
        await asyncio.sleep(0.05)
    assert (await workers.ended()).code == -signal.SIGKILL
    return True


async def people(door: Door, fans: int, of: int = 0) -> tuple[Person, list[Person]]:
    """Register an author and some fans, whom the test with this number has."""
    everybody = await asyncio.gather(*(door.register(f"person{of}_{n}") for n in range(fans + 1)))
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
                    assert sum(acknowledged.values()) > before + 5

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

            await eventually(settled, every_s=0.2)
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
