"""Writing home timelines: posts fanned out to followers, brought along by a follow, and taken out again."""

import asyncio
import zlib
from collections.abc import AsyncIterator

from social.contracts.events import MergingContinued
from social.feeds import followers, reposts, sources, timelines
from social.feeds.reposts import FannedOut
from social.feeds.sources import TOP, Span
from social.infra import clock
from social.infra.store import cached
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.rows import FEED_ENTRIES, POSTS, TIMELINES, USERS, FeedEntryRow, UserRow
from social.posts import publishing

FANOUT_LIMIT = 10_000  # followers; whoever has more is merged when timelines are read, and holds no queue
STAYS = 0.9  # of the limit: who was merged once is so down to here, and does not change sides with every follower
SIDE = ("followers", "merged")
TRIM_ONE_IN = 64  # writes: a timeline grows this much over its cap on average, and a chunk looks at eight


def changes_side(author: UserRow, limit: int) -> bool | None:
    """Return whether this person's posts are to be merged from now on; None where nothing changes."""
    before = author.get("merged", False)
    now = bool(author["followers"] > (limit * STAYS if before else limit))
    return now if now != before else None


async def change_side(tx: Transaction, author_id: str, limit: int) -> None:
    """Merge an author's posts from now on, or fan them out again, by their number of followers.

    Nothing is moved: timelines that merge the author go on to, and a post that is there both ways has one place.
    """
    author = await tx.get(USERS, author_id, SIDE)
    merged = changes_side(author, limit) if author else None
    if merged is not None:
        before = {"_id": author_id, "merged": True if not merged else {"$ne": True}}
        tx.update(USERS, before, {"$set": {"merged": merged}})
        tx.stale.append(cached.key(USERS, author_id))
    if merged:
        tx.record(MergingContinued(author_id=author_id))


async def is_merged(mongo: Mongo, author_id: str) -> bool:
    """Return whether an author's posts are merged, as last decided."""
    author = await mongo.get(USERS, author_id, SIDE)
    return bool(author and author.get("merged"))


async def fan_out(mongo: Mongo, post_id: str, author_id: str, after: str) -> FannedOut:
    """Put a post into the timelines of the next followers; a repetition changes nothing."""
    chunk, last = await followers.after(mongo, author_id, after)
    arrived = clock.now()
    kept = [each.user_id for each in chunk if each.floor <= post_id]
    entries: list[FeedEntryRow] = [
        {**publishing.entry(owner, post_id, author_id), "arrived": arrived} for owner in kept
    ]
    await mongo.insert_missing(FEED_ENTRIES, entries)
    due = [owner for owner in ([*kept, author_id] if not after else kept) if _is_due(owner, post_id)]
    await asyncio.gather(*(timelines.trim(mongo, owner) for owner in due))
    return FannedOut([each.user_id for each in chunk], last)


async def merge_into(mongo: Mongo, author_id: str, after: str) -> str | None:
    """Have the next followers merge an author's posts when they read; return after whom to go on, if anybody."""
    chunk, last = await followers.after(mongo, author_id, after)
    await timelines.merge(mongo, [each.user_id for each in chunk], author_id)
    return last


async def backfill(mongo: Mongo, owner: str, author_id: str) -> None:
    """Bring the posts of an author just followed, as far down as the timeline is kept."""
    timeline = await timelines.of(mongo, owner)
    if timeline is None or timeline.floor == timelines.NOTHING:
        return  # it will be built from whom they follow then
    if await is_merged(mongo, author_id):
        await timelines.merge(mongo, [owner], author_id)
    else:
        await _bring_posts(mongo, owner, author_id, timeline.floor)
    await reposts.bring_reposts(mongo, owner, by=author_id)
    await timelines.trim(mongo, owner)


async def _bring_posts(mongo: Mongo, owner: str, author_id: str, floor: str) -> None:
    newest = await mongo.many(
        POSTS,
        {"author_id": author_id, "_id": {"$gte": floor}},
        fields={"_id": 1},
        sort=[("_id", -1)],
        limit=timelines.CAP + 1,
    )
    brought = {"owner": owner, "author_id": author_id, "reposts.by": {"$gt": ""}}
    await mongo.delete(FEED_ENTRIES, brought)  # they stand there for themselves now
    await _insert(mongo, [publishing.entry(owner, post["_id"], author_id) for post in newest])
    if len(newest) > timelines.CAP:
        await timelines.cut(mongo, owner, newest[-2]["_id"])


async def build(mongo: Mongo, owner: str) -> None:
    """Build the timeline of a person who was away, from the posts of those they follow; safe to repeat.

    Posts that another worker fans out meanwhile pass by a timeline without a floor: they are looked for once more.
    """
    timeline = await timelines.of(mongo, owner)
    if timeline is not None and timeline.floor == timelines.NOTHING:
        await _build(mongo, owner)
        timeline = await timelines.of(mongo, owner)
    if timeline is not None:
        found = await sources.followed(mongo, owner, Span(TOP, older=True, most=timelines.CAP))
        missing = [each for each in found.lines if each.post_id >= timeline.floor]
        await _insert(mongo, [publishing.entry(owner, each.post_id, each.author_id) for each in missing])


async def _build(mongo: Mongo, owner: str) -> None:
    """Insert entries, then set the floor, from which on posts are fanned out to it; the owner's may come in before."""
    before = await mongo.many(FEED_ENTRIES, {"owner": owner}, fields={"_id": 1})
    newest = Span(TOP, older=True, most=timelines.CAP + 1)
    famous, found = await asyncio.gather(sources.merged_among(mongo, owner), sources.followed(mongo, owner, newest))
    entries = [publishing.entry(owner, each.post_id, each.author_id) for each in found.lines[: timelines.CAP]]
    stale = list({each["_id"] for each in before} - {each["_id"] for each in entries})
    for start in range(0, len(stale), followers.CHUNK):
        await mongo.delete_by_ids(FEED_ENTRIES, stale[start : start + followers.CHUNK])
    await _insert(mongo, entries)
    floor = entries[-1]["place"] if len(found.lines) > timelines.CAP else timelines.ALL
    unbuilt = {"_id": owner, "floor": timelines.NOTHING}
    await mongo.update(TIMELINES, unbuilt, {"$set": {"floor": floor}, "$addToSet": {"merged": {"$each": famous}}})
    await reposts.bring_reposts(mongo, owner)


async def forget_author(mongo: Mongo, owner: str, author_id: str) -> None:
    """Take out the posts of an author no longer followed, and posts that are there by their reposts."""
    await timelines.part(mongo, owner, author_id)
    await mongo.delete(FEED_ENTRIES, {"owner": owner, "author_id": author_id})
    await reposts.forget_reposts(mongo, owner, author_id)


async def holders(mongo: Mongo, post_id: str) -> AsyncIterator[list[str]]:
    """Yield the owners of timelines that hold a post, in chunks, one of them perhaps empty."""
    after, more = "", True
    while more:
        beyond = {"post_id": post_id, "owner": {"$gt": after}}
        rows = await mongo.many(FEED_ENTRIES, beyond, fields={"owner": 1}, sort=[("owner", 1)], limit=followers.CHUNK)
        yield [row["owner"] for row in rows]
        more = len(rows) == followers.CHUNK
        after = rows[-1]["owner"] if rows else after


async def take_out(mongo: Mongo, post_id: str) -> list[str]:
    """Take a deleted post out of some of the timelines that hold it; return their owners, none when none is left."""
    entries = await mongo.many(FEED_ENTRIES, {"post_id": post_id}, fields={"owner": 1}, limit=followers.CHUNK)
    await mongo.delete_by_ids(FEED_ENTRIES, [entry["_id"] for entry in entries])
    return [entry["owner"] for entry in entries]


async def _insert(mongo: Mongo, entries: list[FeedEntryRow]) -> None:
    for start in range(0, len(entries), followers.CHUNK):
        await mongo.insert_missing(FEED_ENTRIES, entries[start : start + followers.CHUNK])


def _is_due(owner: str, post_id: str) -> bool:
    """Return whether this write is one of those that look at the size of the timeline; equal for a repeated write."""
    return zlib.crc32(f"{owner}{post_id}".encode()) % TRIM_ONE_IN == 0
