"""The relay: for each shard a single worker publishes the rows that the fast path left behind."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import aio_pika
import pytest
from support.eventually import eventually
from support.people import Person
from support.servers import RedisServer
from support.site import Site, system

from social.contracts.envelope import Envelope
from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.broker.broker import BrokerAway
from social.infra.broker.topology import partition
from social.infra.store import members
from social.ops import parked
from workers import relay


async def test_two_relays_share_the_shards_and_who_is_left_takes_them_all(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SWEEP_EVERY_S", 0.02)
    monkeypatch.setattr(members, "EVERY_S", 0.05)
    swept: dict[int, set[int]] = {}

    async def sweep(plaza: Any, held: dict[int, relay.Lease]) -> None:
        swept[id(plaza)] = set(held)

    monkeypatch.setattr(relay, "sweep", sweep)
    async with (
        system(mongo_url, mongo_database, roles=()) as first,
        system(mongo_url, mongo_database, roles=()) as second,
    ):
        one = asyncio.create_task(relay.run(first.plaza))

        async def all_are(*whose: Site) -> None:
            assert [len(swept.get(id(each.plaza), ())) for each in whose] == [relay.SHARDS // len(whose)] * len(whose)
            assert set().union(*(swept[id(each.plaza)] for each in whose)) == set(range(relay.SHARDS))

        await eventually(lambda: all_are(first))
        other = asyncio.create_task(relay.run(second.plaza))
        await eventually(lambda: all_are(first, second))
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        del swept[id(first.plaza)]
        await eventually(lambda: all_are(second))
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)


@pytest.mark.parametrize("broker", ["local"])
async def test_a_relay_publishes_the_rows_of_its_shards_in_their_order(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 3)
    async with system(mongo_url, mongo_database, roles=()) as site:
        monkeypatch.setattr(site.plaza.publisher, "offer", lambda envelopes: None)
        ada = await site.door.register("ada")
        for n in range(12):
            await ada.publish(str(n))
        rows = await site.plaza.outbox.due(relay.timedelta(0), 100)
        monkeypatch.setattr(relay, "LEFT_BEHIND", relay.timedelta(0))
        published: list[str] = []

        async def publish(envelopes: Any) -> None:
            published.extend(each.id for each in envelopes)

        monkeypatch.setattr(site.plaza.broker, "publish", publish)
        lease = relay.Lease(site.plaza.mongo, "relay of this test", relay.LEASE)
        assert await lease.take()
        await relay.sweep(site.plaza, {1: lease, 2: lease})
    expected = [row.id for row in rows if partition(row.key, relay.SHARDS) in (1, 2)]
    assert 0 < len(expected) < len(rows)
    assert published == expected


@pytest.mark.parametrize("broker", ["local"])
async def test_a_relay_that_loses_a_lease_leaves_the_rest_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "BATCH", 3)
    rows = [_row(f"{number:024x}") for number in range(1, 10)]

    async def due(_older: Any, most: int, after: str) -> list[Envelope]:
        return [row for row in rows if row.id > after][:most]

    published: list[str] = []

    async def publish(envelopes: Sequence[Envelope]) -> None:
        published.extend(each.id for each in envelopes)

    plaza: Any = SimpleNamespace(
        outbox=SimpleNamespace(due=due, forget=AsyncMock()),
        broker=SimpleNamespace(publish=publish, fits=lambda _: True),
    )
    leases = [AsyncMock(take=AsyncMock(side_effect=[True, taken])) for taken in (True, True, False, True)]
    await relay.sweep(plaza, dict(enumerate(leases)))
    assert published == [row.id for row in rows[:6]]


def _row(id_: str) -> Envelope:
    data = {"post_id": "a" * 24, "author_id": "b" * 24, "by": "c" * 24}
    return Envelope(id=id_, type="PostLiked", v=1, key="a", at=clock.now(), trace=None, data=data)


@pytest.mark.parametrize("broker", ["local"])
async def test_events_that_no_queue_takes_do_not_keep_the_relay_from_those_behind_them(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 3)
    monkeypatch.setattr(relay, "LEFT_BEHIND", relay.timedelta(0))
    async with system(mongo_url, mongo_database, roles=()) as site:
        monkeypatch.setattr(site.plaza.publisher, "offer", lambda envelopes: None)
        ada = await site.door.register("ada")
        for n in range(12):
            await ada.publish(str(n))
        rows = [row.id for row in await site.plaza.outbox.due(relay.timedelta(0), 100)]
        stuck, huge, passed = rows[:4], rows[4], list[str]()

        async def publish(envelopes: Any) -> None:
            ids = [each.id for each in envelopes]
            passed.extend(each for each in ids if each not in stuck)
            if set(ids) & {*stuck}:
                raise BrokerAway("there is no queue of its group")

        broker = site.plaza.broker
        monkeypatch.setattr(broker, "publish", publish)
        monkeypatch.setattr(broker, "fits", lambda row: row.id != huge)
        leases = {shard: relay.Lease(site.plaza.mongo, f"relay {shard}", relay.LEASE) for shard in range(relay.SHARDS)}
        assert all([await each.take() for each in leases.values()])
        with pytest.raises(BrokerAway, match="there is no queue"):
            await relay.sweep(site.plaza, leases)
        assert passed == rows[5:]
        (row,) = await parked.listed(site.plaza.mongo)
        assert (row["_id"], row["error"]) == (f"outbox:{huge}", "too large for the broker")
        assert huge not in [row.id for row in await site.plaza.outbox.due(relay.timedelta(0), 100)]
        passed.clear()
        monkeypatch.setattr(broker, "ping", AsyncMock(side_effect=BrokerAway("nobody answers")))
        with pytest.raises(BrokerAway, match="nobody answers"):
            await relay.sweep(site.plaza, leases)
        assert passed == [], "a broker that is away ends the sweep"


async def test_a_relay_whose_holder_died_is_followed_by_another(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SWEEP_EVERY_S", 0.05)
    monkeypatch.setattr(relay, "LEASE", relay.timedelta(seconds=2))
    async with system(mongo_url, mongo_database, roles=()) as site:
        dead = relay.Lease(site.plaza.mongo, "relay", relay.LEASE)
        assert await dead.take()
        alive = relay.Lease(site.plaza.mongo, "relay", relay.LEASE)
        assert not await alive.take()

        async def taken() -> None:
            assert await alive.take()

        await eventually(taken)
        assert not await dead.take()


async def test_the_relay_publishes_what_the_fast_path_drops(
    site: Site, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LEFT_BEHIND", relay.timedelta(seconds=0.3))
    monkeypatch.setattr(site.plaza.publisher, "offer", lambda envelopes: None)
    post = await ada.publish("hello")
    await bob.like(post)

    async def notified() -> None:
        assert [each.count for each in await ada.notifications()] == [1]
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(notified)


async def test_a_broker_that_is_away_is_asked_again(
    site: Site, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LEFT_BEHIND", relay.timedelta(seconds=0.1))
    monkeypatch.setattr(relay, "SWEEP_EVERY_S", 0.1)
    publish, away = site.plaza.broker.publish, [1] * 4

    async def sometimes(envelopes: Any) -> None:
        if away:
            away.pop()
            raise BrokerAway("not now")
        await publish(envelopes)

    monkeypatch.setattr(site.plaza.broker, "publish", sometimes)
    await bob.like(await ada.publish("hello"))

    async def notified() -> None:
        assert [each.count for each in await ada.notifications()] == [1]

    await eventually(notified)
    assert not away


@pytest.mark.parametrize("broker", ["rabbit"])
async def test_what_the_broker_confirmed_is_not_sent_again_for_its_neighbour(
    mongo_url: str, mongo_database: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a slow broker would get that batch again for ever."""
    monkeypatch.setattr("social.infra.broker.rabbit.CONFIRM_DEADLINE_S", 3.0)
    async with system(mongo_url, mongo_database, broker_url=broker_url, roles=()) as site:
        monkeypatch.setattr(site.plaza.publisher, "offer", lambda envelopes: None)
        ada = await site.door.register("ada")
        await site.plaza.broker.ping()
        for text in ("hello", "slow"):
            await ada.publish(text)
        *earlier, quick, slow = await site.plaza.outbox.due(relay.timedelta(0), 10)
        await site.plaza.outbox.forget([each.id for each in earlier])
        events = site.plaza.broker._events  # type: ignore[attr-defined]
        publish = events.publish

        async def slowly(message: aio_pika.Message, *more: Any, **options: Any) -> None:
            if message.message_id == f"{slow.id}.0":
                await asyncio.sleep(60)
            await publish(message, *more, **options)

        monkeypatch.setattr(events, "publish", slowly)
        with pytest.raises(BrokerAway):
            await site.plaza.broker.publish([quick, slow])
        await site.plaza.outbox.finish(5)
        assert [each.id for each in await site.plaza.outbox.due(relay.timedelta(0), 2)] == [slow.id]


async def test_a_relay_that_cannot_give_up_its_lease_ends_all_the_same(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with system(mongo_url, mongo_database, roles=("relay",)) as site:
        monkeypatch.setattr(relay.Lease, "give_up", AsyncMock(side_effect=Unavailable))
        await asyncio.sleep(0.1)
        await site.tasks.cancel()


async def test_people_are_notified_while_redis_is_down(
    mongo_url: str, mongo_database: str, redis_server: RedisServer, redis_url: str
) -> None:
    async with system(mongo_url, mongo_database, redis_url=redis_url) as site:
        ada, bob, eve = [await site.door.register(name) for name in ("ada", "bob", "eve")]
        post = await ada.publish("hello")
        await bob.like(post)

        async def notified(count: int) -> None:
            assert [each.count for each in await ada.notifications()] == [count]
            row = await site.plaza.mongo.one("streams", {"_id": ada.id})
            assert row is not None
            assert row["seq"] == count

        await eventually(lambda: notified(1))
        await redis_server.kill()
        try:
            await eve.like(post)
            await eventually(lambda: notified(2))
            assert (await site.door.ask("GET", "/readyz")).status == 200
            await eve.logout()
            (await eve.ask("GET", "/v1/users/me")).refused(401, "session_revoked")
        finally:
            await redis_server.start()
        await (await site.door.register("carol")).like(post)
        await eventually(lambda: notified(3))
