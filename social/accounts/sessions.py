"""Open sessions of a person: which devices are logged in, and how to end a session."""

from social.accounts import session_ends
from social.contracts.auth import Session, SessionEnd, Sessions
from social.contracts.problems import NotFound
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Mongo
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import SESSIONS, SessionRow
from social.people.activity import UNKNOWN, Client

LISTING = Listing("sessions", SESSIONS, "_id")
FIELDS = {"ip": 1, "device": 1, "created_at": 1, "rotated_at": 1}


async def page(mongo: Mongo, owner: str, *, current: str, cursor: str | None, limit: int) -> Sessions:
    """Return a page of a person's open sessions; `current` is the session that asks."""
    where = await session_ends.living(mongo, owner)
    found = await LISTING.page(mongo, where, Asked(owner, cursor, limit), fields=FIELDS)
    items = [_session(each, current) for each in found.items]
    return Sessions.model_construct(items=items, next=found.next, prev=found.prev)


async def remove(plaza: Plaza, session_id: str, *, by: str, client: Client = UNKNOWN) -> None:
    """End a session of a person's own; raises NotFound for anybody else's."""
    if not await plaza.mongo.one(SESSIONS, {"_id": session_id, "user_id": by}, {"_id": 1}):
        raise NotFound
    await session_ends.revoke(plaza, session_id, SessionEnd.REMOVED, client)


def _session(row: SessionRow, current: str) -> Session:
    return Session.model_construct(
        id=row["_id"],
        device=row.get("device"),
        ip=row.get("ip"),
        created_at=row["created_at"],
        last_used_at=row["rotated_at"],
        current=row["_id"] == current,
    )
