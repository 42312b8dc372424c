"""Times in the future, left by a clock that was ahead for a moment: nothing waits for them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from support.eventually import eventually
from support.pace import within
from support.people import Person
from support.site import Site
from support.skew import clock_ahead, skew

from social.contracts.problems import RateLimited
from social.infra import clock
from social.infra.redis import limits
from social.infra.redis.delays import FREE, Delays, _key
from social.infra.redis.limits import Limiter, Rate
from social.infra.redis.redis import Redis, connect
from social.infra.store.leases import Lease
from workers import notifications

__all__ = ["skew"]

pytestmark = [pytest.mark.parametrize("broker", ["local"]), pytest.mark.usefixtures("skew")]

FAR = timedelta(seconds=600)
LASTS = timedelta(seconds=2)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.mark.parametrize("ahead_s", [-600, 0, 600])
async def test_a_lease_lasts_as_long_as_it_says_by_whatever_clock_it_was_taken(site: Site, ahead_s: float) -> None:
    dead, alive = Lease(site.plaza.mongo, "wanted", LASTS), Lease(site.plaza.mongo, "wanted", LASTS)
    with clock_ahead(ahead_s):
        assert await dead.take()
        assert await dead.take(), "it can be renewed"
    assert not await alive.take(), "while it lasts nobody else has it"
    await asyncio.sleep(LASTS.total_seconds() + 0.1)
    assert dead.is_over, "its holder knows by its own clock"
    assert await alive.take()
    with clock_ahead(ahead_s):
        assert not await dead.take()
    await dead.give_up()
    assert not await dead.take(), "who has it not cannot give it up"


async def test_a_lease_from_the_future_is_held_by_nobody(site: Site) -> None:
    """An earlier release left such a lease, or a store whose clock was set back."""
    await site.plaza.mongo.insert("leases", {"_id": "wanted", "holder": "somebody", "until": clock.now() + FAR})
    assert await Lease(site.plaza.mongo, "wanted", LASTS).take()


async def test_of_many_who_want_a_lease_at_once_one_has_it(site: Site) -> None:
    for _ in range(5):
        leases = [Lease(site.plaza.mongo, "wanted", LASTS) for _ in range(8)]
        taken = await asyncio.gather(*(lease.take() for lease in leases))
        assert taken.count(True) == 1
        await leases[taken.index(True)].give_up()


async def test_a_clock_that_was_ahead_holds_no_notification_back(site: Site, ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await site.plaza.mongo.update("streams", {"_id": ada.id}, {"$set": {"paced_until": clock.now() + FAR}})
    await bob.like(post)
    await within(5, eventually(lambda: _announced(ada, 1)), site.plaza.mongo.ping)
    (stream,) = await site.plaza.mongo.many("streams", {"_id": ada.id})
    assert stream["paced_until"] < clock.now() + timedelta(seconds=5), "and it is right again"


async def test_a_group_due_in_ten_minutes_by_a_wrong_clock_notifies_now(
    site: Site, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "CHECK_EVERY_S", 0.2)
    post = await ada.publish("hello")
    await bob.like(post)
    await eventually(lambda: _announced(ada, 1))
    mongo = site.plaza.mongo
    hers = {"recipient": ada.id}

    async def notified() -> None:
        assert not await mongo.one("notifications", {**hers, "due_at": {"$gt": clock.EPOCH}})

    for ahead in (FAR, timedelta(seconds=120)):
        await mongo.update("notifications", hers, {"$set": {"due_at": clock.now() + ahead}, "$inc": {"rev": 1}})
        await eventually(notified)


async def _announced(person: Person, count: int) -> None:
    assert len(await person.notifications()) == count


async def test_an_event_from_the_future_is_relayed(site: Site) -> None:
    now = clock.now()
    for task in site.tasks._tasks:  # else the relay is faster
        task.cancel()
    row = {"type": "X", "v": 1, "key": "k", "trace": None, "data": {}}
    far, near, left = (f"{n:024x}" for n in range(3))
    for row_id, at in ((far, now + FAR), (near, now), (left, now - timedelta(seconds=5))):
        await site.plaza.mongo.insert("outbox", {"_id": row_id, **row, "at": at})
    due = await site.plaza.outbox.due(timedelta(seconds=2), 10)
    assert [each.id for each in due] == [far, left]


async def test_a_redis_that_was_set_back_refuses_nobody(site: Site, redis: Redis) -> None:
    rate, limiter = Rate(10, 60), Limiter(redis)
    now, _ = await redis.time()
    for policy in ("exact", "shared"):
        await redis.set(f"limit:{policy}:ada", (now + 600) * 1_000_000)
    assert [(await limiter.take_exactly("exact", "ada", rate)).allowed for _ in range(11)] == [True] * 10 + [False]
    assert limiter.take("shared", "ada", rate).allowed
    await asyncio.sleep(limits.REPORT_EVERY_S * 4)
    assert limiter.take("shared", "ada", rate).allowed
    await limiter.close()


async def test_guesses_wait_no_longer_for_a_redis_that_was_set_back(site: Site, redis: Redis) -> None:
    now, _ = await redis.time()
    failed = {"failed": FREE + 2, "until": (now + 6_000) * 1_000}
    await redis.hset(_key("ada"), mapping=failed)
    delays = Delays(redis)
    with pytest.raises(RateLimited) as refusal:
        await delays.attempt("ada")
    assert int(refusal.value.headers()["Retry-After"]) <= 2, "as long as after so many failures, and no longer"
    await asyncio.sleep(2.1)
    await delays.attempt("ada")
