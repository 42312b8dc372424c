"""Likes: one a person and post."""

from social import posts, visibility
from social.contracts.events import PostLiked, PostUnliked
from social.contracts.posts import LikeState
from social.infra import clock
from social.infra.mongo import AlreadyExists, Document, Transaction


async def like(tx: Transaction, post_id: str, *, by: str) -> LikeState:
    """Like a post; a second like changes nothing."""
    post = (await visibility.post(tx, post_id, viewer=by)).post
    try:
        await tx.insert("likes", {"_id": post_id + by, "post_id": post_id, "user_id": by, "at": clock.now()})
        tx.record(PostLiked(post_id=post_id, author_id=post["author_id"], by=by))
    except AlreadyExists:
        pass  # the answer is the same
    return _state(post, liked=True)


async def unlike(tx: Transaction, post_id: str, *, by: str) -> LikeState:
    """Take a like back."""
    post = (await visibility.post(tx, post_id, viewer=by)).post
    if await tx.delete("likes", {"_id": post_id + by}):
        tx.record(PostUnliked(post_id=post_id, author_id=post["author_id"], by=by))
    return _state(post, liked=False)


async def existing(tx: Transaction, pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these (post, person) pairs are likes now."""
    found = await tx.many("likes", {"_id": {"$in": [a + b for a, b in pairs]}}, {"post_id": 1, "user_id": 1})
    return {(like["post_id"], like["user_id"]) for like in found}


def _state(post: Document, *, liked: bool) -> LikeState:
    counts = posts.counts(post)
    return LikeState.model_construct(post_id=post["_id"], liked=liked, likes=counts["likes"], version=counts["version"])
