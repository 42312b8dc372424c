"""Bookmarks: posts that a person keeps for themselves; nobody is notified."""

import asyncio

from social.contracts.posts import BookmarkState, Posts
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import INTERACTIONS
from social.posts import access, interactions, publishing

MINE = Listing("bookmarks", INTERACTIONS, "bookmark_id")


async def bookmark(tx: Transaction, post_id: str, *, by: str) -> BookmarkState:
    """Bookmark a post; a second time changes nothing. Raises NotFound."""
    _, before = await asyncio.gather(access.readable(tx, post_id, viewer=by), interactions.of(tx, post_id, by))
    if before is None or not before.get("bookmark_id"):
        interactions.add(tx, post_id, by, "bookmark_id", before=before)
    return BookmarkState(post_id=post_id, bookmarked=True)


async def unbookmark(tx: Transaction, post_id: str, *, by: str) -> BookmarkState:
    """Remove a bookmark, also across a block, or where the post is gone. Raises NotFound."""
    before = await interactions.of(tx, post_id, by)
    if before and before.get("bookmark_id"):
        interactions.remove(tx, "bookmark_id", before=before)
    else:
        await access.readable(tx, post_id, viewer=by)
    return BookmarkState(post_id=post_id, bookmarked=False)


async def page(mongo: Mongo, *, user_id: str, cursor: str | None, limit: int) -> Posts:
    """Return a page of a person's bookmarks, the newest first, without posts that they may not see any more."""
    where = {"user_id": user_id, "bookmark_id": interactions.DONE}
    return await publishing.page(mongo, MINE, where, Asked(user_id, cursor, limit), field="post_id")
