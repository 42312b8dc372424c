"""Mutes: a person hears nothing of what another does, who does not notice."""

from dataclasses import replace

from social.contracts.events import UserMuted, UserUnmuted
from social.contracts.people import People, Relationship
from social.infra import clock
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import EDGES
from social.people import edges, pages, visibility, visibility_log

MINE = Listing("mutes", EDGES, "mutes_at", "to")


async def mute(tx: Transaction, username: str, *, by: str) -> Relationship:
    """Mute somebody; a follow stays."""
    standing = await visibility.named(tx, username, viewer=by)
    them, out, back = standing.user, standing.out, standing.back
    if not out.mutes_at:
        out = edges.write(tx, out, replace(out, mutes_at=clock.now()))
        visibility_log.record(tx, by, them["_id"])
        tx.record(UserMuted(by=by, user_id=them["_id"]))
    return edges.relationship(out, back)


async def unmute(tx: Transaction, username: str, *, by: str) -> Relationship:
    """Hear of a person again."""
    standing = await visibility.named(tx, username, viewer=by)
    them, out, back = standing.user, standing.out, standing.back
    if out.mutes_at:
        out = edges.write(tx, out, replace(out, mutes_at=None))
        visibility_log.record(tx, by, them["_id"])
        tx.record(UserUnmuted(by=by, user_id=them["_id"]))
    return edges.relationship(out, back)


async def page(mongo: Mongo, *, user_id: str, cursor: str | None, limit: int) -> People:
    """Return a page of the people whom a person mutes, the newest mute first."""
    where = {"from": user_id, "mutes_at": edges.EVER}
    return await pages.page(mongo, MINE, where, "to", Asked(user_id, cursor, limit))
