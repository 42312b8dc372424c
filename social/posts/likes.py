"""Likes of posts and of comments, one a person each."""

import asyncio
from collections.abc import Sequence

from social.contracts.comments import CommentLikeState
from social.contracts.events import CommentLiked, CommentUnliked, PostLiked, PostUnliked
from social.contracts.people import People
from social.contracts.posts import LikeState
from social.contracts.problems import NotFound
from social.infra import clock
from social.infra.store.mongo import Document, Mongo, Transaction
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import COMMENT_LIKES, COMMENTS, INTERACTIONS, POSTS, CommentLikeRow, CommentRow, PostRow
from social.people import pages
from social.posts import access, comments, interactions, publishing

OF_POST = Listing("likes", INTERACTIONS, "like_id")
OF_COMMENT = Listing("likes of a comment", COMMENT_LIKES, "at", "user_id")


async def like(tx: Transaction, post_id: str, *, by: str) -> LikeState:
    """Like a post; a second like changes nothing."""
    post, before = await asyncio.gather(access.readable(tx, post_id, viewer=by), interactions.of(tx, post_id, by))
    if before is None or not before.get("like_id"):
        interactions.add(tx, post_id, by, "like_id", before=before)
        tx.record(PostLiked(post_id=post_id, author_id=post["author_id"], by=by))
    return _state(post, liked=True)


async def unlike(tx: Transaction, post_id: str, *, by: str) -> LikeState:
    """Take a like back, also across a block, or from a post gone private."""
    before = await interactions.of(tx, post_id, by)
    if before and before.get("like_id"):
        post = await tx.get(POSTS, post_id)
        if post is None:
            raise NotFound
        interactions.remove(tx, "like_id", before=before)
        tx.record(PostUnliked(post_id=post_id, author_id=post["author_id"], by=by))
    else:
        post = await access.readable(tx, post_id, viewer=by)
    return _state(post, liked=False)


async def like_comment(tx: Transaction, comment_id: str, *, by: str) -> CommentLikeState:
    """Like a comment; a second like changes nothing."""
    seen = await access.comment(tx, comment_id, viewer=by)
    if not seen.liked:
        row: CommentLikeRow = {"_id": comment_id + by, "comment_id": comment_id, "user_id": by, "at": clock.now()}
        tx.insert(COMMENT_LIKES, row)
        tx.record(CommentLiked(**_about(seen.comment, seen.post["author_id"], by)))
    return _comment_state(seen.comment, liked=True)


async def unlike_comment(tx: Transaction, comment_id: str, *, by: str) -> CommentLikeState:
    """Take a like of a comment back, also across a block, or from under a post gone private."""
    if await tx.get(COMMENT_LIKES, comment_id + by, ("_id",)):
        comment = await tx.get(COMMENTS, comment_id)
        post = comment and await tx.get(POSTS, comment["post_id"], ("author_id",))
        if not comment or not post:
            raise NotFound
        tx.delete(COMMENT_LIKES, {"_id": comment_id + by})
        tx.record(CommentUnliked(**_about(comment, post["author_id"], by)))
    else:
        comment = (await access.comment(tx, comment_id, viewer=by)).comment
    return _comment_state(comment, liked=False)


async def taken_back(tx: Transaction, found: Sequence[CommentLikeRow]) -> None:
    """Record that these likes of comments were deleted, where there still are comments and posts."""
    ids = list({like["comment_id"] for like in found})
    about = await tx.get_many(COMMENTS, ids)
    authors = await publishing.authors(tx, (comment["post_id"] for comment in about.values()))
    for like in found:
        comment = about.get(like["comment_id"])
        if comment and comment["post_id"] in authors:
            tx.record(CommentUnliked(**_about(comment, authors[comment["post_id"]], like["user_id"])))


async def of_post(mongo: Mongo, post_id: str, *, viewer: str, cursor: str | None, limit: int) -> People:
    """Return a page of the people who like a post, newest first, as far as the viewer may see them; raises NotFound."""
    await access.readable(mongo, post_id, viewer=viewer)
    where = {"post_id": post_id, "like_id": interactions.DONE}
    return await pages.page(mongo, OF_POST, where, "user_id", Asked(viewer, cursor, limit, post_id))


async def of_comment(mongo: Mongo, comment_id: str, *, viewer: str, cursor: str | None, limit: int) -> People:
    """Return a page of the people who like a comment, newest first, as far as the viewer sees them; raises NotFound."""
    await access.comment(mongo, comment_id, viewer=viewer)
    where = {"comment_id": comment_id}
    return await pages.page(mongo, OF_COMMENT, where, "user_id", Asked(viewer, cursor, limit, comment_id))


def _about(comment: CommentRow, post_author_id: str, by: str) -> Document:
    return {
        "comment_id": comment["_id"],
        "comment_author_id": comment["author_id"],
        "post_id": comment["post_id"],
        "author_id": post_author_id,
        "by": by,
    }


def _state(post: PostRow, *, liked: bool) -> LikeState:
    counts = publishing.counts(post)
    return LikeState.model_construct(post_id=post["_id"], liked=liked, likes=counts["likes"], version=counts["version"])


def _comment_state(comment: CommentRow, *, liked: bool) -> CommentLikeState:
    counts = comments.counts(comment)
    return CommentLikeState.model_construct(
        comment_id=comment["_id"], liked=liked, likes=counts["likes"], version=counts["version"]
    )
