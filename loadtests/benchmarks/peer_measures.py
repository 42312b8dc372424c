"""The requests that measure a system, and the figures of its answers, for both systems alike."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from statistics import quantiles
from typing import Any

from loadtests.benchmarks.peer_crowd import Crowd, Person

LIMIT_MS = 500.0  # of p99, at the highest rate
FACTOR = 1.5  # between the rates that are tried
CLOSE = 1.1  # between a rate that holds and a rate that does not, where the search ends

READS, WRITES = ("GET post", "GET feed"), ("POST post", "PUT like")

Likes = Iterator[tuple[Person, str]]
Ask = Callable[[], Awaitable[float | None]]  # a request: None where it was accepted, or the seconds to wait
Figures = dict[str, Any]


async def like_push(crowd: Crowd, likes: Likes, rate: float, seconds: float) -> Figures:
    """Measure likes that are due at random moments, `rate` a second, whatever became of those before.

    Latency counts from the moment a like was due to the push being read, so a stall costs all likes that it delays.
    """
    await crowd.renew()
    chance = random.Random(rate)  # equal moments for both systems
    before, due, begun = crowd.system.cpu(), 0.0, time.perf_counter() + 0.05
    under_way = []
    while (due := due + chance.expovariate(rate)) < seconds:
        await asyncio.sleep(max(0.0, begun + due - time.perf_counter()))
        who, post = next(likes)
        under_way.append(asyncio.create_task(crowd.like(who, post, begun + due)))
    done = await asyncio.gather(*under_way)
    unpushed = await crowd.all_pushed(crowd.size.patience_s)
    accepted = [each for each in done if each.status == 200]
    pushed = [each.pushed - each.due for each in accepted if each.pushed]
    return {
        "offered": len(done),
        "acknowledged": len(accepted),
        "refused": len(done) - len(accepted),
        "unpushed": unpushed,
        "p50_ms": percentile(pushed, 50),
        "p99_ms": percentile(pushed, 99),
        "ack_p50_ms": percentile([each.answered - each.due for each in accepted], 50),
        "ack_p99_ms": percentile([each.answered - each.due for each in accepted], 99),
        **crowd.system.cpu().of_each(before, len(accepted)),
    }


async def highest_rate(crowd: Crowd, likes: Likes, start: float, seconds: float) -> float:
    """The highest rate at which every like is acknowledged and p99 stays within 500 ms: up by half while it holds,
    down while it does not, then half-way between; bounded in steps."""
    holds, fails, rate = 0.0, 0.0, start
    for _ in range(crowd.size.steps):
        took = await like_push(crowd, likes, rate, seconds)
        await crowd.quiet(crowd.size.patience_s)
        if took["refused"] == took["unpushed"] == 0 and took["p99_ms"] is not None and took["p99_ms"] <= LIMIT_MS:
            holds = rate
        else:
            fails = rate
        if holds and fails:
            if fails / holds < CLOSE:
                break
            rate = (holds + fails) / 2
        else:
            rate = rate * FACTOR if holds else rate / FACTOR
    return round(holds, 1)


async def at_once(ask: Ask, connections: int, seconds: float) -> Figures:
    """Measure many connections with one request under way each; a refused request is repeated after its Retry-After."""
    took: list[float] = []
    refused, begun = 0, time.perf_counter()

    async def client() -> None:
        nonlocal refused
        while (at := time.perf_counter()) < begun + seconds:
            if (again_s := await ask()) is None:
                took.append(time.perf_counter() - at)
            else:
                refused += 1
                await asyncio.sleep(min(again_s, max(0.0, begun + seconds - time.perf_counter())))

    await asyncio.gather(*(client() for _ in range(connections)))
    return {
        "accepted": len(took),
        "per_second": round(len(took) / (time.perf_counter() - begun), 1),
        "p50_ms": percentile(took, 50),
        "p99_ms": percentile(took, 99),
        "refused": refused,
    }


class Requests:
    """The kinds of requests that are counted, by and about people and posts in turn."""

    def __init__(self, crowd: Crowd, likes: Likes) -> None:
        self._crowd, self._likes = crowd, likes
        self._people = itertools.cycle(range(len(crowd.people)))
        self._posts = itertools.cycle(crowd.chance.sample(crowd.posts, len(crowd.posts)))
        self._published = ("", 0)  # the last post, and its author
        self._kinds: dict[str, Ask] = {
            "GET post": self._get_post,
            "GET feed": self._get_feed,
            "POST post": self._publish,
            "PUT like": self._like,
        }

    async def measure(self, kind: str, connections: int, seconds: float) -> Figures:
        """Measure the requests a second of many connections, and how long the workers needed after the last one."""
        crowd = self._crowd
        await crowd.renew()
        await at_once(self._kinds[kind], connections, crowd.size.warm_s)  # V8 compiles code that has run often
        await self._handled(kind)
        before, begun = crowd.system.cpu(), time.perf_counter()
        figures = await at_once(self._kinds[kind], connections, seconds)
        ended = time.perf_counter()
        unpushed = await self._handled(kind)
        if kind in WRITES:
            now = time.perf_counter()
            figures |= {"unpushed": unpushed, "caught_up_s": round(now - ended, 2)}
            figures["handled_per_second"] = round((figures["accepted"] - unpushed) / (now - begun), 1)
        figures |= crowd.system.cpu().of_each(before, figures["accepted"])
        await crowd.quiet(4 * crowd.size.patience_s)
        return figures

    async def _handled(self, kind: str) -> int:
        """Wait for the effects of these requests; return how many acknowledged likes were not pushed in time."""
        if kind == "POST post":
            await self._crowd.fanned_out(*self._published)
        return await self._crowd.all_pushed(4 * self._crowd.size.patience_s) if kind == "PUT like" else 0

    async def _get_post(self) -> float | None:
        post, _ = next(self._posts)
        return await self._ask("GET", f"/v1/posts/{post}")

    async def _get_feed(self) -> float | None:
        return await self._ask("GET", "/v1/feed")

    async def _publish(self) -> float | None:
        author = next(self._people)
        answer = await self._crowd.http.ask(
            "POST", "/v1/posts", self._crowd.people[author].token, {"text": "hello again"}
        )
        if answer.status != 201:
            return answer.retry_after_s
        self._published = (answer.json["id"], author)
        return None

    async def _like(self) -> float | None:
        who, post = next(self._likes)
        like = await self._crowd.like(who, post, time.perf_counter())
        return None if like.status == 200 else like.retry_after_s

    async def _ask(self, method: str, path: str) -> float | None:
        token = self._crowd.people[next(self._people)].token
        answer = await self._crowd.http.ask(method, path, token)
        return None if answer.status == 200 else answer.retry_after_s


def percentile(took: list[float], percent: int) -> float | None:
    """Return a percentile of seconds, in milliseconds."""
    if len(took) < 2:
        return None
    return round(1_000 * quantiles(took, n=100, method="inclusive")[percent - 1], 2)
