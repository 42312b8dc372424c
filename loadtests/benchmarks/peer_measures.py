"""What is asked of a system, and what is counted of its answers: the same for both."""

import asyncio
import itertools
import json
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any, NamedTuple

from peer_client import Answer, Http, Socket, request
from peer_systems import System

PASSWORD = "correct horse battery"
AT_ONCE = 8  # while accounts and posts are made
TOKEN_GOOD_FOR_S = 300.0  # of the ten minutes that both give
SETTLES_WITHIN_S = 60.0
QUIET_S = 1.0


class Size(NamedTuple):
    """How much of everything."""

    people: int = 200  # at 200 likes a second each author hears of one: fewer than either system holds back
    posts: int = 5  # each
    follows: int = 4  # each
    seconds: float = 8.0  # of one measurement
    patience_s: float = 15.0  # for pushes, after the last like


QUICK = Size(people=24, posts=4, follows=2, seconds=0.5, patience_s=10.0)


@dataclass(slots=True)
class Like:
    """One like: when it was due, when and how it was answered, and when its author was told."""

    due: float
    status: int = 0
    answered: float = 0.0
    told: float = 0.0


@dataclass
class Person:
    """Somebody with an account."""

    name: str
    id: str
    token: str


@dataclass
class Crowd:
    """People, their posts, their sockets, and the likes that are under way."""

    system: System
    http: Http
    size: Size
    chance: random.Random
    people: list[Person] = field(default_factory=list)
    posts: list[tuple[str, str]] = field(default_factory=list)  # post, author
    followed: int = 0  # by each
    signed_at: float = 0.0
    sent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    untold: dict[str, dict[str, Like]] = field(default_factory=lambda: defaultdict(dict))
    heard_at: float = 0.0

    # ---- making it

    async def register(self) -> None:
        """Open the accounts."""

        async def one(number: int) -> Person:
            name = f"person{number}"
            body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
            answer = good(await self.http.ask("POST", "/v1/auth/register", None, body)).json
            return Person(name, answer["user"]["id"], answer["access_token"])

        self.signed_at = time.monotonic()
        self.people = await together(one(number) for number in range(self.size.people))

    async def publish(self) -> None:
        """Everybody posts."""

        async def one(person: Person, number: int) -> tuple[str, str]:
            text = {"text": f"hello number {number} of {person.name}"}
            return good(await self.http.ask("POST", "/v1/posts", person.token, text)).json["id"], person.id

        self.posts = await together(one(each, number) for number in range(self.size.posts) for each in self.people)

    async def follow(self) -> None:
        """Everybody follows the next few."""

        async def one(at: int, step: int) -> None:
            name = self.people[(at + step) % len(self.people)].name
            good(await self.http.ask("PUT", f"/v1/users/{name}/follow", self.people[at].token))

        self.followed = self.size.follows
        steps = range(1, self.followed + 1)
        await together(one(at, step) for at in range(len(self.people)) for step in steps)

    async def settle(self) -> None:
        """Wait until the workers have fanned out all posts, and nothing is pushed any more."""
        lines = min(100, (self.followed + 1) * self.size.posts)
        deadline = time.monotonic() + SETTLES_WITHIN_S
        for person in self.people:
            while time.monotonic() < deadline:
                page = good(await self.http.ask("GET", "/v1/feed?limit=100", person.token)).json
                if len(page["items"]) >= lines:
                    break
                await asyncio.sleep(0.2)
            else:
                raise RuntimeError(f"{person.name}'s timeline is not complete after {SETTLES_WITHIN_S:.0f} s")
        await self.quiet(SETTLES_WITHIN_S)

    async def quiet(self, within_s: float) -> None:
        """Wait until nothing was pushed for a second."""
        deadline, begun = time.perf_counter() + within_s, time.perf_counter()
        while time.perf_counter() < min(deadline, max(self.heard_at, begun) + QUIET_S):
            await asyncio.sleep(0.1)

    async def renew(self) -> None:
        """Log in again where tokens would end in the middle of a measurement."""
        if time.monotonic() < self.signed_at + TOKEN_GOOD_FOR_S:
            return

        async def one(person: Person) -> None:
            body = {"username": person.name, "password": PASSWORD}
            person.token = good(await self.http.ask("POST", "/v1/auth/login", None, body)).json["access_token"]

        self.signed_at = time.monotonic()
        await together(map(one, self.people))

    async def listen(self, stack: AsyncExitStack) -> None:
        """Give everybody a socket."""
        for person in self.people:
            socket = await Socket.opened(self.system.realtime, person.token, self.heard)
            stack.callback(socket.close)

    # ---- likes and their pushes

    def likes(self) -> Iterator[tuple[Person, str]]:
        """Who likes what next: no pair comes twice, and nobody likes what is theirs."""
        pairs = [(who, post) for post, author in self.posts for who in self.people if who.id != author]
        self.chance.shuffle(pairs)
        yield from pairs
        raise RuntimeError("everybody likes everything: more people are needed")

    async def like(self, who: Person, post: str, due: float) -> Like:
        """Like a post; the record is complete when its author was told."""
        like = self.untold[post][who.id] = Like(due)
        self.sent[post] += 1
        like.status = (await self.http.send(request("PUT", f"/v1/posts/{post}/like", who.token))).status
        like.answered = time.perf_counter()
        if like.status != 200:
            self.untold[post].pop(who.id, None)
        return like

    def heard(self, event: bytes, at: float) -> None:
        """A push: a notification names who liked what, and where it is of a group how many in all."""
        self.heard_at = at
        if not event.startswith(b'["notification'):
            return
        data = json.loads(event)[1]
        if not isinstance(data, dict) or data.get("type") != "like":
            return
        waiting = self.untold.get(data["post_id"])
        if not waiting:
            return
        told = [actor["id"] for actor in data["actors"]]
        if data["count"] >= self.sent[data["post_id"]]:
            told = list(waiting)  # a group names its newest eight
        for who in told:
            if like := waiting.pop(who, None):
                like.told = at

    async def all_told(self, within_s: float) -> int:
        """Wait until every acknowledged like was pushed; how many were not."""
        deadline = time.perf_counter() + within_s
        while (left := sum(map(len, self.untold.values()))) and time.perf_counter() < deadline:
            await asyncio.sleep(0.02)
        self.untold.clear()
        return left


def good(answer: Answer) -> Answer:
    """An answer that has to be a good one."""
    if not 200 <= answer.status < 300:
        raise RuntimeError(f"answered {answer.status}: {answer.body[:300]!r}")
    return answer


async def together(work: Any) -> list[Any]:
    """Some at a time, in this order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(each: Awaitable[Any]) -> Any:
        async with gate:
            return await each

    return list(await asyncio.gather(*map(one, work)))


# ---- like → push


async def like_push(crowd: Crowd, likes: Iterator[tuple[Person, str]], rate: float, seconds: float) -> dict[str, Any]:
    """Likes that are due at random moments, `rate` a second, whatever became of those before.

    Latency counts from the moment a like was due to the push being read, so a stall costs all whom it holds up.
    """
    await crowd.renew()
    due, begun = 0.0, time.perf_counter() + 0.05
    under_way = []
    while (due := due + crowd.chance.expovariate(rate)) < seconds:
        if (wait := begun + due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        who, post = next(likes)
        under_way.append(asyncio.create_task(crowd.like(who, post, begun + due)))
    done = await asyncio.gather(*under_way)
    untold = await crowd.all_told(crowd.size.patience_s)
    accepted = [each for each in done if each.status == 200]
    pushed = [each.told - each.due for each in accepted if each.told]
    return {
        "offered": len(done),
        "acknowledged": len(accepted),
        "refused": len(done) - len(accepted),
        "untold": untold,
        "p50_ms": percentile(pushed, 50),
        "p99_ms": percentile(pushed, 99),
        "ack_p50_ms": percentile([each.answered - each.due for each in accepted], 50),
        "ack_p99_ms": percentile([each.answered - each.due for each in accepted], 99),
    }


LIMIT_MS = 500.0
STEPS = 7
FACTOR = 1.3


async def highest_rate(crowd: Crowd, likes: Iterator[tuple[Person, str]], start: float, seconds: float) -> float:
    """The highest rate at which every like is acknowledged and p99 stays within 500 ms: up by a third while it
    holds, down while it does not, then half-way between; bounded in steps."""
    holds, fails, rate = 0.0, 0.0, start
    for _ in range(STEPS):
        took = await like_push(crowd, likes, rate, seconds)
        await crowd.quiet(crowd.size.patience_s)
        if took["refused"] == took["untold"] == 0 and took["p99_ms"] is not None and took["p99_ms"] <= LIMIT_MS:
            holds = rate
        else:
            fails = rate
        if holds and fails:
            if fails / holds < 1.1:
                break
            rate = (holds + fails) / 2
        else:
            rate = rate * FACTOR if holds else rate / FACTOR
    return round(holds, 1)


# ---- requests a second

Ask = Callable[[], Awaitable[bool]]  # one request; whether it was accepted


async def at_once(ask: Ask, connections: int, seconds: float) -> dict[str, Any]:
    """So many at once, each with one request under way."""
    took: list[float] = []
    refused, begun = 0, time.perf_counter()

    async def client() -> None:
        nonlocal refused
        while (at := time.perf_counter()) < begun + seconds:
            if await ask():
                took.append(time.perf_counter() - at)
            else:
                refused += 1

    await asyncio.gather(*(client() for _ in range(connections)))
    rate = len(took) / (time.perf_counter() - begun)
    return {
        "per_second": round(rate, 1),
        "p50_ms": percentile(took, 50),
        "p99_ms": percentile(took, 99),
        "refused": refused,
    }


async def requests(
    crowd: Crowd, name: str, likes: Iterator[tuple[Person, str]], connections: int, seconds: float
) -> dict[str, Any]:
    """One kind of request at so many at once; of likes also how long the workers needed after the last one."""
    await crowd.renew()
    someone = itertools.cycle(crowd.chance.sample(crowd.people, len(crowd.people)))
    some_post = itertools.cycle(crowd.chance.sample(crowd.posts, len(crowd.posts)))

    async def ask(method: str, path: str, body: Any = None) -> bool:
        return 200 <= (await crowd.http.ask(method, path, next(someone).token, body)).status < 300

    async def like() -> bool:
        who, post = next(likes)
        return (await crowd.like(who, post, time.perf_counter())).status == 200

    kinds: dict[str, Ask] = {
        "GET post": lambda: ask("GET", f"/v1/posts/{next(some_post)[0]}"),
        "GET feed": lambda: ask("GET", "/v1/feed"),
        "POST post": lambda: ask("POST", "/v1/posts", {"text": "hello again"}),
        "PUT like": like,
    }
    figures = await at_once(kinds[name], connections, seconds)
    if name == "PUT like":
        ended = time.perf_counter()
        figures["untold"] = await crowd.all_told(4 * crowd.size.patience_s)
        figures["caught_up_s"] = round(max(0.0, time.perf_counter() - ended), 2)
    await crowd.quiet(4 * crowd.size.patience_s)
    return figures


def percentile(took: list[float], percent: int) -> float | None:
    """Of seconds, in milliseconds."""
    if len(took) < 2:
        return None
    return round(1_000 * quantiles(took, n=100, method="inclusive")[percent - 1], 2)
