"""Connections to Redis that were lost while nobody used them, on the event loop of production."""

import asyncio
from urllib.parse import urlsplit

import pytest
import uvloop
from support.eventually import eventually

from loadtests.chaos.link import Link
from social.infra.redis import redis
from social.infra.redis.redis import AWAY, BestEffortRedis


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_connection_that_was_reset_is_redis_that_is_away_once(redis_url: str, loop: object) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(reset_while_idle(redis_url))


async def reset_while_idle(redis_url: str) -> None:
    """A reset connection of the pool: uvloop refuses the next write to it with a RuntimeError, which is no OSError."""
    parts = urlsplit(redis_url)
    link = Link(parts.port or 0)
    await link.open()
    client = redis.connect(parts._replace(netloc=f"127.0.0.1:{link.port}").geturl())
    try:
        assert await client.ping()
        (connection,) = client.connection_pool._available_connections
        link.reset()

        async def noticed() -> None:
            assert connection._writer.transport.is_closing()

        await eventually(noticed)
        cache = BestEffortRedis(client, "callers go on without it")
        assert await cache.ask(lambda each: each.ping()) in (None, True)

        async def back() -> None:
            try:
                assert await client.ping()
            except AWAY as error:
                raise AssertionError from error

        await eventually(back)
    finally:
        await client.aclose()
        await link.close()
