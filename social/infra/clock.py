"""The only source of time, ids and randomness, so that tests can control them."""

import itertools
import os
import secrets
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SETTLES = timedelta(seconds=15)  # no write is under way for longer, and no two clocks are further apart


def now() -> datetime:
    """Return the current time in UTC, in the milliseconds that the document store keeps."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def believed(at: datetime, now: datetime, longest: timedelta) -> datetime:
    """Return a stored time, or `now` where it is more than `longest` ahead: then a wrong clock wrote it."""
    return at if at <= now + longest else now


def millis(at: datetime) -> int:
    """Return the milliseconds since the epoch, rounded down as the document store does.

    A time that is rounded up may leave year 9999.
    """
    return (at - EPOCH) // timedelta(milliseconds=1)


def at_millis(millis: int) -> datetime:
    """Return the time so many milliseconds after the epoch; raises OverflowError outside the years 1 to 9999."""
    return EPOCH + timedelta(milliseconds=millis)


def new_id() -> str:
    """Return a new id of 24 hex digits; ids grow with time, and those of a process within a second too.

    They are made as MongoDB's ObjectId is (second, process, number). But its number begins anywhere: in one process of
    a hundred it soon begins again at 0, and ids of that second are out of order. Here it begins in the lower half.
    """
    return f"{int(time.time()):08x}{_maker.process}{next(_maker.numbers) & 0xFFFFFF:06x}"


class _Maker:
    """The part of ids that differs between processes, and their number within one."""

    def __init__(self) -> None:
        self.numbers = itertools.count(secrets.randbelow(1 << 23))
        self.begin()

    def begin(self) -> None:
        """Begin as a process of its own."""
        self.process = secrets.token_hex(5)


_maker = _Maker()
os.register_at_fork(after_in_child=_maker.begin)


def made_at(id_: str) -> datetime:
    """Return when an id was made, to the second."""
    return _at_second(id_[:8])


@lru_cache(4_096)
def _at_second(hexadecimal: str) -> datetime:
    return datetime.fromtimestamp(int(hexadecimal, 16), UTC)


def first_id(at: datetime) -> str:
    """Return a lower bound of all ids made at this time or later; raises OverflowError before 1970 and after 2105."""
    return max(0, millis(at) // 1000).to_bytes(4, "big").hex() + "0" * 16


def new_epoch() -> str:
    """Return a new stream epoch of 8 characters."""
    return secrets.token_hex(4)


def new_secret(size: int) -> str:
    """Return unguessable random text made of `size` bytes."""
    return secrets.token_urlsafe(size)
