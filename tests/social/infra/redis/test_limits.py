"""Rate limits over several processes, and over a Redis that comes and goes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.eventually import eventually
from support.servers import RedisServer

from social.infra.breaker import Breaker
from social.infra.redis import limits
from social.infra.redis.limits import Limiter, Rate, origin
from social.infra.redis.redis import Redis, connect

GONE = -2  # the lifetime of a key that is not there; without an end it would be -1
SLOW = Rate(10, 36_000)  # one an hour: nothing comes back during a test


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def processes(redis: Redis) -> AsyncIterator[list[Limiter]]:
    """Return three limiters, as three processes have them."""
    limiters = [Limiter(redis) for _ in range(3)]
    yield limiters
    for each in limiters:
        await each.close()


def granted(limiter: Limiter, count: int, who: str = "ada", rate: Rate = SLOW) -> int:
    return sum(limiter.take("user", who, rate).allowed for _ in range(count))


async def test_a_quota_may_be_used_at_once_and_no_more(processes: list[Limiter]) -> None:
    one = processes[0]
    verdicts = [one.take("user", "ada", SLOW) for _ in range(12)]
    assert [each.allowed for each in verdicts] == [True] * 10 + [False] * 2
    assert [each.remaining for each in verdicts] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert 3_500 <= verdicts[-1].retry_after_s <= 3_600
    assert 35_900 <= verdicts[-1].reset_s <= 36_000
    assert granted(one, 1, who="bob") == 1
    assert one.take("login", "ada", SLOW).allowed


async def test_what_is_used_up_comes_back_bit_by_bit(processes: list[Limiter], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_now_us", lambda: now)
    now, rate = 1_000_000, Rate(4, 1)
    assert granted(processes[0], 5, rate=rate) == 4
    now += 240_000
    assert granted(processes[0], 1, rate=rate) == 0
    now += 10_000
    assert granted(processes[0], 2, rate=rate) == 1
    now += 500_000
    assert granted(processes[0], 5, rate=rate) == 2


async def test_processes_soon_know_of_each_other(processes: list[Limiter]) -> None:
    one, two, three = processes
    assert granted(one, 6) == 6
    assert granted(two, 3) == 3

    async def known() -> None:
        assert [granted(each, 1) for each in (one, two, three)] == [0, 0, 0]

    await eventually(known)  # each check takes the tokens that still seem to be there


async def test_what_must_be_exact_is_exact_over_all_processes(processes: list[Limiter]) -> None:
    verdicts = await asyncio.gather(*(each.take_exactly("login", "ada", SLOW) for each in processes for _ in range(9)))
    assert sum(each.allowed for each in verdicts) == SLOW.quota
    assert all(3_500 <= each.retry_after_s <= 3_600 for each in verdicts if not each.allowed)


async def test_requests_without_pause_are_counted_once_each(processes: list[Limiter], redis: Redis) -> None:
    """Requests granted during an update of Redis are counted by the next one, neither lost nor twice."""
    rate = Rate(1_000, 36_000_000)
    for _ in range(20):
        assert granted(processes[0], 20, rate=rate) == 20
        await asyncio.sleep(0.01)
    await processes[0].close()
    verdict = await processes[1].take_exactly("user", "ada", rate)
    assert verdict.remaining == 1_000 - 400 - 1


async def test_nothing_stays_in_redis_once_it_is_paid_off(processes: list[Limiter], redis: Redis) -> None:
    await processes[0].take_exactly("login", "ada", Rate(10, 1))
    assert await redis.pttl("limit:login:ada") in (GONE, *range(103)), "it ends by itself, in a tenth of a second"

    async def gone() -> None:
        assert await redis.keys("limit:*") == []

    await eventually(gone)


async def test_without_redis_each_process_holds_the_limit(redis_server: RedisServer, redis_url: str) -> None:
    client = connect(redis_url)
    limiter = Limiter(client)
    await limiter.take_exactly("login", "ada", SLOW)
    assert granted(limiter, 3) == 3
    await redis_server.stop()
    verdicts = [await limiter.take_exactly("login", "ada", SLOW) for _ in range(12)]
    assert sum(each.allowed for each in verdicts) == SLOW.quota - 1
    assert granted(limiter, 12) == SLOW.quota - 3
    await redis_server.start()

    assert granted(limiter, 1, who="bob") == 1

    async def shared_again() -> None:
        assert await client.exists("limit:user:bob")

    await eventually(shared_again)
    assert granted(limiter, 1) == 0, "a Redis that forgot opens nothing"
    await limiter.close()
    await client.aclose()


async def test_a_redis_that_does_not_answer_holds_a_login_up_once(
    redis: Redis, processes: list[Limiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, asked = processes[0], 0
    await limiter.take_exactly("login", "ada", SLOW)
    run = limiter._run

    async def counted(*what: list[Any]) -> list[int]:
        nonlocal asked
        asked += 1
        return await run(*what)

    monkeypatch.setattr(limiter, "_run", counted)
    monkeypatch.setattr(limiter, "_breaker", Breaker(3_600))
    monkeypatch.setattr(limits, "ASK_S", 0.1)
    await redis.client_pause(3_600_000, all=False)  # of all that may write, as our script does
    try:
        verdicts = [await limiter.take_exactly("login", "ada", SLOW) for _ in range(100)]
    finally:
        await redis.client_unpause()
    assert sum(each.allowed for each in verdicts) == SLOW.quota - 1
    assert asked == 1


async def test_many_unknown_clients_take_no_more_memory_than_some(
    processes: list[Limiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_KEYS", 100)
    one = processes[0]
    assert granted(one, 10) == 10
    for n in range(1_000):
        assert granted(one, 1, who=str(n)) == 1
        assert granted(one, 1) == 0, "who goes on asking is not forgotten"
    assert len(one._paid_off) <= 100


def test_an_ipv6_customer_is_one_whatever_address_they_take() -> None:
    assert origin("2001:db8:1:2:3:4:5:6") == origin("2001:db8:1:2::1") != origin("2001:db8:1:3::1")
    assert origin("203.0.113.7") == "203.0.113.7" != origin("203.0.113.8")
    assert origin("nobody") == "nobody"
