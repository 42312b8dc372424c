"""Pushes through Redis: which rooms are watched, and that a Redis that is away hurts nobody."""

from fakeredis import FakeAsyncRedis, FakeServer

from social.contracts.pushes import channel
from social.infra.redis.pushing import Pushes


async def test_a_room_is_watched_while_a_gateway_holds_its_channel() -> None:
    redis = FakeAsyncRedis()
    pushes, gateway = Pushes(redis), redis.pubsub()
    await gateway.subscribe(channel("post:a"))
    await gateway.get_message(timeout=1)
    assert await pushes.watched(["post:a", "post:b"]) == {"post:a"}
    assert await pushes.watched([]) == set()
    await gateway.unsubscribe(channel("post:a"))
    await gateway.get_message(timeout=1)
    assert await pushes.watched(["post:a"]) == set()
    await redis.aclose()


async def test_nothing_is_watched_while_redis_is_away() -> None:
    server = FakeServer()
    server.connected = False
    assert await Pushes(FakeAsyncRedis(server=server)).watched(["post:a"]) == set()
