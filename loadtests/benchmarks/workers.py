"""Compare one worker process with two: events a second, and processor time per event.

    STORE=rs python loadtests/benchmarks/workers.py [--events 6000] [--rounds 3] [--quick]

Starts a private Redis and RabbitMQ and the document store that STORE names; then, in turns, one and two processes
`python -m workers` with the roles notifications and counters. Once they have shared the partitions, likes of many posts
are published as fast as RabbitMQ confirms them. A round ends when each like is a fact and in the count of its post. The
last line is one JSON object: medians of the rounds. Store, broker and this client share the machine's cores with the
workers, so processor time per event is measured beside the rate, with the cores that were busy.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psutil
from notifications import RemoteOutbox, liked
from system import over_servers, people, worker

from social.contracts.events import Group, PostLiked
from social.infra.broker.rabbit import RabbitBroker
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Mongo, Transaction
from workers.lanes import MOST_AT_ONCE

ROLES = "notifications,counters"
POSTS = 200
SHARED_WITHIN_S = 30.0
DONE_WITHIN_S = 180.0


class Round(NamedTuple):
    """Events a second, processor time of all workers per event, and of the whole machine as busy cores."""

    events_s: float
    cpu_us: float
    cores: float


async def shared(mongo: Mongo, count: int) -> None:
    """Wait until this many workers know of each other, and none went to the end of a line for two looks."""
    before: list[Any] = []
    async with asyncio.timeout(SHARED_WITHIN_S):
        while True:
            rows = [row["works"] for row in await mongo.many("workers", {"works": {"$exists": True}})]
            ready = [row for row in rows if {Group.NOTIFICATIONS, Group.COUNTERS} <= row.keys()]
            if len(ready) == count and ready == before:
                return
            before = ready
            await asyncio.sleep(2.5)


def cpu_s(processes: Sequence[psutil.Process]) -> float:
    """Return the processor time of these processes so far."""
    times = [each.cpu_times() for each in processes]
    return float(sum(each.user + each.system for each in times))


def busy_s() -> float:
    """Return the processor time that the machine has spent so far."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


async def done(mongo: Mongo, posts: Sequence[str], each: int) -> None:
    """Wait until every like is a fact and counted."""
    likes = [{"$match": {"_id": {"$in": list(posts)}}}, {"$group": {"_id": None, "likes": {"$sum": "$likes"}}}]
    async with asyncio.timeout(DONE_WITHIN_S):
        while (await mongo.aggregate("posts", likes))[0]["likes"] < each * len(posts):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        groups = [
            {"$match": {"post_id": {"$in": list(posts)}}},
            {"$group": {"_id": None, "count": {"$sum": "$count"}}},
        ]
        while True:
            found = await mongo.aggregate("notifications", groups)
            if found and found[0]["count"] == each * len(posts):
                return
            await asyncio.sleep(0.05)


async def measure(plaza: Plaza, environment: Mapping[str, str], count: int, each: int) -> Round:
    """Measure one round with this many workers and `each` likes of every post."""
    mongo = plaza.mongo
    authors, fans = await people(mongo, POSTS), await people(mongo, each)
    posts = [await liked(mongo, author, fans) for author in authors]
    events = [
        PostLiked(post_id=post, author_id=author, by=fan)
        for fan in fans
        for post, author in zip(posts, authors, strict=True)
    ]
    recorded, broker = Transaction(mongo), RabbitBroker(environment["BROKER_URL"], "plaza", RemoteOutbox(mongo))
    recorded.record(*events)
    async with contextlib.AsyncExitStack() as stop:
        stop.push_async_callback(broker.close)
        started = [await stop.enter_async_context(worker(environment, ROLES)) for _ in range(count)]
        await shared(mongo, count)
        processes = [psutil.Process(each.pid) for each in started]
        processes += [child for each in processes for child in each.children(recursive=True)]
        before, busy, began = cpu_s(processes), busy_s(), time.perf_counter()
        ended = asyncio.create_task(done(mongo, posts, each))
        for start in range(0, len(events), MOST_AT_ONCE):
            await broker.publish(recorded.recorded[start : start + MOST_AT_ONCE])
        await ended
        took = time.perf_counter() - began
        spent = cpu_s(processes) - before
        return Round(len(events) / took, spent / len(events) * 1e6, (busy_s() - busy) / took)


def median(rounds: Sequence[Round]) -> dict[str, float]:
    """Return the median of each figure."""
    return {
        "events_s": round(statistics.median(each.events_s for each in rounds)),
        "cpu_us": round(statistics.median(each.cpu_us for each in rounds)),
        "cores": round(statistics.median(each.cores for each in rounds), 2),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=6_000, help="likes of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a moment of it, to see that it runs")
    options = parser.parse_args()
    rounds, each = (1, 2) if options.quick else (options.rounds, max(1, options.events // POSTS))
    found: dict[int, list[Round]] = {1: [], 2: []}
    async with over_servers() as (plaza, environment):
        for _ in range(rounds):
            for count, so_far in found.items():
                so_far.append(await measure(plaza, environment, count, each))
                print(count, so_far[-1], flush=True)
    one, two = median(found[1]), median(found[2])
    ratio = round(statistics.median(b.events_s / a.events_s for a, b in zip(found[1], found[2], strict=True)), 2)
    figures = {"one": one, "two": two, "ratio": ratio, "events": each * POSTS, "rounds": rounds}
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main())
