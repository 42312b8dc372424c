"""The people of a measurement: their accounts, posts and sockets, and which of their likes were pushed."""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from loadtests.benchmarks.peer_client import Answer, Http, Socket, request
from loadtests.benchmarks.peer_systems import System

T = TypeVar("T")

PASSWORD = "correct horse battery"
AT_ONCE = 8  # while accounts and posts are made
TOKEN_GOOD_FOR_S = 300.0  # of the ten minutes that both systems give
SETTLES_WITHIN_S = 60.0


class Size(NamedTuple):
    """The size of everything in a measurement."""

    people: int = 200  # at 200 likes a second each author is liked once a second: less than either system groups
    posts: int = 5  # each
    follows: int = 4  # each
    seconds: float = 8.0  # of one measurement
    patience_s: float = 15.0  # for pushes, after the last like
    warm_s: float = 1.0  # of each kind of request, which are not counted
    quiet_s: float = 1.0  # without a push, between two measurements
    steps: int = 8  # at most, to the highest rate
    connections: tuple[int, ...] = (16, 64)


QUICK = Size(people=12, posts=4, follows=2, seconds=0.5, warm_s=0.1, quiet_s=0.3, steps=2, connections=(4,))


@dataclass(slots=True)
class Like:
    """A like: when it was due, when and how it was answered, and when its author was notified."""

    due: float
    status: int = 0
    answered: float = 0.0
    pushed: float = 0.0
    retry_after_s: float = 0.0


@dataclass
class Person:
    """A person with an account."""

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
    unpushed: dict[str, dict[str, Like]] = field(default_factory=lambda: defaultdict(dict))
    heard_at: float = 0.0

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
        """Publish the posts of everybody."""

        async def one(person: Person, number: int) -> tuple[str, str]:
            text = {"text": f"hello number {number} of {person.name}"}
            return good(await self.http.ask("POST", "/v1/posts", person.token, text)).json["id"], person.id

        self.posts = await together(one(each, number) for number in range(self.size.posts) for each in self.people)

    async def follow(self) -> None:
        """Let everybody follow the next few people."""

        async def one(at: int, step: int) -> None:
            name = self.people[(at + step) % len(self.people)].name
            good(await self.http.ask("PUT", f"/v1/users/{name}/follow", self.people[at].token))

        self.followed = self.size.follows
        steps = range(1, self.followed + 1)
        await together(one(at, step) for at in range(len(self.people)) for step in steps)

    async def settle(self) -> None:
        """Wait until all timelines are complete, and nothing is pushed any more."""
        lines = min(100, (self.followed + 1) * self.size.posts)
        for person in self.people:
            await self.timeline(person, lambda items: len(items) >= lines)
        await self.quiet(SETTLES_WITHIN_S)

    async def fanned_out(self, post: str, author: int) -> None:
        """Wait until a post is in the timeline of a follower, as all posts before it are then."""
        if self.followed:
            await self.timeline(self.people[author - 1], lambda items: any(each["id"] == post for each in items))

    async def timeline(self, person: Person, complete: Callable[[list[Any]], bool]) -> None:
        """Wait until a person's home timeline is complete; raises TimeoutError."""
        async with asyncio.timeout(SETTLES_WITHIN_S):
            while True:
                page = good(await self.http.ask("GET", "/v1/feed?limit=100", person.token)).json
                if complete(page["items"]):
                    return
                await asyncio.sleep(0.1)

    async def quiet(self, within_s: float) -> None:
        """Wait until nothing was pushed for a moment."""
        begun = time.perf_counter()
        await until(lambda: time.perf_counter() > max(self.heard_at, begun) + self.size.quiet_s, within_s)

    async def renew(self) -> None:
        """Log in again where tokens would expire in the middle of a measurement."""
        if time.monotonic() < self.signed_at + TOKEN_GOOD_FOR_S:
            return

        async def one(person: Person) -> None:
            body = {"username": person.name, "password": PASSWORD}
            person.token = good(await self.http.ask("POST", "/v1/auth/login", None, body)).json["access_token"]

        self.signed_at = time.monotonic()
        await together(map(one, self.people))

    async def listen(self, stack: AsyncExitStack) -> None:
        """Open a socket for everybody."""
        for person in self.people:
            socket = await Socket.opened(self.system.realtime, person.token, self.receive)
            stack.callback(socket.close)

    def likes(self) -> Iterator[tuple[Person, str]]:
        """Yield pairs of a person and a post to like: no pair comes twice, and nobody likes their own post."""
        pairs = [(who, post) for post, author in self.posts for who in self.people if who.id != author]
        self.chance.shuffle(pairs)
        yield from pairs
        raise RuntimeError("everybody likes everything: more people are needed")

    async def like(self, who: Person, post: str, due: float) -> Like:
        """Like a post; the record is complete when its author was notified."""
        like = self.unpushed[post][who.id] = Like(due)
        self.sent[post] += 1
        answer = await self.http.send(request("PUT", f"/v1/posts/{post}/like", who.token))
        like.status, like.retry_after_s, like.answered = answer.status, answer.retry_after_s, time.perf_counter()
        if like.status != 200:
            self.unpushed[post].pop(who.id, None)
        return like

    def receive(self, event: bytes, at: float) -> None:
        """Take a push: a notification names who liked what, and for a group how many in all."""
        self.heard_at = at
        if not event.startswith(b'["notification'):
            return
        data = json.loads(event)[1]
        if not isinstance(data, dict) or data.get("type") != "like":
            return
        waiting = self.unpushed.get(data["post_id"])
        if not waiting:
            return
        pushed = [actor["id"] for actor in data["actors"]]
        if data["count"] >= self.sent[data["post_id"]]:
            pushed = list(waiting)  # a group names its newest eight
        for who in pushed:
            if like := waiting.pop(who, None):
                like.pushed = at

    async def all_pushed(self, within_s: float) -> int:
        """Wait until every acknowledged like was pushed; return how many were not."""
        await until(lambda: not any(self.unpushed.values()), within_s)
        left = sum(map(len, self.unpushed.values()))
        self.unpushed.clear()
        return left


def good(answer: Answer) -> Answer:
    """Return an answer; raises AssertionError unless it is good."""
    if not 200 <= answer.status < 300:
        raise RuntimeError(f"answered {answer.status}: {answer.body[:300]!r}")
    return answer


async def until(holds: Callable[[], bool], within_s: float) -> None:
    """Wait until something holds, at most `within_s` seconds."""
    deadline = time.perf_counter() + within_s
    while not holds():
        if time.perf_counter() > deadline:
            return
        await asyncio.sleep(0.02)


async def together(work: Iterable[Awaitable[T]]) -> list[T]:
    """Run work concurrently, some at a time, and return the results in order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(each: Awaitable[T]) -> T:
        async with gate:
            return await each

    return list(await asyncio.gather(*map(one, work)))
