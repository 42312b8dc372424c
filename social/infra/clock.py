"""The only clock and the only source of ids and randomness, so tests can hold them still."""

import secrets
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from bson import ObjectId

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SETTLES = timedelta(seconds=15)  # no write is under way for longer, and no two clocks are further apart


def now() -> datetime:
    """This moment, UTC, in the milliseconds the document store keeps."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def believed(at: datetime, now: datetime, longest: timedelta) -> datetime:
    """A stored time that can lie ahead by no more than `longest`; one further ahead is of a wrong clock, and is now."""
    return at if at <= now + longest else now


def millis(at: datetime) -> int:
    """Milliseconds since the epoch, rounded down as the document store does: what is rounded up may leave year 9999."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def at_millis(millis: int) -> datetime:
    """The moment so many milliseconds after the epoch; raises OverflowError outside the years 1 to 9999."""
    return EPOCH + timedelta(milliseconds=millis)


def new_id() -> str:
    """A fresh id, 24 hex digits, growing with time."""
    return str(ObjectId())


def made_at(id_: str) -> datetime:
    """When an id was made, to the second."""
    return _at_second(id_[:8])


@lru_cache(4_096)
def _at_second(hexadecimal: str) -> datetime:
    return datetime.fromtimestamp(int(hexadecimal, 16), UTC)


def first_id(at: datetime) -> str:
    """What is below every id made at this moment or later; raises OverflowError before 1970 and after 2105."""
    return max(0, millis(at) // 1000).to_bytes(4, "big").hex() + "0" * 16


def new_epoch() -> str:
    """A fresh 8-character stream epoch."""
    return secrets.token_hex(4)


def new_secret(size: int) -> str:
    """Random text that cannot be guessed, of so many bytes."""
    return secrets.token_urlsafe(size)
