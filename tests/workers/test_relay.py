"""The relay: one at a time sweeps up what the fast path left behind."""

import asyncio
from typing import Any

import pytest
from support.eventually import eventually
from support.people import Person
from support.plaza import Plaza, system
from support.servers import RedisServer

from social.infra.broker import BrokerAway
from workers import relay


async def test_of_two_relays_one_sweeps_and_the_other_takes_over(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SWEEP_EVERY_S", 0.02)
    sweeps: list[Any] = []

    async def swept(social: Any, _lease: Any) -> None:
        sweeps.append(social)

    monkeypatch.setattr(relay, "sweep", swept)
    async with (
        system(mongo_url, mongo_database, roles=()) as first,
        system(mongo_url, mongo_database, roles=()) as second,
    ):
        one = asyncio.create_task(relay.run(first.social))
        await until(sweeps, 5)
        other = asyncio.create_task(relay.run(second.social))
        await until(sweeps, 30)
        assert {id(each) for each in sweeps} == {id(first.social)}
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        sweeps.clear()
        await until(sweeps, 5)
        assert {id(each) for each in sweeps} == {id(second.social)}
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)


async def until(sweeps: list[Any], count: int) -> None:
    async def look() -> None:
        assert len(sweeps) >= count

    await eventually(look)


async def test_a_relay_whose_holder_died_is_followed_by_another(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "SWEEP_EVERY_S", 0.05)
    monkeypatch.setattr(relay, "LEASE", relay.timedelta(seconds=0.5))
    async with system(mongo_url, mongo_database, roles=()) as plaza:
        dead = relay.Lease(plaza.social.mongo, "relay", relay.LEASE)
        assert await dead.take()
        alive = relay.Lease(plaza.social.mongo, "relay", relay.LEASE)
        assert not await alive.take()

        async def taken() -> None:
            assert await alive.take()

        await eventually(taken, timeout_s=3)
        assert not await dead.take()


async def test_what_the_fast_path_drops_the_relay_tells(
    plaza: Plaza, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LEFT_BEHIND", relay.timedelta(seconds=0.3))
    monkeypatch.setattr(plaza.social.publisher, "offer", lambda envelopes: None)
    post = await ada.publish("hello")
    await bob.like(post)

    async def told() -> None:
        assert [each.count for each in await ada.notifications()] == [1]
        assert await plaza.social.mongo.count("outbox", {}, limit=1) == 0

    await eventually(told)


async def test_a_broker_that_is_away_is_asked_again(
    plaza: Plaza, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LEFT_BEHIND", relay.timedelta(seconds=0.1))
    monkeypatch.setattr(relay, "SWEEP_EVERY_S", 0.1)
    publish, away = plaza.social.broker.publish, [1] * 4

    async def sometimes(envelopes: Any) -> None:
        if away:
            away.pop()
            raise BrokerAway("not now")
        await publish(envelopes)

    monkeypatch.setattr(plaza.social.broker, "publish", sometimes)
    await bob.like(await ada.publish("hello"))

    async def told() -> None:
        assert [each.count for each in await ada.notifications()] == [1]

    await eventually(told)
    assert not away


async def test_while_redis_is_down_people_are_told_all_the_same(
    mongo_url: str, mongo_database: str, redis_server: RedisServer, redis_url: str
) -> None:
    async with system(mongo_url, mongo_database, redis_url=redis_url) as plaza:
        ada, bob, eve = [await plaza.door.register(name) for name in ("ada", "bob", "eve")]
        post = await ada.publish("hello")
        await bob.like(post)

        async def told(count: int) -> None:
            assert [each.count for each in await ada.notifications()] == [count]
            row = await plaza.social.mongo.one("streams", {"_id": ada.id})
            assert row is not None
            assert row["seq"] == count

        await eventually(lambda: told(1))
        await redis_server.kill()
        try:
            await eve.like(post)
            await eventually(lambda: told(2))
            assert (await plaza.door.ask("GET", "/readyz")).status == 200
            await eve.logout()
            (await eve.ask("GET", "/v1/users/me")).refused(401, "session_revoked")
        finally:
            await redis_server.start()
        await (await plaza.door.register("carol")).like(post)
        await eventually(lambda: told(3))
