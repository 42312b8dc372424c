"""Home timelines: fanned out when a post is written, read in one walk along the owner's entries."""

from social import follows, posts
from social.contracts.posts import Post, Posts
from social.infra.mongo import Document, Mongo
from social.infra.paging import Listing

CHUNK = 500  # followers a message fans out to, so that a big author interleaves with small ones
BACKFILL = 50  # posts that a new follow brings along

HOME = Listing("feed", "feed_entries", "post_id")


async def page(mongo: Mongo, *, owner: str, cursor: str | None, limit: int) -> Posts:
    """A home timeline, newest first; what was deleted or hidden meanwhile is skipped and the page refilled."""

    async def show(entries: list[Document]) -> list[Post | None]:
        found = {each.id: each for each in await _posts(mongo, entries, viewer=owner)}
        return [found.get(entry["post_id"]) for entry in entries]

    found = await HOME.filled(mongo, {"owner": owner}, show, cursor=cursor, limit=limit)
    return Posts(items=found.items, next=found.next, prev=found.prev)


async def fan_out(mongo: Mongo, post_id: str, author_id: str, after: str) -> tuple[list[str], str | None]:
    """Put a post into the timelines of the next followers; who they are, and after whom to go on if there may be more.

    The same when repeated.
    """
    owners = await follows.followers_after(mongo, author_id, after, CHUNK)
    told = [owner for owner, hears in owners if hears]
    await mongo.insert_missing("feed_entries", [posts.entry(owner, post_id, author_id) for owner in told])
    return told, owners[-1][0] if len(owners) == CHUNK else None


async def backfill(mongo: Mongo, owner: str, author_id: str) -> None:
    """Bring the newest posts of somebody just followed."""
    newest = await mongo.many("posts", {"author_id": author_id}, fields={"_id": 1}, sort=[("_id", -1)], limit=BACKFILL)
    await mongo.insert_missing("feed_entries", [posts.entry(owner, post["_id"], author_id) for post in newest])


async def forget_author(mongo: Mongo, owner: str, author_id: str) -> None:
    """Take out the posts of somebody no longer followed."""
    await mongo.delete("feed_entries", {"owner": owner, "author_id": author_id})


async def take_out(mongo: Mongo, post_id: str) -> list[str]:
    """Take a deleted post out of some of the timelines that hold it; whose they are. Empty when none is left."""
    entries = await mongo.many("feed_entries", {"post_id": post_id}, fields={"owner": 1}, limit=CHUNK)
    await mongo.delete("feed_entries", {"_id": {"$in": [entry["_id"] for entry in entries]}})
    return [entry["owner"] for entry in entries]


async def _posts(mongo: Mongo, entries: list[Document], *, viewer: str) -> list[Post]:
    found = await mongo.many("posts", {"_id": {"$in": [each["post_id"] for each in entries]}})
    return await posts.render(mongo, found, viewer=viewer, muted=False)
