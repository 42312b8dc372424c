"""Admission: a process works on so many requests at once and refuses more at the door, before any work is done.

How many, it finds by how long they take (additive increase, multiplicative decrease): above that number a request only
waits longer, and when everybody waits longer than their deadline, nothing is done at all. By Little's law the limit
settles at what is answered a second times the time aimed at.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from weakref import WeakKeyDictionary

from social.contracts.problems import RateLimited, Unavailable
from social.infra.observe import logs, metrics

log = logs.get("admission")

AIM_S = 0.4  # mean time of a request, above which fewer are let in
LEAST, MOST, START = 32, 1_024, 96  # requests at once
LOOK_EVERY_S = 0.1
ENOUGH = 8  # requests of a window, to judge it by
LESS = 0.8  # of the limit, after a window that was too slow
SAY_EVERY_S = 5.0
MOST_OF_ONE = 0.25  # of the limit, or 16: whoever opens connections without end leaves room for others


class Priority(IntEnum):
    """What is refused first: `BULK` (timelines, lists, searches), then `USUAL`, and last `ESSENTIAL`.

    Essential is what repairs and relieves: reading a stream, marking as read, renewing and ending a session.
    """

    ESSENTIAL = 0
    USUAL = 1
    BULK = 2


MOST_AT_ONCE = 8  # refusals of a connection in a row that are told at once,
HELD_BACK_S = 0.25  # and how long each further one is held back

SHARES = (1.0, 0.9, 0.75)  # of the limit, by priority


class Overloaded(Unavailable):
    """A request that was refused before any work was done for it."""

    def __init__(self) -> None:
        super().__init__("There is as much to do as can be done; try again in a moment")


class Insistent:
    """The connections that ask again and again while they are refused, without the pause that each refusal names.

    To refuse costs as much processor time as an answer does in small: those who do nothing else would leave too little
    of it for what was let in.
    """

    def __init__(self) -> None:
        self._refused: WeakKeyDictionary[object, int] = WeakKeyDictionary()  # how often in a row, by connection

    async def refused(self, connection: object | None) -> None:
        """Hold the refusal back, where this connection was told several times; what waits here costs nothing."""
        if connection is None:
            return
        count = self._refused[connection] = self._refused.get(connection, 0) + 1
        if count > MOST_AT_ONCE:
            await asyncio.sleep(HELD_BACK_S)

    def let_in(self, connection: object | None) -> None:
        """It begins anew."""
        if self._refused and connection is not None:
            self._refused.pop(connection, None)


_door: ContextVar["Admission | None"] = ContextVar("door", default=None)  # that the present request went through


class Admission:
    """The door of one process."""

    def __init__(self) -> None:
        self._limit = float(START)
        self._here = 0
        self._of: Counter[str] = Counter()  # of each person
        self._most_here = 0
        self._took_s = 0.0
        self._count = 0
        self._looked_at = 0.0
        self._refused, self._said_at = 0, float("-inf")

    @property
    def limit(self) -> int:
        """How many are let in at once."""
        return int(self._limit)

    def check(self, priority: Priority) -> None:
        """Raises Overloaded where a request of this priority would be refused now."""
        if self._here >= self._limit * SHARES[priority]:
            self._refuse()

    @contextmanager
    def work(self, priority: Priority, who: str = "") -> Iterator[None]:
        """Work on a request of this person; raises Overloaded where too many are worked on for one of this priority.

        Raises RateLimited for a person who has more than their share.
        What waits for something else than this process and its servers (a body that arrives slowly, the hash of a
        password) stays outside: it would make slow clients look like overload.
        """
        self.check(priority)
        if who and self._of[who] >= max(LEAST / 2, self._limit * MOST_OF_ONE):
            raise RateLimited("So many requests of one person are under way that others would wait")
        self._here += 1
        self._of[who] += 1
        token = _door.set(self)
        self._most_here = max(self._most_here, self._here)
        now = asyncio.get_running_loop().time
        began = now()
        try:
            yield
        finally:
            _door.reset(token)
            self._here -= 1
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]
            ended = now()
            self._took_s += ended - began
            self._count += 1
            if ended - self._looked_at >= LOOK_EVERY_S and self._count >= ENOUGH:
                self._adapt(ended)

    @staticmethod
    @contextmanager
    def aside() -> Iterator[None]:
        """The present request only waits in here, and keeps nobody out meanwhile."""
        door = _door.get()
        if door is not None:
            door._here -= 1
        try:
            yield
        finally:
            if door is not None:
                door._here += 1

    def _adapt(self, now: float) -> None:
        if self._took_s / self._count > AIM_S:
            self._limit = max(LEAST, min(self._limit, self._most_here) * LESS)
        elif self._most_here >= self._limit * SHARES[Priority.BULK]:
            self._limit = min(MOST, self._limit + max(1.0, self._limit * 0.05))
        metrics.ADMISSION_LIMIT.set(self._limit)
        self._took_s, self._count, self._most_here, self._looked_at = 0.0, 0, self._here, now

    def _refuse(self) -> None:
        metrics.REFUSED_AT_THE_DOOR.inc()
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._said_at >= SAY_EVERY_S:
            log.warning("overloaded: requests are refused", refused=self._refused, limit=self.limit)
            self._said_at, self._refused = now, 0
        raise Overloaded
