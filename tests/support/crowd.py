"""A crowd that does not give up, on a system whose processes die, and an honest count of what was lost or doubled.

Every client is a `plaza_client`: it repeats a write, under one key, until it is answered, and its socket resumes by
Socket.IO's connection state recovery. A like counts as delivered to its author when a push of its group shows a `count`
that reaches its place in the group.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from plaza_client import Event, Plaza, Retrying, Return
from plaza_client.core.stream import Position
from social.infra import clock
from social.ops.demo_ledger import Ledger
from support.eventually import eventually

# A write that is not answered by then is a failure of the whole run.
PATIENCE = Retrying(first_s=0.1, most_s=0.4, give_up_s=120.0)
CONNECTS_WITHIN_S = 60.0
FOLLOWS_EACH = 3
PACE_S = (0.05, 0.4)
SETTLE_S = 100.0  # longer than a store holds documents of a client that died in a transaction


@dataclass
class Record:
    """The writes that were acknowledged, and their effects."""

    ledger: Ledger = field(default_factory=Ledger)
    acks: list[float] = field(default_factory=list)
    slowest_write_s: float = 0.0
    posts: dict[str, "Member"] = field(default_factory=dict)
    likes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    comments: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    retries: Counter[str] = field(default_factory=Counter)  # and the reason

    def acknowledged(self, began: float) -> None:
        """Count an acknowledged write."""
        now = time.perf_counter()
        self.acks.append(now)
        self.slowest_write_s = max(self.slowest_write_s, now - began)

    def silence_s(self) -> float:
        """Return the longest time in which no write was acknowledged."""
        return max((later - earlier for earlier, later in zip(self.acks, self.acks[1:], strict=False)), default=0.0)


class Member:
    """An account with a socket that comes back by itself."""

    def __init__(self, name: str, url: str, http: aiohttp.ClientSession, record: Record) -> None:
        self.name = name
        self.id = ""
        self.following: set[str] = set()
        self.seen = Position("", 0)  # of the last stream event
        self.sent_away_s: list[float] = []  # by gateways that stop: the seconds each gave
        self.plaza = Plaza(url, http=http, retrying=PATIENCE, on_retry=lambda why: record.retries.update([why]))
        self._record = record
        self.plaza.listen(self._heard)

    @property
    def token(self) -> str:
        """The access token."""
        assert self.plaza.tokens is not None
        return self.plaza.tokens.access_token

    @property
    def returns(self) -> list[Return]:
        """The times when the socket came back, and whether the gateway resumed it."""
        return self.plaza.returns

    async def join(self) -> None:
        """Register an account and open a socket."""
        self.id = (await self.plaza.register(self.name, f"{self.name}@example.org", clock.new_id())).id
        async with asyncio.timeout(CONNECTS_WITHIN_S):
            await self.plaza.connect()

    async def all(self, path: str) -> list[Any]:
        """Return every item of a list."""
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.plaza.rest("GET", path, params={"limit": "100", **cursor})
            items += page["items"]
            if not page["next"]:
                return items
            cursor = {"cursor": page["next"]}

    def _heard(self, event: Event) -> None:
        if event.name == "drain":
            self.sent_away_s.append(event.data["after_ms"] / 1000)
        if event.offset is not None:
            self.seen = Position.parse(event.offset)
            self._record.ledger.pushed(self.id, event.name, event.data, event.offset)


class Crowd:
    """People who post, comment and like at random, half over REST and half over their sockets."""

    def __init__(self, people: list[Member], record: Record) -> None:
        self.people = people
        self.record = record
        self._chance = random.Random(7)
        self._stop = asyncio.Event()

    async def follow(self) -> None:
        """Let everybody follow some others."""
        for person in self.people:
            others = [each for each in self.people if each is not person]
            for other in self._chance.sample(others, min(FOLLOWS_EACH, len(others))):
                began = time.perf_counter()
                await person.plaza.follow(other.name)
                self.record.acknowledged(began)
                person.following.add(other.id)
                self.record.ledger.asked[other.id, "follow", other.id].append(began)

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Let everybody act until the block ends, and until the writes they began are answered."""
        self._stop.clear()
        living = [asyncio.create_task(self._live(person)) for person in self.people]
        try:
            yield
        finally:
            self._stop.set()
            await asyncio.gather(*living)

    async def _live(self, person: Member) -> None:
        acts: list[Callable[[Member], Awaitable[None]]] = [self._post, self._comment, self._like]
        while not self._stop.is_set():
            (act,) = self._chance.choices(acts, [2, 3, 15])
            await act(person)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._chance.uniform(*PACE_S))

    async def _post(self, person: Member) -> None:
        began, text = time.perf_counter(), f"post by {person.name}"
        if self._chance.random() < 0.5:
            post_id = (await person.plaza.publish(text)).id
        else:
            post_id = (await person.plaza.send("post.create", {"text": text}))["id"]
        self.record.acknowledged(began)
        self.record.posts[post_id] = person

    def _choose(self) -> tuple[str, Member] | None:
        recent = list(self.record.posts.items())[-40:]
        return self._chance.choice(recent) if recent else None

    async def _comment(self, person: Member) -> None:
        if (chosen := self._choose()) is None:
            return
        (post_id, author), began = chosen, time.perf_counter()
        if self._chance.random() < 0.5:
            comment_id = (await person.plaza.comment(post_id, "well said")).id
        else:
            message = {"post_id": post_id, "text": "well said"}
            comment_id = (await person.plaza.send("comment.create", message))["id"]
        self.record.acknowledged(began)
        self.record.comments[post_id].append(comment_id)
        if author is not person:
            self.record.ledger.asked[author.id, "comment", post_id].append(began)

    async def _like(self, person: Member) -> None:
        chosen = self._choose()
        if chosen is None or person.id in self.record.likes[chosen[0]]:
            return
        (post_id, author), began = chosen, time.perf_counter()
        self.record.likes[post_id].add(person.id)
        if self._chance.random() < 0.5:
            await person.plaza.like(post_id)
        else:
            await person.plaza.send("post.like", {"post_id": post_id})
        self.record.acknowledged(began)
        if author is not person:
            self.record.ledger.asked[author.id, "like", post_id].append(began)


@dataclass(frozen=True)
class Account:
    """The account of a crowd: writes by what REST shows afterwards, notifications by what was pushed."""

    acknowledged: int
    lost: list[str]
    doubled: list[str]
    notifications: int
    missing: int
    repeated: int
    disorder: list[str]
    unrecovered: int
    silence_s: float
    slowest_write_s: float
    slowest_notification_s: float
    retries: dict[str, int]

    def flawless(self) -> None:
        """Assert that nothing was lost or doubled."""
        assert not self.lost, self.lost
        assert not self.doubled, self.doubled
        assert (self.missing, self.repeated, self.disorder) == (0, 0, [])
        assert self.acknowledged > 0
        assert self.notifications > 0


async def settle(crowd: Crowd, timeout_s: float = SETTLE_S) -> Account:
    """Wait until everything acknowledged has arrived, then take account; a write whose effect is late is lost."""

    async def arrived() -> None:
        lost, _ = await audit(crowd)
        assert not any(crowd.record.ledger.outcome(kind)[1] for kind in ("like", "comment", "follow"))
        assert not lost

    with suppress(AssertionError):
        await eventually(arrived, timeout_s=timeout_s, every_s=0.3)
    lost, doubled = await audit(crowd)
    record, outcomes = crowd.record, [crowd.record.ledger.outcome(kind) for kind in ("like", "comment", "follow")]
    return Account(
        acknowledged=len(record.acks),
        lost=lost,
        doubled=doubled,
        notifications=sum(asked for asked, _, _ in outcomes),
        missing=sum(missing for _, missing, _ in outcomes),
        repeated=record.ledger.duplicates,
        disorder=[f"{each.name}: {each.plaza.disorder}" for each in crowd.people if any(each.plaza.disorder)],
        unrecovered=sum(not each.resumed for person in crowd.people for each in person.returns),
        silence_s=record.silence_s(),
        slowest_write_s=record.slowest_write_s,
        slowest_notification_s=max((each for *_, seconds in outcomes for each in seconds), default=0.0),
        retries=dict(record.retries),
    )


async def audit(crowd: Crowd) -> tuple[list[str], list[str]]:
    """Look for every acknowledged write over REST; return the missing writes, and those that are there too often."""
    found: list[tuple[str, int, int]] = []  # the write, how often it should be there, how often it is
    record, reader = crowd.record, crowd.people[0]
    for post_id in record.posts:
        post = await reader.plaza.rest("GET", f"/v1/posts/{post_id}")
        found.append((f"likes of {post_id}", len(record.likes[post_id]), post["likes"]))
        found.append((f"comments of {post_id}", len(record.comments[post_id]), post["comments"]))
        there = Counter(each["id"] for each in await reader.all(f"/v1/posts/{post_id}/comments"))
        found += [(f"comment {each}", int(each in record.comments[post_id]), there[each]) for each in there]
        found += [(f"comment {each}", 1, there[each]) for each in record.comments[post_id]]
    for person in crowd.people:
        shown: Counter[tuple[str, str]] = Counter()
        for each in await person.all("/v1/notifications"):
            shown[each["type"], each["target"]["id"]] += each["count"]
        asked = {key[1:]: len(at) for key, at in record.ledger.asked.items() if key[0] == person.id}
        found += [(f"{person.name} notified of {key}", asked.get(key, 0), shown[key]) for key in {*shown, *asked}]
        lines = Counter(each["id"] for each in await person.all("/v1/feed"))
        due = {post for post, author in record.posts.items() if author is person or author.id in person.following}
        found += [
            (f"{post} in the timeline of {person.name}", int(post in due), lines[post]) for post in due | {*lines}
        ]
    lost = [f"{what}: {there} of {due}" for what, due, there in found if there < due]
    return lost, [f"{what}: {there} for {due}" for what, due, there in found if there > due]


@asynccontextmanager
async def crowd(url: str, count: int) -> AsyncIterator[Crowd]:
    """Yield people who follow each other and are connected."""
    run_id, record = clock.new_id()[-8:], Record()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        people = [Member(f"crowd_{run_id}_{number}", url, http, record) for number in range(count)]
        try:
            await asyncio.gather(*(person.join() for person in people))
            gathered = Crowd(people, record)
            await gathered.follow()
            yield gathered
        finally:
            await asyncio.gather(*(person.plaza.close() for person in people), return_exceptions=True)
