"""Blocks: each is hidden from the other, in all they do."""

from dataclasses import replace

from social.contracts.activity import ActivityKind
from social.contracts.events import FollowRequestClosed, UserBlocked, UserUnblocked, UserUnfollowed
from social.contracts.people import People, Relationship
from social.infra import clock
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import EDGES, USERS
from social.people import activity, edges, hidden_counts, pages, visibility, visibility_log
from social.people.activity import UNKNOWN, Client

MINE = Listing("blocks", EDGES, "blocks_at", "to")


async def block(tx: Transaction, username: str, *, by: str, client: Client = UNKNOWN) -> Relationship:
    """Block somebody: neither follows the other any more, nor sees them."""
    standing = await visibility.named(tx, username, viewer=by)
    them, out, back = standing.user, standing.out, standing.back
    if not out.blocks_at:
        ended = [edge for edge in (out, back) if edge.follows_at]
        asked = [edge for edge in (out, back) if edge.requested_at]
        now = clock.now()
        out = edges.write(tx, out, replace(out, follows_at=None, requested_at=None, blocks_at=now))
        back = edges.write(tx, back, replace(back, follows_at=None, requested_at=None, blocked_at=now))
        if them.get(hidden_counts.MARK):
            counters = {by: "following", them["_id"]: "followers"}  # of whom one blocks, by who followed
            hidden_counts.add(tx, ((USERS, by, counters[edge.source], -1) for edge in ended))
        visibility_log.record(tx, by, them["_id"])
        tx.record(*(UserUnfollowed(follower_id=edge.source, followee_id=edge.target) for edge in ended))
        tx.record(*(FollowRequestClosed(follower_id=edge.source, followee_id=edge.target) for edge in asked))
        tx.record(UserBlocked(by=by, user_id=them["_id"]))
        activity.note(tx, by, ActivityKind.BLOCKED, client, about=them["_id"])
    return edges.relationship(out, back)


async def unblock(tx: Transaction, username: str, *, by: str, client: Client = UNKNOWN) -> Relationship:
    """Take a block back; what it ended stays ended."""
    standing = await visibility.named(tx, username, viewer=by)
    them, out, back = standing.user, standing.out, standing.back
    if out.blocks_at:
        out = edges.write(tx, out, replace(out, blocks_at=None))
        back = edges.write(tx, back, replace(back, blocked_at=None))
        visibility_log.record(tx, by, them["_id"])
        tx.record(UserUnblocked(by=by, user_id=them["_id"]))
        activity.note(tx, by, ActivityKind.UNBLOCKED, client, about=them["_id"])
    return edges.relationship(out, back)


async def page(mongo: Mongo, *, user_id: str, cursor: str | None, limit: int) -> People:
    """Return a page of the people whom a person blocks, the newest block first."""
    where = {"from": user_id, "blocks_at": edges.EVER}
    return await pages.page(mongo, MINE, where, "to", Asked(user_id, cursor, limit), blocked_too=True)
