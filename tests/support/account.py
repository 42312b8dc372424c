"""The account of a crowd: writes by what REST shows afterwards, notifications by what its sockets were pushed."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from plaza_client.core.stream import Position
from support.crowd import Crowd, Member
from support.eventually import eventually
from support.writes import Counts, Key, hole

SETTLE_S = 100.0  # longer than a store holds documents of a client that died in a transaction
NOTIFIES = ("like", "comment", "follow")


@dataclass(frozen=True)
class Account:
    """Everything that a crowd attempted, and what became of it."""

    counts: Counts
    lost: list[str]  # writes, and effects that are missing
    doubled: list[str]  # writes, and effects that are there too often or without a cause
    notifications: int
    missing: int
    repeated: int
    disorder: list[str]
    unrecovered: int
    silence_s: float
    slowest_write_s: float
    notified_s: list[float]
    converged_s: float  # from the end of all acts until everything was there
    retries: dict[str, int]

    @property
    def acknowledged(self) -> int:
        """The number of acknowledged writes."""
        return self.counts.acknowledged

    @property
    def flaws(self) -> list[str]:
        """Everything that a flawless system would not have done."""
        pushes = [f"{self.missing} notifications never pushed"] * bool(self.missing)
        pushes += [f"{self.repeated} events pushed twice"] * bool(self.repeated)
        return [*self.lost, *self.doubled, *pushes, *self.disorder]

    def flawless(self) -> None:
        """Assert that nothing was lost or doubled."""
        assert not self.flaws, self.flaws
        assert self.acknowledged > 0
        assert self.notifications > 0


class Found(NamedTuple):
    """Results of reading: how often each write is stored, and each effect with how often it is due and there."""

    stored: Counter[Key]
    effects: list[tuple[str, int, int]]
    streams: dict[str, int]  # the last number of each person's stream


async def settle(crowd: Crowd, timeout_s: float = SETTLE_S) -> Account:
    """Wait until everything acknowledged has arrived, then take account; a write whose effect is late is lost."""
    began = time.perf_counter()

    async def arrived() -> Account:
        found = await audit(crowd)
        account = _account(crowd, found, time.perf_counter() - began)
        assert not account.flaws
        return account

    with suppress(AssertionError):
        return await eventually(arrived, timeout_s=timeout_s)
    return _account(crowd, await audit(crowd), time.perf_counter() - began)


async def audit(crowd: Crowd) -> Found:
    """Read everything that the crowd could have written, and everything that follows from it."""
    stored: Counter[Key] = Counter()
    effects: list[tuple[str, int, int]] = []
    posts: dict[str, str] = {}  # the author of each
    for person in crowd.people:
        for post in await person.all(f"/v1/users/{person.name}/posts"):
            posts[post["id"]] = person.id
            stored[Key("post", person.id, "", post["text"])] += 1
            rows = await _rows(crowd.people[0], post["id"])
            stored.update(rows)
            kinds = Counter(key.kind for key in rows)
            effects.append((f"likes of {post['id']}", kinds["like"], post["likes"]))
            effects.append((f"comments of {post['id']}", kinds["comment"], post["comments"]))
        for other in await person.all(f"/v1/users/{person.name}/following"):
            stored[Key("follow", person.id, other["id"])] += 1
    due = _notifications(stored, posts)
    pages = await asyncio.gather(
        *(_shown_to(person, _lines(person, stored, posts), due[person.id]) for person in crowd.people)
    )
    for some, _ in pages:
        effects += some
    streams = {person.id: last for person, (_, last) in zip(crowd.people, pages, strict=True)}
    return Found(stored, effects, streams)


async def _rows(reader: Member, post_id: str) -> list[Key]:
    comments, likers = await asyncio.gather(
        reader.all(f"/v1/posts/{post_id}/comments"), reader.all(f"/v1/posts/{post_id}/likes")
    )
    likes = [Key("like", each["id"], post_id) for each in likers]
    return likes + [Key("comment", each["author"]["id"], post_id, each["text"]) for each in comments]


async def _shown_to(
    person: Member, own: set[str], due: Counter[tuple[str, str]]
) -> tuple[list[tuple[str, int, int]], int]:
    """Return the effects that a person sees, and the last number of their stream."""
    page = await person.plaza.rest("GET", "/v1/notifications", params={"limit": "1"})
    shown: Counter[tuple[str, str]] = Counter()
    for each in await person.all("/v1/notifications"):
        shown[each["type"], each["target"]["id"]] += each["count"]
    lines = Counter(each["id"] for each in await person.all("/v1/feed"))
    told = [(f"{person.name} notified of {each}", due[each], shown[each]) for each in due | shown]
    seen = [(f"{each} in the timeline of {person.name}", int(each in own), lines[each]) for each in own | {*lines}]
    return told + seen, Position.parse(page["offset"]).seq


def _lines(person: Member, stored: Iterable[Key], posts: dict[str, str]) -> set[str]:
    """Return the posts that belong in a person's timeline."""
    authors = {key.about for key in stored if key.kind == "follow" and key.by == person.id} | {person.id}
    return {post_id for post_id, author in posts.items() if author in authors}


def _notifications(stored: Iterable[Key], posts: dict[str, str]) -> dict[str, Counter[tuple[str, str]]]:
    """Return how many acts each person is to be notified of, by type and target."""
    due: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for key in stored:
        recipient = key.about if key.kind == "follow" else posts.get(key.about)
        if key.kind != "post" and recipient and recipient != key.by:
            due[recipient][key.kind, key.about] += 1
    return due


def _account(crowd: Crowd, found: Found, seconds: float) -> Account:
    record = crowd.record
    record.note_stored(found.stored)
    outcomes = [record.ledger.outcome(kind) for kind in NOTIFIES]
    flaws = record.writes.flaws(found.stored)
    lost = [f"{name}: {there} of {due}" for name, due, there in found.effects if there < due]
    doubled = [f"{name}: {there} for {due}" for name, due, there in found.effects if there > due]
    return Account(
        counts=record.writes.count(found.stored),
        lost=[each for each in flaws if each.startswith("lost")] + lost,
        doubled=[each for each in flaws if not each.startswith("lost")] + doubled,
        notifications=sum(asked for asked, _, _ in outcomes),
        missing=sum(missing for _, missing, _ in outcomes),
        repeated=record.ledger.duplicates,
        disorder=[each for person in crowd.people for each in _disorder(person, found.streams[person.id])],
        unrecovered=sum(not each.resumed for person in crowd.people for each in person.returns),
        silence_s=record.silence_s(),
        slowest_write_s=record.slowest_write_s(),
        notified_s=[each for *_, seconds in outcomes for each in seconds],
        converged_s=seconds,
        retries=dict(record.retries),
    )


def _disorder(person: Member, last: int) -> list[str]:
    found: list[Any] = [f"{person.name}: {person.plaza.disorder}"] * any(person.plaza.disorder)
    if wrong := hole(person.numbers, last):
        found.append(f"{person.name} was pushed {wrong}")
    return found
