"""Single-use tokens that prove who reads a mailbox: only their hash is kept, until they are spent or over."""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from social.contracts.problems import InvalidOneTimeToken
from social.infra import clock
from social.infra.store.mongo import Document, Mongo, Transaction
from social.infra.store.rows import ONE_TIME_TOKENS, OneTimeTokenRow

MOST_AN_HOUR = 5  # of one kind, for one person: nobody's mailbox is filled by somebody else's clicks


class Purpose(StrEnum):
    """The act that a token permits."""

    EMAIL = "email"
    PASSWORD = "password"  # noqa: S105 - a purpose


LIVES = {Purpose.EMAIL: timedelta(hours=24), Purpose.PASSWORD: timedelta(hours=1)}


class Spent(NamedTuple):
    """A token that was spent: whose it was, the address it was mailed to, and when it was requested."""

    user_id: str
    email: str
    asked_at: datetime


async def mint(
    mongo: Mongo, purpose: Purpose, user_id: str, email: str, *, asked_at: datetime | None = None
) -> str | None:
    """Return a token to be mailed now; None where this person was sent enough of them within the hour."""
    now = clock.now()
    recent = {"user_id": user_id, "purpose": purpose, "at": {"$gt": now - timedelta(hours=1)}}
    if await mongo.count(ONE_TIME_TOKENS, recent, limit=MOST_AN_HOUR) >= MOST_AN_HOUR:
        return None
    token = clock.new_secret(32)
    row: OneTimeTokenRow = {
        "_id": _digest(token),
        "purpose": purpose,
        "user_id": user_id,
        "email": email,
        "asked_at": asked_at or now,
        "at": now,
        "expires_at": now + LIVES[purpose],
    }
    await mongo.insert(ONE_TIME_TOKENS, row)
    return token


async def forget(mongo: Mongo, token: str) -> None:
    """Delete a token that could not be sent."""
    await mongo.delete(ONE_TIME_TOKENS, {"_id": _digest(token)})


async def look(mongo: Mongo, purpose: Purpose, token: str) -> None:
    """Raise InvalidOneTimeToken for a token that could not be spent now."""
    if not await mongo.one(ONE_TIME_TOKENS, _usable(purpose, token), {"_id": 1}):
        raise InvalidOneTimeToken


async def spend(tx: Transaction, purpose: Purpose, token: str) -> Spent:
    """Use a token up, and all others of its person for the same purpose; raises InvalidOneTimeToken."""
    row = await tx.one(ONE_TIME_TOKENS, _usable(purpose, token))
    if row is None:
        raise InvalidOneTimeToken
    tx.delete(ONE_TIME_TOKENS, {"_id": row["_id"]})
    tx.clear(ONE_TIME_TOKENS, {"user_id": row["user_id"], "purpose": purpose})
    return Spent(row["user_id"], row["email"], row.get("asked_at") or row["at"])


def forget_all(tx: Transaction, user_id: str) -> None:
    """Delete all tokens mailed to this person so far."""
    tx.clear(ONE_TIME_TOKENS, {"user_id": user_id})


def _usable(purpose: Purpose, token: str) -> Document:
    return {"_id": _digest(token), "purpose": purpose, "expires_at": {"$gt": clock.now()}}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
