"""Streams repair every loss of pushes in Redis."""

import asyncio
from unittest.mock import AsyncMock

import pytest
from support.sockets import until

from realtime.connect import RECHECK_S
from social.contracts.pushes import post_room


@pytest.fixture
async def broken_redis(redis_server):
    """The test session's Redis server, which runs again after the test in any case."""
    yield redis_server
    await redis_server.start()


async def test_a_redis_that_dies_and_comes_back_costs_nothing(world, ada, bob, broken_redis):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    post = await ada.publish()
    await wire.ask("post.watch", {"post_id": post})
    await broken_redis.kill()
    await until(lambda: not gateway.redis_channels.up)
    await world.like(post, by=bob, author=ada)
    await broken_redis.start()
    await wire.event("notification")
    await wire.event("post.stats")  # hints may be lost, so the counts are told again
    carl = await world.person("carl")
    await world.like(post, by=carl, author=ada)
    await wire.event("notification.updated")
    stats = {"post_id": post, "likes": 9, "comments": 0, "version": 9}
    await world.plaza.pushes.hint([post_room(post)], "post.stats", stats, at_ms=1)
    await wire.until(lambda: stats in wire.named("post.stats"))


async def test_people_connect_and_resume_while_redis_is_away(world, ada, bob, broken_redis):
    gateway = await world.gateway(sweep_s=0.5, confirm_s=0.2)
    wire = await ada.connect(gateway)
    await wire.close()
    post = await ada.publish()
    await broken_redis.kill()
    await world.like(post, by=bob, author=ada)
    again = await ada.back(wire, gateway)
    assert again.sid == wire.sid
    await again.event("notification")
    his = await bob.connect(gateway)
    assert (await his.ask("post.watch", {"post_id": post}))["ok"]
    carl = await world.person("carl")
    await world.like(post, by=carl, author=ada)
    await again.event("notification.updated")  # found by comparing positions


async def test_a_push_that_vanished_without_a_trace_is_found(world, ada, bob):
    gateway = await world.gateway(sweep_s=0.3)
    wire = await ada.connect(gateway)
    await world.record(await ada.publish(), by=bob, author=ada)
    await wire.event("notification")


async def test_what_is_pushed_before_a_channel_is_confirmed_late_is_read(world, ada, bob, monkeypatch):
    gateway = await world.gateway(confirm_s=0.01)
    channels, confirm = gateway.redis_channels, asyncio.Event()

    async def late(room, timeout_s):
        if timeout_s != RECHECK_S:  # a connect does not wait for longer
            return False
        await confirm.wait()
        return True

    monkeypatch.setattr(channels, "confirmed", late)
    monkeypatch.setattr(channels, "listens", lambda room: False)
    monkeypatch.setattr(gateway.delivery, "reread", AsyncMock())  # nothing else finds it
    wire = await ada.connect(gateway)
    await world.record(await ada.publish(), by=bob, author=ada)  # its push would not arrive
    confirm.set()
    await wire.event("notification")


async def test_a_listener_that_falls_silent_is_replaced(world, ada, bob):
    gateway = await world.gateway(beat_s=0.1, silence_s=0.5)
    wire = await ada.connect(gateway)
    async with world.new_redis() as redis:
        await redis.client_pause(1_500, all=True)
    await until(lambda: not gateway.redis_channels.up)
    await until(lambda: gateway.redis_channels.up)
    await world.like(await ada.publish(), by=bob, author=ada)
    await wire.event("notification")


async def test_a_connection_that_redis_closes_is_opened_again_and_read_up(world, ada, bob):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    async with world.new_redis() as redis:
        await redis.client_kill_filter(_type="pubsub")
    await until(lambda: not gateway.redis_channels.up)
    await world.record(await ada.publish(), by=bob, author=ada)
    await world.within(3, wire.event("notification"))


async def test_a_room_is_listened_to_from_its_first_member_until_a_while_after_its_last(world, ada, bob):
    gateway = await world.gateway(beat_s=0.1)
    post = await ada.publish()
    channel = f"room:{post_room(post)}"
    async with world.new_redis() as redis:

        async def listeners():
            return dict(await redis.pubsub_numsub(channel))[channel.encode()]

        hers, his = await ada.connect(gateway), await bob.connect(gateway)
        await hers.ask("post.watch", {"post_id": post})
        await his.ask("post.watch", {"post_id": post})
        assert await listeners() == 1
        await hers.close()
        await asyncio.sleep(0.5)
        assert await listeners() == 1
        await his.ask("post.unwatch", {"post_id": post})
        await his.ask("post.watch", {"post_id": post})
        await his.ask("post.unwatch", {"post_id": post})
        await until(lambda: gateway.redis_channels.listens(post_room(post)) is False)

        async def nobody():
            return await listeners() == 0

        await until(nobody)
        await his.ask("post.watch", {"post_id": post})
        assert await listeners() == 1
