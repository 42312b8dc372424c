"""Failed attempts: each delays the next one longer, in all processes and without Redis, but never for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from support.servers import RedisServer

from social.contracts.problems import RateLimited
from social.infra.redis import delays
from social.infra.redis.delays import FORGET_S, FREE, LONGEST_S, Delays
from social.infra.redis.redis import connect

Make = Callable[[], Delays]
WAIT_S = 100  # the first wait in these tests: on a busy machine a second may pass between two attempts


@pytest.fixture
async def process(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Return a function whose calls act as other processes."""
    monkeypatch.setattr(delays, "FIRST_S", WAIT_S)
    clients = []

    def make() -> Delays:
        clients.append(connect(redis_url))
        return Delays(clients[-1])

    yield make
    for client in clients:
        await client.aclose()


async def wait_of(made: Delays, name: str = "ada") -> int:
    """Return the seconds to wait; 0 when the attempt may be made."""
    try:
        await made.attempt(name)
    except RateLimited as refusal:
        return int(refusal.headers()["Retry-After"])
    return 0


def test_the_first_wait_is_a_second() -> None:
    assert delays.FIRST_S == 1


async def pass_by(here: Delays) -> None:
    """Let the wait of the only name pass, in this process and in Redis."""
    ((key, failed),) = here._failed.items()
    here._failed[key] = failed._replace(until=0.0)
    await here._redis.ask(lambda redis: redis.hset(key, "until", "0"))


async def test_a_few_failures_are_free_and_the_next_ones_wait(process: Make) -> None:
    here = process()
    assert [await wait_of(here) for _ in range(FREE + 1)] == [0] * (FREE + 1)
    assert 0 < await wait_of(here) <= WAIT_S
    assert await wait_of(here, "bob") == 0


async def test_processes_count_together(process: Make) -> None:
    here, there = process(), process()
    for n in range(FREE + 1):
        assert await wait_of((here, there)[n % 2]) == 0
    assert 0 not in [await wait_of(here), await wait_of(there)]


async def test_a_success_anywhere_forgets_what_failed(process: Make) -> None:
    here, there = process(), process()
    for _ in range(FREE + 1):
        await wait_of(here)
    assert 0 not in [await wait_of(here), await wait_of(there)]
    await there.succeeded("ada")
    assert await wait_of(here) == 0


async def test_an_attempt_that_was_not_made_does_not_count(process: Make) -> None:
    here = process()
    for _ in range(FREE * 2):
        assert await wait_of(here) == 0
        await here.undo("ada")


async def test_many_at_once_are_not_all_free(process: Make) -> None:
    here, there = process(), process()
    waits = await asyncio.gather(*(wait_of((here, there)[n % 2]) for n in range(40)))
    assert waits.count(0) == FREE + 1


@pytest.mark.parametrize("away", [False, True], ids=["with redis", "without redis"])
async def test_each_failure_doubles_the_wait_up_to_the_longest(
    process: Make, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    """A client who waits as requested gets a try, again and again."""
    monkeypatch.setattr(delays, "LONGEST_S", 5 * WAIT_S)
    here = process()
    if away:
        await redis_server.kill()
    try:
        for _ in range(FREE):
            assert await wait_of(here) == 0
        for expected in (1, 2, 4, 5, 5):
            assert await wait_of(here) == 0
            (failed,) = here._failed.values()
            assert failed.forget_at - failed.until == pytest.approx(FORGET_S)
            assert (expected - 0.5) * WAIT_S < await wait_of(here) <= expected * WAIT_S
            await pass_by(here)
    finally:
        await redis_server.start()


async def test_without_redis_each_process_holds_the_wait_by_itself(process: Make, redis_server: RedisServer) -> None:
    here, there = process(), process()
    for _ in range(FREE):
        assert await wait_of(here) == 0
    await redis_server.kill()
    try:
        assert await wait_of(here) == 0  # it goes on from its own memory
        assert await wait_of(here) > 0
        assert [await wait_of(there) for _ in range(FREE + 1)] == [0] * (FREE + 1)
        assert await wait_of(there) > 0
    finally:
        await redis_server.start()


async def test_what_is_remembered_here_is_bounded(process: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delays, "MOST_NAMES", 10)
    here = process()
    for n in range(30):
        await wait_of(here, f"name {n}")
    assert len(here._failed) == 10


def test_nobody_waits_longer_than_five_minutes() -> None:
    assert LONGEST_S == 300
