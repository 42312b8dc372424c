"""Retries of a refresh: a refresh token may be traded again while nobody has used its successor.

The answer to a refresh can be lost, and then the client has only the token that it traded. Its successor is always the
same and was handed to nobody else, so answering it again opens no second session. What must not become possible is that
two, the owner and a thief, both live on one session by each trading what the other traded before. They would need a
second trade of every token, every ten minutes; so late retries are for one rotation in 24 hours, and a late retry of
another rotation within that time ends the session. Nor may a thief live on a token that the owner traded and left
lying: one rotation is answered late for an hour, and after that once more ends the session.
"""

from datetime import datetime, timedelta

from social.infra.store.mongo import Mongo
from social.infra.store.rows import SESSIONS, SessionRow

SOON = timedelta(seconds=10)  # two requests at once, or a retry by the client's own network code: of any rotation
LASTS = timedelta(hours=1)  # from the first late retry of a rotation, since its answer may be lost too
LATE = timedelta(hours=24)  # a tunnel, a flight, a phone that slept: of one rotation in as long


async def may_retry(mongo: Mongo, session: SessionRow, successor: str, now: datetime) -> bool:
    """Return whether a token that was traded before gets its successor again; `successor` is the digest of that.

    `session` is the session as it was read just now. A late retry is marked on it, so that no second one of another
    rotation passes.
    """
    if session["hash"] != successor:
        return False  # the successor was used
    age = now - session["rotated_at"]
    if age <= SOON:
        return True
    last = session.get("late_retry")
    if age > LATE or (last and last["of"] != successor and now - last["at"] <= LATE):
        return False
    if last and last["of"] == successor:
        return bool(now - last["at"] <= LASTS)
    unchanged = {"_id": session["_id"], "hash": successor, "late_retry.of": last["of"] if last else None}
    if await mongo.update(SESSIONS, unchanged, {"$set": {"late_retry": {"of": successor, "at": now}}}):
        return True
    twin = {"_id": session["_id"], "hash": successor, "late_retry.of": successor}
    return await mongo.one(SESSIONS, twin, {"_id": 1}) is not None
