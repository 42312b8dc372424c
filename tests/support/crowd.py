"""A crowd that does not give up, on a system whose processes die; account.py counts what was lost or doubled.

Every client is a `plaza_client`: it repeats a write, under one key, until it is answered, and its socket resumes by
Socket.IO's connection state recovery. A like counts as delivered to its author when a push of its group shows a `count`
that reaches its place in the group.
"""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from plaza_client import Event, Plaza, PlazaError, Retrying, Return
from plaza_client.core.stream import Position
from social.infra import clock
from social.ops.demo_ledger import Ledger
from support.writes import Key, Write, Writes

# A write that is not answered by then is unknown for good, unless it is found.
PATIENCE = Retrying(first_s=0.1, most_s=0.4, give_up_s=120.0)
CONNECTS_WITHIN_S = 60.0
FOLLOWS_EACH = 3
QUIET_EACH = 4  # of so many people one never posts: a timeline does not depend on when that person is followed
PACE_S = (0.05, 0.4)
RECENT = 40  # posts that people comment and like


@dataclass
class Record:
    """The writes of a crowd, and what was pushed to its sockets."""

    writes: Writes = field(default_factory=Writes)
    ledger: Ledger = field(default_factory=Ledger)
    posts: dict[str, "Member"] = field(default_factory=dict)  # acknowledged ones, and their authors
    retries: Counter[str] = field(default_factory=Counter)  # and the reason

    @property
    def acks(self) -> list[float]:
        """The times at which writes were acknowledged."""
        return [each.acknowledged for each in self.writes.acknowledged() if each.acknowledged]

    @contextmanager
    def attempt(self, key: Key) -> Iterator[Write]:
        """Note the outcome of a write that the block attempts: acknowledged, refused, or unknown where none came."""
        write = self.writes.attempt(key)
        try:
            yield write
        except PlazaError as error:
            if 400 <= error.status < 500:
                write.refused = str(error)
            self.retries.update([f"given up: {error.status} {error.code}"])
        else:
            self.writes.acknowledge(write)

    def note_stored(self, stored: Collection[Key]) -> None:
        """Expect a push for each write that is due one: those acknowledged, and those found."""
        authors = {post_id: author.id for post_id, author in self.posts.items()}
        self.ledger.asked.clear()
        for key, write in self.writes.all.items():
            recipient = key.about if key.kind == "follow" else authors.get(key.about)
            if key.kind == "post" or recipient in (None, key.by):
                continue
            if write.acknowledged is not None or key in stored:
                self.ledger.asked[str(recipient), key.kind, key.about].append(write.began)

    def silence_s(self) -> float:
        """Return the longest time in which no write was acknowledged."""
        return max((later - earlier for earlier, later in itertools.pairwise(self.acks)), default=0.0)

    def slowest_write_s(self) -> float:
        """Return the longest time until a write was acknowledged."""
        return max(
            (each.acknowledged - each.began for each in self.writes.all.values() if each.acknowledged), default=0
        )


class Member:
    """An account with a socket that comes back by itself."""

    def __init__(self, name: str, url: str, http: aiohttp.ClientSession, record: Record, patience: Retrying) -> None:
        self.name = name
        self.id = ""
        self.quiet = False  # who never posts
        self.password = clock.new_id()
        self.following: set[str] = set()
        self.seen = Position("", 0)  # of the last stream event
        self.numbers: list[int] = []  # of all stream events
        self.sent_away_s: list[float] = []  # by gateways that stop: the seconds each gave
        self.plaza = Plaza(url, http=http, retrying=patience, on_retry=lambda why: record.retries.update([why]))
        self._record = record
        self._texts = itertools.count(1)
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

    def text(self) -> str:
        """Return a text that this person never wrote before."""
        return f"{self.name} says {next(self._texts)}"

    async def join(self) -> None:
        """Register an account and open a socket."""
        self.id = (await self.plaza.register(self.name, f"{self.name}@example.org", self.password)).id
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
            self.numbers.append(self.seen.seq)
            self._record.ledger.pushed(self.id, event.name, event.data, event.offset)


class Crowd:
    """People who post, comment, like and follow at random, half over REST and half over their sockets."""

    def __init__(self, people: list[Member], record: Record, seed: int = 7) -> None:
        self.people = people
        self.record = record
        self._chance = random.Random(seed)
        self._stop = asyncio.Event()
        for each in people[QUIET_EACH - 1 :: QUIET_EACH]:
            each.quiet = True

    async def follow(self) -> None:
        """Let everybody follow some others."""
        for person in self.people:
            others = [each for each in self.people if each is not person]
            for other in self._chance.sample(others, min(FOLLOWS_EACH, len(others))):
                await self._follow(person, other)

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
        acts: list[Callable[[Member], Awaitable[None]]] = [self._post, self._comment, self._like, self._follow_quiet]
        while not self._stop.is_set():
            (act,) = self._chance.choices(acts, [2, 4, 13, 1])
            await act(person)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._chance.uniform(*PACE_S))

    async def _post(self, person: Member) -> None:
        if person.quiet:
            return
        text, rest = person.text(), self._chance.random() < 0.5
        with self.record.attempt(Key("post", person.id, "", text)):
            if rest:
                post_id = (await person.plaza.publish(text)).id
            else:
                post_id = (await person.plaza.send("post.create", {"text": text}))["id"]
            self.record.posts[post_id] = person

    def _choose(self) -> str | None:
        recent = list(self.record.posts)[-RECENT:]
        return self._chance.choice(recent) if recent else None

    async def _comment(self, person: Member) -> None:
        if (post_id := self._choose()) is None:
            return
        text, rest = person.text(), self._chance.random() < 0.5
        with self.record.attempt(Key("comment", person.id, post_id, text)):
            if rest:
                await person.plaza.comment(post_id, text)
            else:
                await person.plaza.send("comment.create", {"post_id": post_id, "text": text})

    async def _like(self, person: Member) -> None:
        post_id = self._choose()
        if post_id is None or (key := Key("like", person.id, post_id)) in self.record.writes.all:
            return
        rest = self._chance.random() < 0.5
        with self.record.attempt(key):
            if rest:
                await person.plaza.like(post_id)
            else:
                await person.plaza.send("post.like", {"post_id": post_id})

    async def _follow_quiet(self, person: Member) -> None:
        others = [each for each in self.people if each.quiet and each is not person and each.id not in person.following]
        if others:
            await self._follow(person, self._chance.choice(others))

    async def _follow(self, person: Member, other: Member) -> None:
        person.following.add(other.id)
        with self.record.attempt(Key("follow", person.id, other.id)):
            await person.plaza.follow(other.name)


@asynccontextmanager
async def crowd(url: str, count: int, *, seed: int = 7, patience: Retrying = PATIENCE) -> AsyncIterator[Crowd]:
    """Yield people who follow each other and are connected."""
    run_id, record = clock.new_id()[-8:], Record()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        people = [Member(f"crowd_{run_id}_{number}", url, http, record, patience) for number in range(count)]
        try:
            await asyncio.gather(*(person.join() for person in people))
            gathered = Crowd(people, record, seed)
            await gathered.follow()
            yield gathered
        finally:
            await asyncio.gather(*(person.plaza.close() for person in people), return_exceptions=True)
