"""Follows: who follows whom, and the events that say so."""

from dataclasses import replace

from social.contracts.events import FollowRequestClosed, UserFollowed, UserUnfollowed
from social.contracts.people import FollowState, People, Relationship
from social.contracts.problems import FieldProblem, NotFound, ValidationFailed
from social.infra import clock
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import EDGES, UserRow
from social.people import edges, pages, requests, users, visibility, visibility_log
from social.people.counters import shown
from social.people.edges import Edge

FOLLOWERS = Listing("followers", EDGES, "follows_at", "from")
FOLLOWING = Listing("following", EDGES, "follows_at", "to")


async def follow(tx: Transaction, username: str, *, by: str) -> FollowState:
    """Follow somebody, or ask to where their account is private; a second time changes nothing."""
    them = await _other(tx, username, by)
    if them.get("private"):
        edge = await requests.ask(tx, them["_id"], by=by)
        return _state(them, following=bool(edge.follows_at), requested=bool(edge.requested_at))
    edge = await _edge(tx, by, them["_id"])
    if not edge.follows_at:
        edges.write(tx, edge, replace(edge, follows_at=clock.now(), requested_at=None))
        if edge.requested_at:  # of before the account became public, and nobody has accepted it yet
            tx.record(FollowRequestClosed(follower_id=by, followee_id=them["_id"]))
        tx.record(UserFollowed(follower_id=by, followee_id=them["_id"]))
    return _state(them, following=True)


async def unfollow(tx: Transaction, username: str, *, by: str) -> FollowState:
    """Stop following somebody, or take the request back."""
    them = await _other(tx, username, by)
    edge = await _edge(tx, by, them["_id"])
    if edge.follows_at:
        edges.write(tx, edge, replace(edge, follows_at=None))
        tx.record(UserUnfollowed(follower_id=by, followee_id=them["_id"]))
        visibility_log.record(tx, by, them["_id"])  # of what was written for followers, if nothing else
    elif edge.requested_at:
        edges.write(tx, edge, replace(edge, requested_at=None))
        tx.record(FollowRequestClosed(follower_id=by, followee_id=them["_id"]))
    return _state(them, following=False)


async def remove_follower(tx: Transaction, username: str, *, by: str) -> Relationship:
    """Make another person follow `by` no longer."""
    standing = await visibility.other(tx, username, viewer=by)
    back = standing.back
    if back.follows_at:
        back = edges.write(tx, back, replace(back, follows_at=None))
        tx.record(UserUnfollowed(follower_id=standing.user["_id"], followee_id=by))
        visibility_log.record(tx, standing.user["_id"], by)
    return edges.relationship(standing.out, back)


async def followers(mongo: Mongo, username: str, *, viewer: str, cursor: str | None, limit: int) -> People:
    """Return a page of a person's followers, newest first; raises NotFound."""
    them = await visibility.author(mongo, username, viewer=viewer)
    where = {"to": them["_id"], "follows_at": edges.EVER}
    return await pages.page(mongo, FOLLOWERS, where, "from", Asked(viewer, cursor, limit, them["_id"]))


async def following(mongo: Mongo, username: str, *, viewer: str, cursor: str | None, limit: int) -> People:
    """Return a page of the people whom a person follows, newest first; raises NotFound."""
    them = await visibility.author(mongo, username, viewer=viewer)
    where = {"from": them["_id"], "follows_at": edges.EVER}
    return await pages.page(mongo, FOLLOWING, where, "to", Asked(viewer, cursor, limit, them["_id"]))


async def _other(tx: Transaction, username: str, by: str) -> UserRow:
    them = await users.known(tx, username)
    if them["_id"] == by:
        problem = FieldProblem(pointer="/username", code="oneself", detail="nobody can follow themselves")
        raise ValidationFailed(errors=[problem])
    return them


async def _edge(tx: Transaction, by: str, user_id: str) -> Edge:
    edge = (await edges.between(tx, [(by, user_id)]))[by, user_id]
    if edge.apart:
        raise NotFound
    return edge


def _state(them: UserRow, *, following: bool, requested: bool = False) -> FollowState:
    return FollowState.model_construct(
        username=them["username"], following=following, requested=requested, followers=shown(them, "followers")
    )
