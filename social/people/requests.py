"""Follow requests: they ask to follow a private account, until they are answered or taken back."""

from dataclasses import replace
from datetime import datetime

from social.contracts.events import FollowAccepted, FollowRequestClosed, FollowRequested, UserUnfollowed
from social.contracts.people import People, Relationship
from social.contracts.problems import NotFound
from social.infra import clock
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import EDGES, USERS
from social.people import edges, hidden_counts, pages, visibility, visibility_log
from social.people.edges import Edge

AT_ONCE = 100  # requests accepted in one transaction when an account goes public

TO_ANSWER = Listing("follow requests", EDGES, "requested_at", "from")
SENT = Listing("sent follow requests", EDGES, "requested_at", "to")


async def ask(tx: Transaction, user_id: str, *, by: str) -> Edge:
    """Request to follow a private account, unless `by` follows it; raises NotFound where a block is between them."""
    edge = (await edges.between(tx, [(by, user_id)]))[by, user_id]
    if edge.apart:
        raise NotFound
    if edge.follows_at or edge.requested_at:
        return edge
    edge = edges.write(tx, edge, replace(edge, requested_at=clock.now()))
    tx.record(FollowRequested(follower_id=by, followee_id=user_id))
    return edge


async def hold_back(tx: Transaction, follower: str, followee: str, at: datetime) -> None:
    """Make a follow a request that met an account just becoming private, of which its process had yet to hear."""
    them = await tx.one(USERS, {"_id": followee, "private": True}, {"private_since": 1})
    edge = (await edges.between(tx, [(follower, followee)]))[follower, followee]
    if them is None or not edge.follows_at or not them["private_since"] < edge.follows_at <= at:
        return
    edges.write(tx, edge, replace(edge, follows_at=None, requested_at=edge.follows_at))
    visibility_log.record(tx, follower, followee)
    tx.record(UserUnfollowed(follower_id=follower, followee_id=followee))
    tx.record(FollowRequested(follower_id=follower, followee_id=followee))


async def page(mongo: Mongo, *, user_id: str, cursor: str | None, limit: int) -> People:
    """Return a page of the people who ask to follow a person, newest first."""
    where = {"to": user_id, "requested_at": edges.EVER}
    return await pages.page(mongo, TO_ANSWER, where, "from", Asked(user_id, cursor, limit))


async def sent(mongo: Mongo, *, user_id: str, cursor: str | None, limit: int) -> People:
    """Return a page of the people whom a person asked to follow and who did not answer yet, newest first."""
    where = {"from": user_id, "requested_at": edges.EVER}
    return await pages.page(mongo, SENT, where, "to", Asked(user_id, cursor, limit))


async def accept(tx: Transaction, username: str, *, by: str) -> Relationship:
    """Accept a follow request; raises NotFound where there is none, or it was taken back."""
    standing = await visibility.other(tx, username, viewer=by)
    back = standing.back
    if back.requested_at:
        back = edges.write(tx, back, replace(back, follows_at=clock.now(), requested_at=None))
        tx.record(FollowAccepted(follower_id=standing.user["_id"], followee_id=by))
    elif not back.follows_at:
        raise NotFound("There is no such request")
    return edges.relationship(standing.out, back)


async def refuse(tx: Transaction, username: str, *, by: str) -> Relationship:
    """Refuse a request, without a word to the person who made it."""
    standing = await visibility.other(tx, username, viewer=by)
    back = standing.back
    if back.requested_at:
        back = edges.write(tx, back, replace(back, requested_at=None))
        tx.record(FollowRequestClosed(follower_id=standing.user["_id"], followee_id=by))
    return edges.relationship(standing.out, back)


async def accept_some(tx: Transaction, user_id: str) -> bool:
    """Accept some of the requests to an account, if it is public; return whether there may be more."""
    if not await tx.one(USERS, {"_id": user_id, "private": False}, {"_id": 1}):
        return False
    rows = await tx.many(EDGES, {"to": user_id, "requested_at": edges.EVER}, limit=AT_ONCE)
    if rows:
        now, asked = clock.now(), [edges.of(row) for row in rows]
        accepted = [edges.write(tx, each, replace(each, follows_at=now, requested_at=None)) for each in asked]
        tx.record(*(FollowAccepted(follower_id=edge.source, followee_id=user_id) for edge in accepted))
        if out := await hidden_counts.counted_out(tx, (edge.source for edge in accepted)):
            hidden_counts.add(tx, [(USERS, user_id, "followers", len(out))])
    return len(rows) == AT_ONCE
