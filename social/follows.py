"""Who follows whom: one edge a pair, and the events that tell of it."""

from social.contracts.events import UserFollowed, UserUnfollowed
from social.contracts.people import FollowState
from social.contracts.problems import FieldProblem, NotFound, ValidationFailed
from social.infra import clock
from social.infra.mongo import AlreadyExists, Document, Mongo, Transaction


async def follow(tx: Transaction, username: str, *, by: str) -> FollowState:
    """Follow somebody; a second follow changes nothing."""
    them = await _other(tx, username, by)
    edge = {"_id": by + them["_id"], "follower": by, "followee": them["_id"], "at": clock.now()}
    try:
        await tx.insert("follows", edge)
        tx.record(UserFollowed(follower_id=by, followee_id=them["_id"]))
    except AlreadyExists:
        pass  # the answer is the same
    return _follow_state(them, following=True)


async def unfollow(tx: Transaction, username: str, *, by: str) -> FollowState:
    """Stop following somebody."""
    them = await _other(tx, username, by)
    if await tx.delete("follows", {"_id": by + them["_id"]}):
        tx.record(UserUnfollowed(follower_id=by, followee_id=them["_id"]))
    return _follow_state(them, following=False)


async def _other(tx: Transaction, username: str, by: str) -> Document:
    them = await tx.one("users", {"username": username}, {"username": 1, "followers": 1})
    if them is None:
        raise NotFound
    if them["_id"] == by:
        problem = FieldProblem(pointer="/username", code="oneself", detail="nobody can follow themselves")
        raise ValidationFailed(errors=[problem])
    return them


def _follow_state(them: Document, *, following: bool) -> FollowState:
    return FollowState.model_construct(
        username=them["username"], following=following, followers=max(0, them["followers"])
    )


async def followers_after(mongo: Mongo, user_id: str, after: str, most: int) -> list[str]:
    """The next followers of a person in a stable order: what a fan-out walks along."""
    edges = await mongo.many(
        "follows",
        {"followee": user_id, "follower": {"$gt": after}},
        fields={"follower": 1},
        sort=[("follower", 1)],
        limit=most,
    )
    return [edge["follower"] for edge in edges]


async def existing(tx: Transaction, pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these (follower, followee) pairs are edges now."""
    edges = await tx.many("follows", {"_id": {"$in": [a + b for a, b in pairs]}}, {"follower": 1, "followee": 1})
    return {(edge["follower"], edge["followee"]) for edge in edges}


async def exists(mongo: Mongo, follower: str, followee: str) -> bool:
    """Whether this edge exists now."""
    return await mongo.one("follows", {"_id": follower + followee}, {"_id": 1}) is not None
