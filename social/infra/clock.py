"""The only clock and the only source of ids and randomness, so tests can hold them still."""

import secrets
from datetime import UTC, datetime

from bson import ObjectId


def now() -> datetime:
    """This moment, UTC, in the milliseconds the document store keeps."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def millis(at: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(at.timestamp() * 1000)


def new_id() -> str:
    """A fresh id, 24 hex digits, growing with time."""
    return str(ObjectId())


def new_epoch() -> str:
    """A fresh 8-character stream epoch."""
    return secrets.token_hex(4)


def new_secret(size: int) -> str:
    """Random text that cannot be guessed, of so many bytes."""
    return secrets.token_urlsafe(size)
