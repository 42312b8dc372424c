"""Gateways over a Redis inside their process, as in `make run`."""

import fakeredis
import pytest
from support.sockets import World, until

from social.accounts import login
from social.contracts.pushes import post_room


@pytest.fixture
async def world(mongo_url, mongo_database, http):
    server = fakeredis.FakeServer()

    class Inside(World):
        def new_redis(self):
            return fakeredis.FakeAsyncRedis(server=server)

    async with Inside(mongo_url, mongo_database, "", http) as world:
        yield world


async def test_pushes_arrive(world, gateway, ada, bob):
    wire = await ada.connect(gateway)
    await world.like(await ada.publish(), by=bob, author=ada)
    assert (await wire.event("notification"))["count"] == 1


async def test_a_client_returns_to_another_gateway_and_its_posts_with_it(world, gateway, ada, bob):
    other = await world.gateway()
    post = await ada.publish()
    wire = await ada.connect(gateway)
    await wire.ask("post.watch", {"post_id": post})
    again = await ada.back(wire, other)
    assert again.sid == wire.sid
    await until(wire.closed.is_set)
    assert (await again.event("post.stats"))["version"] == 0
    await world.like(post, by=bob, author=ada)
    await again.event("notification")


async def test_a_room_is_left_after_its_last_member_and_entered_again(world, ada):
    gateway = await world.gateway(beat_s=0.1, linger_s=0)
    post = await ada.publish()
    wire = await ada.connect(gateway)
    for version in range(1, 4):
        await wire.ask("post.watch", {"post_id": post})
        stats = {"post_id": post, "likes": version, "comments": 0, "version": version}
        await world.plaza.pushes.hint([post_room(post)], "post.stats", stats, at_ms=1)
        assert await wire.event("post.stats", version) == stats
        await wire.ask("post.unwatch", {"post_id": post})
        await until(lambda: not gateway.redis_channels.listens(post_room(post)))


async def test_logging_out_closes_the_sockets(world, gateway, ada):
    wire = await ada.connect(gateway)
    await login.logout(world.plaza, world.keys, ada.tokens.refresh_token)
    await wire.until(lambda: wire.disconnected)


async def test_a_listener_that_is_never_heard_is_replaced(world, ada, bob):
    gateway = await world.gateway(beat_s=0.1, silence_s=0.4)
    wire = await ada.connect(gateway)
    publish, gateway.plaza.redis.publish = gateway.plaza.redis.publish, None
    gateway.plaza.redis.publish = lambda *_: publish("nobody", b"")
    await until(lambda: not gateway.redis_channels.up)
    await world.record(await ada.publish(), by=bob, author=ada)
    await wire.event("notification")
    gateway.plaza.redis.publish = publish
    await until(lambda: gateway.redis_channels.up)
