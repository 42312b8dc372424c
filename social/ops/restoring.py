"""After a restore, or a broker that lost its queues: begin anew what cannot go on, and publish events again.

A backup holds what was written, and which of it was not handed to the broker yet. It does not hold what the broker had
taken over and no consumer had finished. All of that follows from the documents, so it is made again from them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Generic, NamedTuple

from social.contracts.events import (
    AccountDeleted,
    CommentAdded,
    CommentLiked,
    Event,
    FollowAccepted,
    FollowRequested,
    Group,
    PostLiked,
    PostPublished,
    PostReposted,
    UserFollowed,
)
from social.infra import clock
from social.infra.broker import inbox
from social.infra.store import schema
from social.infra.store.mongo import Document, Mongo, Transaction, Where, translate_errors
from social.infra.store.rows import (
    COMMENT_LIKES,
    COMMENTS,
    EDGES,
    FEED_ENTRIES,
    INBOX,
    INTERACTIONS,
    ONE_TIME_TOKENS,
    OUTBOX,
    POSTS,
    SESSIONS,
    STREAMS,
    TIMELINES,
    USERS,
    Collection,
    CommentLikeRow,
    CommentRow,
    EdgeRow,
    InboxRow,
    InteractionRow,
    PostRow,
    Row,
    UserRow,
)
from social.notifications import streams
from social.posts import publishing

BATCH = 200  # documents looked at, and events recorded, at once
ROWS = 5_000  # of a read: the embedded store goes through the whole collection for each
MOST_WAITING = 20_000  # rows of the outbox: far below where writes are refused
TIMEOUT_S = 60.0  # for what walks through a collection
NOTIFIED_ACTS = ("like_id", "repost_id")  # nobody is notified of a bookmark


class _Source(NamedTuple, Generic[Row]):
    """Documents of a collection, and the events that they stand for."""

    collection: Collection[Row]
    where: Where
    read: Callable[[Mongo, list[Row]], Awaitable[list[Event]]]


async def renew_streams(mongo: Mongo) -> int:
    """Give every stream another epoch, so that clients with an earlier offset fetch again; return how many there are.

    A stream that went back gives its old numbers to other items: a client that has seen more of it than is left
    would take those for known, and skip them.
    """
    epoch, renewed = clock.new_epoch(), 0
    async for rows in _walk(mongo, STREAMS, {}):
        await streams.renew(mongo, [row["_id"] for row in rows], epoch)
        renewed += len(rows)
    return renewed


async def end_sessions(mongo: Mongo) -> int:
    """Delete all sessions and mailed tokens; return how many sessions there were.

    A backup brings back sessions that ended after it and mailed links that were used after it, and nothing says which.
    Whoever logs in again holds no state of before: counts, revisions and offsets that went back would be taken for old.
    """
    async with translate_errors():
        there: int = await mongo.database[SESSIONS].estimated_document_count()
    await schema.empty(mongo, SESSIONS, ONE_TIME_TOKENS)
    return there


async def forget_timelines(mongo: Mongo) -> None:
    """Delete all home timelines: each is put together from the posts when it is read, and built again after that."""
    await schema.empty(mongo, FEED_ENTRIES, TIMELINES)


async def publish_again(mongo: Mongo, since: datetime) -> AsyncIterator[tuple[str, int]]:
    """Record the events of what was written since then once more; yield of which collection, and how many so far.

    Consumers take them as any: nobody is notified twice, since a cause is a fact of its own. Counts
    are left out, `recount` compares those.
    """
    first = clock.first_id(since)
    sources: list[_Source[Any]] = [
        _Source(POSTS, {"_id": {"$gte": first}}, _published),
        _Source(COMMENTS, {"_id": {"$gte": first}}, _comments),
        _Source(INTERACTIONS, {"$or": [{act: {"$gte": first}} for act in NOTIFIED_ACTS]}, partial(_acts, first=first)),
        _Source(COMMENT_LIKES, {"at": {"$gte": since}}, _comment_likes),
        _Source(EDGES, {"follows_at": {"$gte": since}}, _follows),
        _Source(EDGES, {"requested_at": {"$gte": since}}, _requests),
        _Source(USERS, {"deleted_at": {"$gt": clock.EPOCH}}, _leavers),
    ]
    for collection, where, read in sources:
        count = 0
        async for rows in _walk(mongo, collection, where):
            events = await read(mongo, rows)
            await mongo.transact(partial(_record, events=events), timeout_s=TIMEOUT_S)
            count += len(events)
            yield collection, count


async def waiting(mongo: Mongo) -> int:
    """Return how many events wait in the outbox."""
    return await mongo.count(OUTBOX, {}, limit=MOST_WAITING + 1)


async def _record(tx: Transaction, events: Sequence[Event]) -> None:
    tx.record(*events)
    counted = [each.id for each in tx.recorded if Group.COUNTERS in each.groups()]
    tx.insert(INBOX, *(InboxRow(_id=inbox.row_id(Group.COUNTERS, each), at=clock.now()) for each in counted))


async def _walk(mongo: Mongo, collection: Collection[Row], where: Where) -> AsyncIterator[list[Row]]:
    """Yield all that match, by id, a batch at a time."""
    after = ""
    while True:
        rows = await mongo.many(collection, {"$and": [{"_id": {"$gt": after}}, where]}, sort=[("_id", 1)], limit=ROWS)
        for begin in range(0, len(rows), BATCH):
            yield rows[begin : begin + BATCH]
        if len(rows) < ROWS:
            return
        after = rows[-1]["_id"]


async def _published(_: Mongo, rows: list[PostRow]) -> list[Event]:
    """Return the events of posts that name somebody; timelines are put together anew without events."""
    return [
        PostPublished(post_id=post["_id"], author_id=post["author_id"], mentions=post["mentions"])
        for post in rows
        if post.get("mentions")
    ]


async def _comments(mongo: Mongo, rows: list[CommentRow]) -> list[Event]:
    authors = await publishing.authors(mongo, (each["post_id"] for each in rows))
    parents = await _comment_authors(mongo, [parent_id for each in rows if (parent_id := each.get("parent_id"))])
    return [
        CommentAdded(
            **_about(each, authors[each["post_id"]]),
            by=each["author_id"],
            comment_id=each["_id"],
            parent_id=each.get("parent_id"),
            parent_author_id=parents.get(each.get("parent_id") or ""),
            mentions=each.get("mentions") or [],
        )
        for each in rows
        if each["post_id"] in authors
    ]


async def _acts(mongo: Mongo, rows: list[InteractionRow], *, first: str) -> list[Event]:
    """Return the events of acts from this id on: events of earlier acts were published already."""
    authors = await publishing.authors(mongo, (each["post_id"] for each in rows))
    events: list[Event] = []
    for each in rows:
        if each["post_id"] in authors:
            about = {**_about(each, authors[each["post_id"]]), "by": each["user_id"]}
            if each.get("repost_id", "") >= first:
                events.append(PostReposted(**about, repost_id=each["repost_id"]))
            if each.get("like_id", "") >= first:
                events.append(PostLiked(**about))
    return events


async def _comment_likes(mongo: Mongo, rows: list[CommentLikeRow]) -> list[Event]:
    ids = [each["comment_id"] for each in rows]
    found = await mongo.many(COMMENTS, {"_id": {"$in": ids}}, fields={"post_id": 1, "author_id": 1})
    comments = {each["_id"]: each for each in found}
    authors = await publishing.authors(mongo, (each["post_id"] for each in found))
    return [
        CommentLiked(
            **_about(comment, authors[comment["post_id"]]),
            comment_id=comment["_id"],
            comment_author_id=comment["author_id"],
            by=each["user_id"],
        )
        for each in rows
        if (comment := comments.get(each["comment_id"])) and comment["post_id"] in authors
    ]


async def _follows(mongo: Mongo, rows: list[EdgeRow]) -> list[Event]:
    """Return the events of follows: of an account that was private by then, the request had been accepted."""
    ids = list({each["to"] for each in rows})
    private = await mongo.many(USERS, {"_id": {"$in": ids}, "private": True}, fields={"private_since": 1})
    since = {each["_id"]: each["private_since"] for each in private}

    def event(row: EdgeRow) -> Event:
        accepted = row["to"] in since and row["follows_at"] > since[row["to"]]
        return (FollowAccepted if accepted else UserFollowed)(follower_id=row["from"], followee_id=row["to"])

    return [event(each) for each in rows]


async def _requests(_: Mongo, rows: list[EdgeRow]) -> list[Event]:
    return [FollowRequested(follower_id=each["from"], followee_id=each["to"]) for each in rows]


async def _leavers(_: Mongo, rows: list[UserRow]) -> list[Event]:
    """Return the events of deleted accounts of which something is left; tombstones are nobody."""
    return [AccountDeleted(user_id=each["_id"]) for each in rows if not each["_id"].startswith("@")]


async def _comment_authors(mongo: Mongo, ids: Sequence[str]) -> dict[str, str]:
    found = await mongo.many(COMMENTS, {"_id": {"$in": list(ids)}}, fields={"author_id": 1}) if ids else []
    return {each["_id"]: each["author_id"] for each in found}


def _about(thing: CommentRow | InteractionRow, author_id: str) -> Document:
    return {"post_id": thing["post_id"], "author_id": author_id}
