"""Admission control: a process works on a limited number of requests at once and refuses more before any work.

The limit follows how long requests take (additive increase, multiplicative decrease). Above it a request would only
wait longer, and once all wait longer than their deadlines, nothing is done at all. By Little's law the limit settles
at the requests answered a second times the time aimed at.
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

AIM_S = 0.4  # mean time of a request, above which fewer are admitted
LEAST, MOST, START = 32, 1_024, 96  # requests at once
LOOK_EVERY_S = 0.1
ENOUGH = 8  # requests that a window needs to be judged
LESS = 0.8  # factor on the limit after a window that was too slow
SAY_EVERY_S = 5.0
MOST_OF_ONE = 0.25  # share of the limit, but at least 16: a person who opens endless connections leaves room for others


class Priority(IntEnum):
    """The order in which requests are refused.

    `PUBLIC` (reads without a login) is first, then `BULK` (timelines, lists, searches), `USUAL`, and last `ESSENTIAL`.

    Essential requests repair and relieve: reading a stream, marking as read, renewing and ending a session.
    """

    ESSENTIAL = 0
    USUAL = 1
    BULK = 2
    PUBLIC = 3


MOST_AT_ONCE = 8  # refusals of a connection in a row that are sent at once
HELD_BACK_S = 0.25  # delay of each further refusal

SHARES = (1.0, 0.9, 0.75, 0.5)  # of the limit, by priority


class Overloaded(Unavailable):
    """A request that was refused before any work was done for it."""

    def __init__(self) -> None:
        super().__init__("The server is overloaded; try again in a moment")


class RefusalThrottle:
    """Delays refusals to connections that keep sending requests without the pause that each refusal names.

    A refusal costs nearly as much processor time as a small answer: clients that do nothing but retry would leave too
    little of it for admitted requests.
    """

    def __init__(self) -> None:
        self._refused: WeakKeyDictionary[object, int] = WeakKeyDictionary()  # how often in a row, by connection

    async def delay(self, connection: object | None) -> None:
        """Count a refusal; wait before it is sent where this connection was refused several times in a row."""
        if connection is None:
            return
        count = self._refused[connection] = self._refused.get(connection, 0) + 1
        if count > MOST_AT_ONCE:
            await asyncio.sleep(HELD_BACK_S)

    def reset(self, connection: object | None) -> None:
        """Reset the count of a connection whose request was admitted."""
        if self._refused and connection is not None:
            self._refused.pop(connection, None)


_door: ContextVar["Admission | None"] = ContextVar("door", default=None)  # that admitted the current request


class Admission:
    """The admission control of a process."""

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
        """Return how many requests are admitted at once."""
        return int(self._limit)

    def check(self, priority: Priority) -> None:
        """Raise Overloaded where a request of this priority would be refused now."""
        if self._here >= self._limit * SHARES[priority]:
            self._refuse()

    @contextmanager
    def work(self, priority: Priority, who: str = "") -> Iterator[None]:
        """Count a request of person `who` while it runs; raises Overloaded where too many of that priority do.

        Raises RateLimited for a person who has more than their share.
        Waiting for anything but this process and its servers (a body that arrives slowly, the hash of a password) is
        not counted: slow clients would look like overload.
        """
        self.check(priority)
        if who and self._of[who] >= max(LEAST / 2, self._limit * MOST_OF_ONE):
            raise RateLimited("Too many of your requests are running at once")
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
    def uncounted() -> Iterator[None]:
        """Do not count the current request meanwhile: it only waits."""
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
        metrics.ADMISSION_REFUSED.inc()
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now - self._said_at >= SAY_EVERY_S:
            log.warning("overloaded: requests are refused", refused=self._refused, limit=self.limit)
            self._said_at, self._refused = now, 0
        raise Overloaded
