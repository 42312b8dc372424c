"""The notes of messages that are handled alone: one stays only where the process died meanwhile."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from support.likes import Like

from social.contracts.events import Group
from social.infra.broker.broker import Delivery
from workers.deaths import handling_alone

pytestmark = pytest.mark.parametrize("broker", ["local"])


ONE, OTHER = Like("1" * 24), Like("2" * 24)
NEVER_ENDED: list[AbstractAsyncContextManager[int]] = []  # else their ends would run when they are collected


async def dies(redis: FakeAsyncRedis, delivery: Delivery = ONE) -> int:
    """Begin to handle a message, and never end; return how many processes died of it before."""
    NEVER_ENDED.append(handling_alone(redis, Group.NOTIFICATIONS, delivery))
    return await NEVER_ENDED[-1].__aenter__()


async def test_each_death_of_a_message_is_counted_for_it_alone() -> None:
    redis = FakeAsyncRedis()
    assert [await dies(redis) for _ in range(4)] == [0, 1, 2, 3]
    assert await dies(redis, OTHER) == 0
    async with handling_alone(redis, Group.COUNTERS, ONE) as deaths:
        assert deaths == 0
    assert await redis.ttl((await redis.keys())[0]) > 3_600


async def test_without_redis_nothing_is_counted() -> None:
    server = FakeServer()
    redis = FakeAsyncRedis(server=server)
    assert [await dies(redis) for _ in range(2)] == [0, 1]
    server.connected = False
    assert await dies(redis) == 0


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_a_message_whose_handling_fails_or_is_cancelled_is_forgotten(error: type[BaseException]) -> None:
    redis = FakeAsyncRedis()
    await dies(redis)
    with pytest.raises(error):
        async with handling_alone(redis, Group.NOTIFICATIONS, ONE):
            raise error
    assert await redis.keys() == []
