"""What was acknowledged, what arrived of it and when, and what is missing, repeated or out of order.

A like, comment or follow counts as delivered when a push of its group shows a `count` that reaches its place there.
Every person's stream is numbered, so a push that never came is missed by its number as well. A post counts as delivered
to a follower with `feed.post`, or when they found it in their timeline after they had been away. What had an effect
twice shows as a count above what was done, or as a group that was told of more often than it changed.
"""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Told = Callable[[str, float, bool], None]  # which kind, seconds since the write was sent, to somebody who was away
FOUND = math.inf  # since when somebody is connected who did not hear of it, but found it


@dataclass
class Group:
    """One notification group: writes in the order they were acknowledged, counts in the order they were shown."""

    sent: list[float] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)  # increasing
    shown_at: list[tuple[float, float]] = field(default_factory=list)  # and since when they were connected
    delivered: int = 0


@dataclass
class Stream:
    """Where somebody is in their stream; a new account's begins before 1."""

    epoch: str = ""
    seq: int = 0


class Deliveries:
    """The account of one run; times are of one monotonic clock, in seconds."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._groups: dict[tuple[str, str, str], Group] = defaultdict(Group)  # recipient, kind, target
        self._posts: dict[str, tuple[float, set[str]]] = {}  # who has yet to see it
        self._seen: dict[tuple[str, str], tuple[float, float]] = {}  # person, post: when, since when there
        self._streams: dict[str, Stream] = defaultdict(Stream)
        self._numbers: Counter[tuple[str, str]] = Counter()  # person, group: how many of their stream told of it
        self._left: set[str] = set()
        self.acknowledged: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.recovered: Counter[str] = Counter()  # of those
        self.duplicates = 0
        self.holes = 0

    def acted(self, kind: str, *, recipient: str, target: str, at: float) -> None:
        """A like, comment or follow was acknowledged; its request was sent at that time."""
        if recipient in self._left:
            return
        self.acknowledged[kind] += 1
        group = self._groups[recipient, kind, target]
        group.sent.append(at)
        self._settle(kind, group)

    def published(self, post_id: str, *, to: Iterable[str], at: float) -> None:
        """A post was acknowledged, which belongs in these people's timelines."""
        due = set(to)
        self.acknowledged["post"] += len(due)
        self._posts[post_id] = at, due
        for person in list(due):
            if seen := self._seen.get((person, post_id)):
                self._arrived("post", at, *seen)
                due.discard(person)

    def notified(self, person: str, kind: str, target: str, count: int, *, at: float, since: float = 0) -> None:
        """Somebody was shown a group, on a connection they have `since` they came back."""
        group = self._groups[person, kind, target]
        if not group.shown or count > group.shown[-1]:
            group.shown.append(count)
            group.shown_at.append((at, since))
            self._settle(kind, group)

    def advanced(self, person: str, offset: str) -> bool:
        """Somebody's stream went on to an offset; False when they were there before."""
        epoch, _, number = offset.rpartition(".")
        stream, seq = self._streams[person], int(number)
        if stream.epoch not in ("", epoch):
            stream.seq = seq - 1  # a stream that begins anew says so, and its owner fetches all again
        stream.epoch = epoch
        if seq <= stream.seq:
            self.duplicates += 1
            return False
        self.holes += seq - stream.seq - 1
        stream.seq = seq
        return True

    def numbered(self, person: str, group_id: str, rev: int) -> None:
        """A number of somebody's stream told of a group, and showed it as of a revision.

        What is read again from a stream is shown as it is by then, so that several numbers may show one revision, also
        to somebody who was never away; but each is of a change of its own, and a group has as many as its revision.
        """
        if self._numbers[person, group_id] < rev:
            self._numbers[person, group_id] += 1
        else:
            self.duplicates += 1

    def surplus(self) -> int:
        """How many more were shown than were done; only where every write was answered are these duplicates."""
        return sum(
            max(0, group.shown[-1] - len(group.sent))
            for (person, kind, _), group in self._groups.items()
            if group.shown and kind in self.acknowledged and person not in self._left
        )

    def restarted(self, person: str, offset: str) -> None:
        """Somebody was told to fetch all again, and goes on from there."""
        epoch, _, number = offset.rpartition(".")
        self._streams[person] = Stream(epoch, int(number))

    def offset(self, person: str) -> str | None:
        """Where somebody is in their stream; None before anything came."""
        stream = self._streams[person]
        return f"{stream.epoch}.{stream.seq}" if stream.epoch else None

    def shown_post(self, person: str, post_id: str, *, at: float, since: float = 0) -> None:
        """A post came up live."""
        before = self._seen.get((person, post_id))
        if before and before[1] != FOUND:
            self.duplicates += 1
        elif not before:
            self._see(person, post_id, at, since)

    def found_post(self, person: str, post_id: str, *, at: float) -> None:
        """A post was in a timeline that somebody fetched who was away."""
        if (person, post_id) not in self._seen:
            self._see(person, post_id, at, FOUND)

    def _see(self, person: str, post_id: str, at: float, since: float) -> None:
        self._seen[person, post_id] = at, since
        sent, due = self._posts.get(post_id, (at, set[str]()))
        if person in due:
            due.discard(person)
            self._arrived("post", sent, at, since)

    def left(self, person: str) -> None:
        """Somebody's socket is closed for good: what was on its way to them is not waited for."""
        self._left.add(person)
        for (recipient, kind, _), group in self._groups.items():
            if recipient == person:
                self.acknowledged[kind] -= len(group.sent) - group.delivered
                del group.sent[group.delivered :]
        for _, due in self._posts.values():
            self.acknowledged["post"] -= person in due
            due.discard(person)

    def missing(self) -> dict[str, int]:
        """How many of each kind have not arrived."""
        return {kind: count - self.delivered[kind] for kind, count in self.acknowledged.items()}

    def complete(self) -> bool:
        """Whether everything acknowledged has arrived."""
        return not any(self.missing().values())

    def flawless(self) -> bool:
        """Whether it did so once, and in order."""
        return self.complete() and not self.duplicates and not self.holes

    def _settle(self, kind: str, group: Group) -> None:
        while group.delivered < len(group.sent):
            index = bisect_left(group.shown, group.delivered + 1)
            if index == len(group.shown):
                return
            self._arrived(kind, group.sent[group.delivered], *group.shown_at[index])
            group.delivered += 1

    def _arrived(self, kind: str, sent: float, at: float, since: float) -> None:
        resumed = sent < since  # they were away meanwhile
        self.delivered[kind] += 1
        self.recovered[kind] += resumed
        self._told(kind, max(0.0, at - sent), resumed)
