"""Measure a post by a person with 10,000 followers: its fan-out, other people's waiting, and pages far down a timeline.

    python loadtests/benchmarks/timelines.py
    python loadtests/benchmarks/timelines.py --quick    # to see that it runs

Starts the document store that STORE names, and broker and workers of the embedded system in this process; REDIS_URL
and BROKER_URL name others of those. First it measures how long a like takes to reach its author's sockets, alone and
while the post is fanned out, and when the last timeline has the post. Then it pages down a timeline of 3,000 posts. A
table, then one JSON line.
"""

import argparse
import asyncio
import itertools
import json
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from statistics import mean
from typing import Any

from system import follow, p50_ms, p99_ms, people, working_in_process

from social import feeds
from social.contracts.pushes import channel, user_room
from social.feeds import timelines
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.posts import likes, publishing

AUTHORS = 30  # of the liked posts: one like each every three seconds, so that none is held back
LIKE_EVERY_S = 0.1
FOLLOWED, POSTS_EACH = 30, 100
APART = timedelta(minutes=10)  # between a post and the next one of all posts
LIMIT = 20
READS = 20
DEEP = (91, 110)  # posts fanned out on read are enough for ten pages: two of these pay for it


class Bystanders:
    """People whose posts are liked meanwhile, and how long each like took to be pushed to them."""

    def __init__(self, plaza: Plaza, authors: Sequence[str], fan: str) -> None:
        self.plaza, self.authors, self.fan = plaza, authors, fan
        self.due: dict[str, asyncio.Future[float]] = {}

    async def listen(self) -> None:
        """Record the pushes to these people."""
        pubsub = self.plaza.redis.pubsub()
        await pubsub.subscribe(*(channel(user_room(each)) for each in self.authors))
        names = {channel(user_room(each)).encode(): each for each in self.authors}
        async for message in pubsub.listen():
            push = self.due.get(names.get(message["channel"], ""))
            if message["type"] == "message" and b"notification" in message["data"] and push and not push.done():
                push.set_result(time.perf_counter())

    async def like(self, until: Callable[[], bool]) -> list[float]:
        """Like posts at a fixed pace; return the seconds from each answered like to its push."""
        waits: list[asyncio.Task[float]] = []
        due = asyncio.get_running_loop().time()
        for author in itertools.cycle(self.authors):
            if until():
                break
            post = await self.plaza.commit(publishing.publish, "hello", by=author)
            due += LIKE_EVERY_S
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            waits.append(asyncio.create_task(self._like_and_wait(author, post.id)))
        return list(await asyncio.gather(*waits))

    async def _like_and_wait(self, author: str, post_id: str) -> float:
        self.due[author] = push = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        await self.plaza.commit(likes.like, post_id, by=self.fan)
        return await asyncio.wait_for(push, 60) - started


async def fan_out(plaza: Plaza, followers: int, alone_s: float) -> dict[str, float]:
    """Measure the likes alone, then beside the fan-out of the post."""
    star, fan, *rest = await people(plaza.mongo, 2 + AUTHORS + followers)
    authors, fans = rest[:AUTHORS], sorted(rest[AUTHORS:])
    await follow(plaza.mongo, [(each, star) for each in fans])
    await plaza.mongo.update("users", {"_id": star}, {"$set": {"followers": followers}})
    bystanders = Bystanders(plaza, authors, fan)
    listening = asyncio.create_task(bystanders.listen())
    end = time.perf_counter() + alone_s
    alone = await bystanders.like(lambda: time.perf_counter() > end)
    post = await plaza.commit(publishing.publish, "hello everybody", by=star)
    started = time.perf_counter()
    last = asyncio.create_task(_there(plaza, fans[-1] + post.id))
    beside = await bystanders.like(last.done)
    listening.cancel()
    return {
        "followers": followers,
        "last_timeline_s": await last - started,
        **_delays("alone", alone),
        **_delays("beside", beside),
    }


async def _there(plaza: Plaza, entry: str) -> float:
    while not await plaza.mongo.one("feed_entries", {"_id": entry}, {"_id": 1}):  # noqa: ASYNC110 - in the store
        await asyncio.sleep(0.05)
    return time.perf_counter()


def _delays(name: str, took: Sequence[float]) -> dict[str, float]:
    return {f"{name}_likes": len(took), f"{name}_p50_ms": p50_ms(took), f"{name}_p99_ms": p99_ms(took)}


async def scroll(plaza: Plaza) -> dict[str, float]:
    """Read all pages down to 110, each once, and page 1 again and again."""
    reader, *authors = await people(plaza.mongo, 1 + FOLLOWED)
    await follow(plaza.mongo, [(reader, each) for each in authors])
    counts: dict[str, Any] = dict.fromkeys(("likes", "comments", "reposts", "version", "rev"), 0)
    for n in range(POSTS_EACH):
        made = [clock.now() - APART * (n * FOLLOWED + number) for number in range(FOLLOWED)]
        rows = [
            {"_id": clock.first_id(at)[:8] + secrets.token_hex(8), "author_id": each, "created_at": at, **counts}
            | {"text": "hello", "entities": [], "edited_at": None}
            for each, at in zip(authors, made, strict=True)
        ]
        await plaza.mongo.insert_missing("posts", rows)
    away = {"$set": {"floor": timelines.NOTHING}}
    await plaza.mongo.update("timelines", {"_id": reader}, away)
    await feeds.build(plaza.mongo, reader)
    took, cursor = [], None
    for _ in range(DEEP[1]):
        started = time.perf_counter()
        page = await feeds.page(plaza, owner=reader, cursor=cursor, limit=LIMIT)
        took.append((time.perf_counter() - started) * 1000)
        assert len(page.items) == LIMIT
        cursor = page.next
    kept = timelines.CAP // LIMIT
    first = [await _timed(plaza, reader) for _ in range(READS)]
    deep = took[DEEP[0] - 1 :]
    return {
        "page_1_ms": mean(first),
        "pages_2_to_39_ms": mean(took[1 : kept - 1]),
        "pages_91_to_110_ms": mean(deep),
        "slowest_of_them_ms": max(deep),
        "page_100_against_1": mean(deep) / mean(first),
    }


async def _timed(plaza: Plaza, reader: str) -> float:
    started = time.perf_counter()
    await feeds.page(plaza, owner=reader, cursor=None, limit=LIMIT)
    return (time.perf_counter() - started) * 1000


async def main() -> None:
    """Run both measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--followers", type=int, default=10_000, help="of the author (default: %(default)s)")
    parser.add_argument("--alone", type=float, default=15.0, help="seconds of likes first (default: %(default)s)")
    parser.add_argument("--fanout-limit", type=int, default=feeds.FANOUT_LIMIT, help="(default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="600 followers and two seconds, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.followers, options.alone = 600, 2.0
    async with working_in_process(options.fanout_limit) as plaza:
        found = await fan_out(plaza, options.followers, options.alone) | await scroll(plaza)
    for name, value in found.items():
        print(f"{name:>24} {value:>12,.1f}")
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    asyncio.run(main())
