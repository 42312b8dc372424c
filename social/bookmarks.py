"""Bookmarks: posts that somebody keeps for themselves; nobody is told."""

import asyncio

from social import posts, visibility
from social.contracts.posts import BookmarkState, Posts
from social.infra import clock
from social.infra.mongo import Mongo, Transaction
from social.infra.paging import Asked, Listing

MINE = Listing("bookmarks", "bookmarks", "bookmarked_at", "post_id")


async def bookmark(tx: Transaction, post_id: str, *, by: str) -> BookmarkState:
    """Keep a post; a second time changes nothing. Raises NotFound."""
    _, kept = await asyncio.gather(
        visibility.readable(tx, post_id, viewer=by), tx.get("bookmarks", post_id + by, ("_id",))
    )
    if not kept:
        row = {"_id": post_id + by, "post_id": post_id, "user_id": by, "bookmarked_at": clock.now()}
        tx.insert("bookmarks", row)
    return BookmarkState(post_id=post_id, bookmarked=True)


async def unbookmark(tx: Transaction, post_id: str, *, by: str) -> BookmarkState:
    """Keep it no longer: one's own also across a block, or where the post is gone. Raises NotFound."""
    if await tx.get("bookmarks", post_id + by, ("_id",)):
        tx.delete("bookmarks", {"_id": post_id + by})
    else:
        await visibility.readable(tx, post_id, viewer=by)
    return BookmarkState(post_id=post_id, bookmarked=False)


async def page(mongo: Mongo, *, user_id: str, cursor: str | None, limit: int) -> Posts:
    """What somebody keeps, last kept first; what they may not see any more is left out."""
    where = {"user_id": user_id}
    return await posts.page(mongo, MINE, where, Asked(user_id, cursor, limit), field="post_id")
