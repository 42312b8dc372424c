"""The account of a run: which writes were acknowledged, when their effects arrived, and which are missing or repeated.

A like, comment or follow counts as delivered when a push of its group shows a `count` that reaches its place there.
Every person's stream is numbered, so a push that never came is missed by its number as well. A post counts as delivered
to a follower with `feed.post`, or when they found it in their timeline after they had been away. A write that had an
effect twice shows as a count above the number of writes, or as a group that was pushed more often than it changed.
"""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from plaza_client.core.stream import Stream

Delivered = Callable[[str, float, bool], None]  # kind, seconds since the write, recipient was away
FOUND = math.inf  # stands for the time of connecting of a follower who found the post by fetching, without a push


@dataclass
class Group:
    """A notification group: its writes in the order they were acknowledged, its counts in the order they were shown."""

    sent: list[float] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)  # increasing
    shown_at: list[tuple[float, float]] = field(default_factory=list)  # and since when the recipient was connected
    delivered: int = 0


class Deliveries:
    """The account of a run; all times are of one monotonic clock, in seconds."""

    def __init__(self, report: Delivered) -> None:
        self._report = report
        self._groups: dict[tuple[str, str, str], Group] = defaultdict(Group)  # by recipient, kind, target
        self._posts: dict[str, tuple[float, set[str]]] = {}  # when a post was sent, and who has yet to see it
        self._seen: dict[tuple[str, str], tuple[float, float]] = {}  # by person, post: when, since when connected
        self._streams = defaultdict[str, Stream](lambda: Stream(from_the_beginning=True))  # accounts are new
        self._numbers: Counter[tuple[str, str]] = Counter()  # by person, group: numbers of the stream that showed it
        self._left: set[str] = set()
        self.acknowledged: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.recovered: Counter[str] = Counter()  # how many of these to people who were away meanwhile
        self.duplicates: Counter[str] = Counter()  # by what came again
        self._shown_again: list[str] = []  # ids of posts
        self.holes = 0

    def acted(self, kind: str, *, recipient: str, target: str, at: float) -> None:
        """Count a like, comment or follow that was acknowledged; its request was sent at time `at`."""
        if recipient in self._left:
            return
        self.acknowledged[kind] += 1
        group = self._groups[recipient, kind, target]
        group.sent.append(at)
        self._settle(kind, group)

    def published(self, post_id: str, *, to: Iterable[str], at: float) -> None:
        """Count a post that was acknowledged, and that belongs in the timelines of the people in `to`."""
        due = set(to)
        self.acknowledged["post"] += len(due)
        self._posts[post_id] = at, due
        for person in list(due):
            if seen := self._seen.get((person, post_id)):
                self._arrived("post", at, *seen)
                due.discard(person)

    def notified(self, person: str, kind: str, target: str, count: int, *, at: float, since: float = 0) -> None:
        """Count a group that a person was shown, on a connection that was opened at time `since`."""
        group = self._groups[person, kind, target]
        if not group.shown or count > group.shown[-1]:
            group.shown.append(count)
            group.shown_at.append((at, since))
            self._settle(kind, group)

    def advanced(self, person: str, offset: str) -> bool:
        """Move a person's stream to an offset; return False when the stream had been there before."""
        step = self._streams[person].take(offset)
        self.duplicates["stream"] += step.repeated
        self.holes += step.missed
        return not step.repeated

    def numbered(self, person: str, group_id: str, rev: int) -> None:
        """Count a number of a person's stream that showed a group at a revision.

        An event that is read again shows the group as it is by then, so that several numbers may show one revision,
        also to a person who was never away; but each number is of a change of its own, and a group has as many as its
        revision.
        """
        if self._numbers[person, group_id] < rev:
            self._numbers[person, group_id] += 1
        else:
            self.duplicates["group"] += 1

    def surplus(self) -> int:
        """Return how many more effects were shown than writes were done: duplicates, if every write was answered."""
        return sum(
            max(0, group.shown[-1] - len(group.sent))
            for (person, kind, _), group in self._groups.items()
            if group.shown and kind in self.acknowledged and person not in self._left
        )

    def restarted(self, person: str, offset: str) -> None:
        """Set a person's stream to an offset, after the server requested to fetch everything again."""
        self._streams[person].restart(offset)

    def offset(self, person: str) -> str | None:
        """Return a person's position in their stream; None before anything came."""
        return self._streams[person].offset

    def shown_post(self, person: str, post_id: str, *, at: float, since: float = 0) -> None:
        """Count a post that was pushed live."""
        before = self._seen.get((person, post_id))
        if before and before[1] != FOUND:
            self.duplicates["post"] += 1
            self._shown_again.append(post_id)
        elif not before:
            self._see(person, post_id, at, since)

    def excuse_posts(self, since: float, until: float) -> None:
        """Count posts that were sent between these times as no duplicates, however often they were pushed."""
        excused = [each for each in self._shown_again if each in self._posts and since <= self._posts[each][0] <= until]
        self.duplicates["post"] -= len(excused)
        self._shown_again = [each for each in self._shown_again if each not in excused]

    def found_post(self, person: str, post_id: str, *, at: float) -> None:
        """Count a post that was in the timeline fetched by a person who had been away."""
        if (person, post_id) not in self._seen:
            self._see(person, post_id, at, FOUND)

    def _see(self, person: str, post_id: str, at: float, since: float) -> None:
        self._seen[person, post_id] = at, since
        sent, due = self._posts.get(post_id, (at, set[str]()))
        if person in due:
            due.discard(person)
            self._arrived("post", sent, at, since)

    def left(self, person: str) -> None:
        """Forget the pushes on their way to a person whose socket is closed for good."""
        self._left.add(person)
        for (recipient, kind, _), group in self._groups.items():
            if recipient == person:
                self.acknowledged[kind] -= len(group.sent) - group.delivered
                del group.sent[group.delivered :]
        for _, due in self._posts.values():
            self.acknowledged["post"] -= person in due
            due.discard(person)

    def missing(self) -> dict[str, int]:
        """Return how many effects of each kind have not arrived."""
        return {kind: count - self.delivered[kind] for kind, count in self.acknowledged.items()}

    def complete(self) -> bool:
        """Return whether every effect of an acknowledged write has arrived."""
        return not any(self.missing().values())

    def flawless(self) -> bool:
        """Return whether everything arrived once, and in order."""
        return self.complete() and not self.duplicates.total() and not self.holes

    def _settle(self, kind: str, group: Group) -> None:
        while group.delivered < len(group.sent):
            index = bisect_left(group.shown, group.delivered + 1)
            if index == len(group.shown):
                return
            self._arrived(kind, group.sent[group.delivered], *group.shown_at[index])
            group.delivered += 1

    def _arrived(self, kind: str, sent: float, at: float, since: float) -> None:
        resumed = sent < since  # the recipient was away meanwhile
        self.delivered[kind] += 1
        self.recovered[kind] += resumed
        self._report(kind, max(0.0, at - sent), resumed)
