"""Measure a post that gets 1,000 likes a second: its author's stream, and how long other people wait meanwhile.

    python loadtests/benchmarks/notifications.py [--likes 1000] [--seconds 15] [--beside 10]

Starts a private Redis and RabbitMQ, the document store that STORE names and one `python -m workers` with the roles
notifications and relay; nothing else is contacted. The likes themselves are there before; their events are committed to
the outbox at the given rate and go through the broker. Other people are liked ten times a second, each seldom, first
without the storm and then beside it; a delay is from before the commit of the event to its push on Redis. The last line
is one JSON object; the exit code is 1 when a like is missing at the end.
"""

import argparse
import asyncio
import functools
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from system import p50_ms, p99_ms, people, working_over_servers

from social.contracts.codec import decode
from social.contracts.events import PostLiked
from social.contracts.pushes import Push, channel, user_room
from social.infra import clock
from social.infra.broker.outbox import Outbox
from social.infra.broker.rabbit import RabbitBroker
from social.infra.process.plaza import Plaza
from social.infra.redis.redis import Redis
from social.infra.store.mongo import Mongo, Transaction
from social.notifications import reading

EVERY_S = 0.05  # events of the storm are committed in batches of this duration
OTHERS = 200  # people who are liked now and then, in turns


class Pushes:
    """The pushes that arrive on Redis for people: when, and for the author how often and up to which count."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.arrived: dict[str, list[tuple[float, int, int]]] = {}  # time, seq, count, by person

    async def listen(self, ready: asyncio.Event) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.psubscribe(channel(user_room("*")))
            async for message in pubsub.listen():
                ready.set()
                if message["type"] == "pmessage":
                    push = Push.parse(message["data"])
                    pushed: Any = decode(push.frame[2:])[1]
                    seen = (time.perf_counter(), push.seq, pushed.get("count", 0))
                    self.arrived.setdefault(message["channel"].decode().rpartition(":")[2], []).append(seen)

    def of(self, person: str) -> list[tuple[float, int, int]]:
        """Return the pushes to a person, in the order they came."""
        return self.arrived.get(person, [])


async def liked(mongo: Mongo, author: str, by: Sequence[str]) -> str:
    """Insert a post of a person that other people have liked; return its id."""
    post_id = clock.new_id()
    await mongo.insert("posts", {"_id": post_id, "author_id": author, "likes": 0, "comments": 0, "version": 0})
    for start in range(0, len(by), 1_000):
        some = by[start : start + 1_000]
        rows = [
            {"_id": post_id + each, "post_id": post_id, "user_id": each, "like_id": clock.new_id()} for each in some
        ]
        await mongo.insert_missing("interactions", rows)
    return post_id


Publish = Callable[[Sequence[PostLiked]], Awaitable[None]]


class RemoteOutbox(Outbox):
    """The outbox of processes whose store is another machine's: here, it costs nothing."""

    async def forget(self, ids: Sequence[str]) -> None:
        """Do nothing: another machine's store would."""


def published_to(url: str, mongo: Mongo) -> Publish:
    """Return a function that has RabbitMQ confirm events, as processes on other machines do after their commit."""
    broker = RabbitBroker(url, "plaza", RemoteOutbox(mongo))

    async def publish(events: Sequence[PostLiked]) -> None:
        recorded = Transaction(mongo)
        recorded.record(*events)
        await broker.publish(recorded.recorded)

    return publish


async def commit(plaza: Plaza, events: Sequence[PostLiked]) -> None:
    """Commit events; the publisher takes them from there."""

    async def record(tx: Transaction) -> None:
        tx.record(*events)

    await plaza.commit(record)


async def storm(publish: Publish, post_id: str, author: str, by: Sequence[str], rate: int) -> float:
    """Publish a like of each person at this rate; return the seconds it took."""
    begin = time.perf_counter()
    step = max(1, round(rate * EVERY_S))
    for number, start in enumerate(range(0, len(by), step)):
        await asyncio.sleep(max(0.0, begin + number * EVERY_S - time.perf_counter()))
        await publish([PostLiked(post_id=post_id, author_id=author, by=each) for each in by[start : start + step]])
    return time.perf_counter() - begin


async def beside(
    plaza: Plaza, pushes: Pushes, posts: Sequence[tuple[str, str]], fans: Sequence[str], rate: float, seconds: float
) -> list[float]:
    """Like other people's posts one after another; return the delay of each notification in seconds."""
    begin, sent = time.perf_counter(), list[tuple[str, int, float]]()
    for number in range(round(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        post_id, author = posts[number % len(posts)]
        place = 1 + number // len(posts)
        sent.append((author, place, time.perf_counter()))
        await commit(plaza, [PostLiked(post_id=post_id, author_id=author, by=fans[place - 1])])

    def delays() -> list[float]:
        return [_pushed_at(pushes.of(author), place) - at for author, place, at in sent]

    async with asyncio.timeout(120):
        while min(delays()) < 0:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return delays()


def _pushed_at(seen: Sequence[tuple[float, int, int]], place: int) -> float:
    return next((at for at, _, count in seen if count >= place), 0.0)


async def measure(plaza: Plaza, publish: Publish, likes: int, seconds: float, rate: float) -> dict[str, float]:
    """Measure other people alone, then beside the storm."""
    mongo = plaza.mongo
    (author, *others), fans = await people(mongo, 1 + 2 * OTHERS), await people(mongo, round(likes * seconds))
    viral = await liked(mongo, author, fans)
    posts = [(await liked(mongo, each, fans[:50]), each) for each in others]
    pushes, ready = Pushes(plaza.redis), asyncio.Event()
    listener = asyncio.create_task(pushes.listen(ready))
    await ready.wait()
    await beside(plaza, pushes, posts[-10:], fans, rate, 1)  # until the workers are warm
    alone = await beside(plaza, pushes, posts[:OTHERS], fans, rate, seconds)
    task = asyncio.create_task(beside(plaza, pushes, posts[OTHERS:-10], fans, rate, seconds))
    begin = time.perf_counter()
    took = await storm(publish, viral, author, fans, likes)
    during = await task
    async with asyncio.timeout(300):
        while not pushes.of(author) or pushes.of(author)[-1][2] < len(fans):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    pushed = time.perf_counter() - begin
    moves = {seq: at for at, seq, _ in pushes.of(author)}
    (group,) = await mongo.many("notifications", {"recipient": author})
    facts = await mongo.count("notification_facts", {"group": group["_id"]}, limit=len(fans) + 1)
    (shown,) = await reading.render(mongo, [group])
    listener.cancel()
    return {
        "likes": len(fans),
        "likes_per_s": round(len(fans) / took, 1),
        "pushed_per_s": round(len(fans) / pushed, 1),
        "count": shown.count if shown else 0,
        "facts": facts,
        "stream_moves": len(moves),
        "stream_moves_per_s": round(len(moves) / pushed, 2),
        "most_moves_in_a_second": _most(sorted(moves.values())),
        "alone_p50_ms": round(p50_ms(alone), 1),
        "alone_p99_ms": round(p99_ms(alone), 1),
        "beside_p50_ms": round(p50_ms(during), 1),
        "beside_p99_ms": round(p99_ms(during), 1),
    }


def _most(times: Sequence[float]) -> int:
    return max(sum(at <= other < at + 1 for other in times) for at in times)


async def main() -> int:
    """Print a table, then one line of JSON; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--likes", type=int, default=1_000, help="a second, of the one post (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=15, help="of the storm, and alone (default: %(default)s)")
    parser.add_argument("--beside", type=float, default=10, help="likes of others a second (default: %(default)s)")
    parser.add_argument("--committed", action="store_true", help="commit the storm's events to the store first")
    parser.add_argument("--quick", action="store_true", help="a moment, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.likes, options.seconds = 50, 1.0
    async with working_over_servers("notifications,relay") as (plaza, amqp_url):
        through = functools.partial(commit, plaza) if options.committed else published_to(amqp_url, plaza.mongo)
        figures = await measure(plaza, through, options.likes, options.seconds, options.beside)
    for name, value in figures.items():
        print(f"{name:>24} {value:>12,}")
    print(json.dumps(figures))
    return int(not figures["likes"] == figures["count"] == figures["facts"])


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
