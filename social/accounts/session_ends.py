"""Ends of sessions: a session by itself, or all of an account by a mark on it that every check goes by at once.

The mark holds a generation, which grows each time: each session and its access tokens carry the generation of their
account when they were opened, and a session of an earlier one has ended, but for the one that the mark keeps. So it
makes no difference how many sessions there are, nor what any clock says. Their rows are brought in line by the sweeper,
some at a time.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from social.contracts.activity import ActivityKind
from social.contracts.auth import SessionEnd
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Document, Mongo, Reader, Transaction, Where
from social.infra.store.rows import SESSIONS, USERS, SessionRow, UserRow
from social.people import activity
from social.people.activity import UNKNOWN, Client

MOST_LIVING = 100  # sessions a person; beyond them the oldest ends
CHUNK = 200  # rows in one write
ACCOUNTS_AT_ONCE = 20  # whose rows one sweep brings in line

MARK: Final = "sessions_ended"  # of an account


class Mark(NamedTuple):
    """A mark on an account: sessions of an earlier generation have ended, but the one that was kept."""

    generation: int = 0
    keep: str | None = None
    reason: str = SessionEnd.UNKNOWN

    def ends(self, session: SessionRow) -> bool:
        """Return whether this session has ended by it."""
        return generation(session) < self.generation and session["_id"] != self.keep


def mark_of(user: UserRow) -> Mark:
    """Return the mark of an account that was read with its field."""
    mark = user.get(MARK)
    if not mark:
        return Mark()
    return Mark(mark.get("generation", 0), mark.get("keep"), mark.get("reason", SessionEnd.UNKNOWN))


def generation(session: SessionRow) -> int:
    """Return how often all sessions of its account had been ended when this one was opened."""
    return int(session.get("generation") or 0)


async def living(reader: Reader, user_id: str) -> Where:
    """Return the condition that the open sessions of a person match."""
    user = await reader.get(USERS, user_id, (MARK,))
    open_: Document = {"user_id": user_id, "revoked_at": None, "expires_at": {"$gt": clock.now()}}
    mark = mark_of(user) if user else Mark()
    if not mark.generation:
        return open_
    return {**open_, "$or": [{"generation": {"$gte": mark.generation}}, {"_id": mark.keep}]}


async def revoke(plaza: Plaza, session_id: str, reason: SessionEnd, client: Client = UNKNOWN) -> None:
    """End a session: its tokens are refused and its sockets closed within 2 s, with or without Redis."""
    if await plaza.commit_always(_revoke, session_id, reason, client):
        await _announce(plaza, [session_id], reason)


async def _revoke(tx: Transaction, session_id: str, reason: SessionEnd, client: Client) -> bool:
    session = await tx.one(SESSIONS, {"_id": session_id, "revoked_at": None}, {"user_id": 1})
    if session is None or session["user_id"] is None:  # None only where the session has ended, with its account
        return False
    _end(tx, session_id, session["user_id"], reason, client)
    return True


async def limit(plaza: Plaza, user_id: str, client: Client = UNKNOWN) -> None:
    """End the oldest sessions of a person who has more than 100 that are open."""
    if len(await _open(plaza.mongo, user_id, MOST_LIVING + 1)) > MOST_LIVING:
        ended = await plaza.commit_always(_limit, user_id, client)
        await _announce(plaza, ended, SessionEnd.TOO_MANY)


async def _limit(tx: Transaction, user_id: str, client: Client) -> list[str]:
    too_many = (await _open(tx, user_id, MOST_LIVING + CHUNK))[MOST_LIVING:]
    for session_id in too_many:
        _end(tx, session_id, user_id, SessionEnd.TOO_MANY, client)
    return too_many


async def _open(reader: Reader, user_id: str, most: int) -> list[str]:
    """Return the ids of the newest sessions of a person that have not ended, or only by a mark so far."""
    open_ = {"user_id": user_id, "revoked_at": None}
    found = await reader.many(SESSIONS, open_, fields={"_id": 1}, sort=[("_id", -1)], limit=most)
    return [each["_id"] for each in found]


def _end(tx: Transaction, session_id: str, user_id: str, reason: SessionEnd, client: Client) -> None:
    """End a session that is open, and have the log of its account say so; otherwise the verb runs anew."""
    tx.update(SESSIONS, {"_id": session_id, "revoked_at": None}, _revoked(reason))
    activity.note(tx, user_id, ActivityKind.SESSION_ENDED, client, session_id=session_id, reason=reason)


def end_all(tx: Transaction, user_id: str, reason: SessionEnd, *, keep: str | None = None) -> None:
    """End all sessions of a person that are open at the commit, but `keep`; for `announce_all` after it."""
    mark = {f"{MARK}.reason": reason, f"{MARK}.keep": keep, f"{MARK}.rows": True}
    change = {"$inc": {f"{MARK}.generation": 1}, "$set": mark, "$currentDate": {f"{MARK}.at": True}}
    tx.touch(USERS, {"_id": user_id}, change)


async def announce_all(plaza: Plaza, user_id: str) -> None:
    """Have every process refuse the sessions that `end_all` ended, now and not only with its next look at the store."""
    user = await plaza.mongo.one(USERS, {"_id": user_id}, {MARK: 1})
    if user is None:
        return
    mark = mark_of(user)
    plaza.revocations.add_all(user_id, mark.generation, mark.reason, keep=mark.keep)
    said = {"sessions_ended": user_id, "generation": mark.generation, "keep": mark.keep, "reason": mark.reason}
    await plaza.pushes.control(said)


async def sweep(mongo: Mongo) -> int:
    """Bring some rows in line with the marks of their accounts; return how many."""
    fields = {MARK: 1}
    left = {f"{MARK}.rows": True, "deleted_at": None}  # what a deleted account left is taken out as a whole
    users = await mongo.many(USERS, left, fields=fields, limit=ACCOUNTS_AT_ONCE)
    swept = 0
    for user in users:
        mark = mark_of(user)
        older = {"$or": [{"generation": None}, {"generation": {"$lt": mark.generation}}], "_id": {"$ne": mark.keep}}
        where = {"user_id": user["_id"], "revoked_at": None, **older}
        found = await mongo.many(SESSIONS, where, fields={"_id": 1}, limit=CHUNK)
        if found:  # as of then: no process has to hear of it again
            ended = {"$set": {"revoked_at": user[MARK]["at"], "reason": mark.reason}}
            await mongo.update_all(SESSIONS, {"_id": {"$in": [each["_id"] for each in found]}}, ended)
        if len(found) < CHUNK:
            unchanged = {"_id": user["_id"], f"{MARK}.generation": mark.generation}
            await mongo.update(USERS, unchanged, {"$unset": {f"{MARK}.rows": ""}})
        swept += len(found)
    return swept


def _revoked(reason: SessionEnd) -> dict[str, Any]:
    """Return an update that ends a session by the store's clock: what is new must not depend on any other clock."""
    return {"$set": {"reason": reason}, "$currentDate": {"revoked_at": True}}


async def _announce(plaza: Plaza, session_ids: Sequence[str], reason: SessionEnd) -> None:
    for session_id in session_ids:
        plaza.revocations.add(session_id, reason)
    await plaza.pushes.control(*({"revoked": session_id, "reason": reason} for session_id in session_ids))
