"""Reposts in home timelines: a post whose author is not followed is there once, for the first who brought it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from social.feeds import followers, sources, timelines
from social.feeds.sources import Repost
from social.infra import clock
from social.infra.store.mongo import Document, Mongo, Where
from social.infra.store.rows import EDGES, FEED_ENTRIES, INTERACTIONS, FeedEntryRow, RepostReason
from social.people import edges, visibility
from social.posts import publishing


class FannedOut(NamedTuple):
    """The owners whose timelines may have changed, and after whom to go on if there may be more."""

    owners: list[str]
    after: str | None


async def fan_out_repost(mongo: Mongo, repost: Repost, after: str) -> FannedOut:
    """Put a repost into the timelines of the next followers, or take it out where it was taken back.

    A repetition changes nothing.
    """
    row_id, repost_id = repost.post_id + repost.by, repost.id
    stands = await mongo.one(INTERACTIONS, {"_id": row_id, "repost_id": repost_id}, {"_id": 1})
    chunk, last = await followers.after(mongo, repost.by, after)
    if not stands:
        ids = [each.user_id + repost.post_id for each in chunk]
        await _drop(mongo, {"_id": {"$in": ids}, "reposts.id": repost_id}, {"$ne": ["$$each.id", repost_id]})
        return FannedOut([each.user_id for each in chunk], last)
    owners = [each.user_id for each in chunk if each.floor <= repost_id and each.user_id != repost.author_id]
    know = {"_id": {"$in": [owner + repost.author_id for owner in owners]}, "follows_at": edges.EVER}
    following = {row["from"] for row in await mongo.many(EDGES, know, fields={"from": 1})}
    arrived = clock.now()
    entries: list[FeedEntryRow] = [
        {**_entry(owner, repost), "arrived": arrived} for owner in owners if owner not in following
    ]
    await _put(mongo, entries)
    return FannedOut(owners, last)


async def showing(mongo: Mongo, repost: Repost, owners: Sequence[str]) -> list[str]:
    """Return the owners whose timelines show a post because of this repost, and not of an earlier one or its author."""
    entries = await mongo.get_many(FEED_ENTRIES, [owner + repost.post_id for owner in owners], ("owner", "place"))
    brought = [row["owner"] for row in entries.values() if row["place"] == repost.id]
    to_author, to_reposter = {(each, repost.author_id) for each in brought}, {(each, repost.by) for each in brought}
    see, stands = await asyncio.gather(
        visibility.shown(mongo, to_author), edges.between(mongo, to_author | to_reposter)
    )
    return [
        owner
        for owner in brought
        if (owner, repost.author_id) in see
        and not stands[owner, repost.author_id].follows_at
        and stands[owner, repost.by].follows_at
        and not any(stands[owner, each].hides for each in (repost.author_id, repost.by))
    ]


async def bring_reposts(mongo: Mongo, owner: str, *, by: str | None = None, author_id: str | None = None) -> None:
    """Bring what the people whom a person follows have reposted, or only `by` has, perhaps of one author."""
    timeline = await timelines.of(mongo, owner)
    if timeline is None or timeline.floor == timelines.NOTHING:
        return
    found = await sources.reposts(mongo, owner, timeline.floor, timelines.CAP, by=by, author_id=author_id)
    await _put(mongo, [_entry(owner, each) for each in reversed(found)])


async def forget_reposts(mongo: Mongo, owner: str, by: str) -> None:
    """Take out posts that are there by reposts of a person, unless another person brought them too."""
    await _drop(mongo, {"owner": owner, "reposts.by": by}, {"$ne": ["$$each.by", by]})


def _entry(owner: str, repost: Repost) -> FeedEntryRow:
    entry = publishing.entry(owner, repost.post_id, repost.author_id)
    entry |= {"place": repost.id, "reposts": [repost.reason]}
    return entry


async def _put(mongo: Mongo, entries: list[FeedEntryRow]) -> None:
    """Insert missing entries, and add the reason to the others; an entry that is there for its author stays."""
    for start in range(0, len(entries), followers.CHUNK):
        some = entries[start : start + followers.CHUNK]
        await mongo.insert_missing(FEED_ENTRIES, some)
        for reason, ids in _by_reason(some):
            where = {"_id": {"$in": ids}, "reposts.by": {"$gt": "", "$ne": reason["by"]}}
            await mongo.update_all(FEED_ENTRIES, where, _change({"$concatArrays": ["$reposts", [reason]]}))


def _by_reason(entries: list[FeedEntryRow]) -> Iterator[tuple[RepostReason, list[str]]]:
    by_id: dict[str, list[FeedEntryRow]] = defaultdict(list)
    for each in entries:
        by_id[each["reposts"][0]["id"]].append(each)
    for some in by_id.values():
        yield some[0]["reposts"][0], [each["_id"] for each in some]


async def _drop(mongo: Mongo, where: Where, stays: Document) -> None:
    kept = {"$filter": {"input": "$reposts", "as": "each", "cond": stays}}
    await mongo.update_all(FEED_ENTRIES, where, _change(kept))
    gone = {name: each for name, each in where.items() if name in ("_id", "owner")}
    await mongo.delete(FEED_ENTRIES, {**gone, "reposts": []})


def _change(reposts: Document) -> list[Document]:
    """Return an update that sets the reposts of an entry and puts it where the first of them brought it."""
    return [
        {"$set": {"reposts": reposts}},
        {"$set": {"place": {"$ifNull": [{"$min": sources.each_of("$reposts", "id")}, "$place"]}}},
    ]
