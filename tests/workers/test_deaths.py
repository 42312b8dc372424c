"""The notes of messages that are handled alone: one stays only where the process died meanwhile."""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from support.likes import Like

from social.contracts.events import Group
from social.infra.broker.broker import Delivery
from workers.deaths import Turns, handling_alone

pytestmark = pytest.mark.parametrize("broker", ["local"])


ONE, OTHER = Like("1" * 24), Like("2" * 24)
NEVER_ENDED: list[AbstractAsyncContextManager[int]] = []  # else their ends would run when they are collected


async def dies(redis: FakeAsyncRedis, delivery: Delivery = ONE) -> int:
    """Begin to handle a message, and never end; return how many processes died of it before."""
    NEVER_ENDED.append(handling_alone(redis, Turns(), Group.NOTIFICATIONS, delivery))
    return await NEVER_ENDED[-1].__aenter__()


async def test_each_death_of_a_message_is_counted_for_it_alone() -> None:
    redis = FakeAsyncRedis()
    assert [await dies(redis) for _ in range(4)] == [0, 1, 2, 3]
    assert await dies(redis, OTHER) == 0
    async with handling_alone(redis, Turns(), Group.COUNTERS, ONE) as deaths:
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
        async with handling_alone(redis, Turns(), Group.NOTIFICATIONS, ONE):
            raise error
    assert await redis.keys() == []


async def test_a_message_that_was_there_at_a_death_is_handled_while_nothing_else_is() -> None:
    redis, turns, order = FakeAsyncRedis(), Turns(), list[str]()
    await dies(redis)

    async def suspect() -> None:
        async with handling_alone(redis, turns, Group.NOTIFICATIONS, ONE) as deaths:
            order.append(f"suspect, {deaths} died")
            await asyncio.sleep(0.05)
            order.append("suspect ended")

    async def other(name: str, takes_s: float = 0.05) -> None:
        async with turns.together():
            order.append(name)
            await asyncio.sleep(takes_s)
            order.append(f"{name} ended")

    async with asyncio.TaskGroup() as group:
        group.create_task(other("one", takes_s=0.1))
        group.create_task(other("two"))
        await asyncio.sleep(0.01)
        group.create_task(suspect())
        await asyncio.sleep(0.01)
        group.create_task(other("later"))
    assert order == [
        *("one", "two", "two ended", "one ended"),
        *("suspect, 1 died", "suspect ended"),
        *("later", "later ended"),
    ]


async def test_a_suspect_that_stops_waiting_lets_the_others_go_on() -> None:
    turns = Turns()

    async def alone() -> None:
        async with turns.alone():
            raise AssertionError("it began beside another")

    async with turns.together():
        waiting = asyncio.create_task(alone())
        await asyncio.sleep(0.01)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(1), turns.together():
            pass
