"""Collections and indexes: `migrate` creates them, and everything else only checks them."""

from collections.abc import Mapping, Set
from datetime import timedelta
from typing import Any

import bson
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from social.infra import clock
from social.infra.store import migrations
from social.infra.store.mongo import Mongo, translate_errors
from social.infra.store.rows import (
    ACTIVITY,
    COMMENT_LIKES,
    COMMENTS,
    CURSOR_KEYS,
    DELETIONS,
    EDGES,
    FEED_ENTRIES,
    IDEMPOTENCY,
    INBOX,
    INTERACTIONS,
    LEASES,
    MEDIA,
    MIGRATIONS,
    NAMES,
    NOTIFICATION_FACTS,
    NOTIFICATION_PREFERENCES,
    NOTIFICATIONS,
    ONE_TIME_TOKENS,
    OUTBOX,
    PARKED,
    POST_REVISIONS,
    POST_TERMS,
    POSTS,
    REPORTS,
    SESSIONS,
    STREAMS,
    TIMELINES,
    USERS,
    VISIBILITY_CHANGES,
    WORKERS,
    Collection,
)

UP, DOWN = ASCENDING, DESCENDING
INBOX_REMEMBERS = timedelta(days=7)  # how long a group remembers the events it has taken effect of


def _after(**duration: float) -> int:
    """Return a duration in seconds, for an index that expires."""
    return round(timedelta(**duration).total_seconds())


def _edges(name: str, end: str, since: str, other: str) -> IndexModel:
    """Return an index of the edges at one end that hold a time, newest first, and of no others."""
    keys = [(end, UP), (since, DOWN), (other, DOWN)]
    return IndexModel(keys, name=name, partialFilterExpression={since: {"$gt": clock.EPOCH}})


INDEXES: dict[Collection[Any], list[IndexModel]] = {
    USERS: [
        IndexModel([("username", UP)], name="username", unique=True),
        IndexModel([("email", UP)], name="email", unique=True),
        IndexModel(
            [("sessions_ended.at", UP)],
            name="sessions_ended",
            partialFilterExpression={"sessions_ended.at": {"$gt": clock.EPOCH}},
        ),
        IndexModel(
            [("sessions_ended.rows", UP)], name="sessions_left", partialFilterExpression={"sessions_ended.rows": True}
        ),
    ],
    NAMES: [],
    SESSIONS: [
        IndexModel([("revoked_at", UP)], name="revoked_at"),
        IndexModel([("user_id", UP), ("revoked_at", UP), ("_id", DOWN)], name="open"),
        IndexModel([("expires_at", UP)], name="expires_at", expireAfterSeconds=0),
    ],
    EDGES: [
        _edges("followers", "to", "follows_at", "from"),
        IndexModel([("to", UP), ("from", UP)], name="to"),
        _edges("following", "from", "follows_at", "to"),
        _edges("requests", "to", "requested_at", "from"),
        _edges("requested", "from", "requested_at", "to"),
        _edges("blocks", "from", "blocks_at", "to"),
        _edges("mutes", "from", "mutes_at", "to"),
        IndexModel([("from", UP), ("hides", UP), ("to", UP)], name="hides", partialFilterExpression={"hides": True}),
    ],
    ACTIVITY: [
        IndexModel([("user_id", UP), ("_id", DOWN)], name="of_user"),
        IndexModel([("about", UP)], name="about", partialFilterExpression={"about": {"$gt": ""}}),
        IndexModel([("at", UP)], name="at", expireAfterSeconds=_after(days=90)),
    ],
    VISIBILITY_CHANGES: [IndexModel([("at", UP)], name="at", expireAfterSeconds=_after(hours=1))],
    ONE_TIME_TOKENS: [
        IndexModel([("user_id", UP)], name="user_id"),
        IndexModel([("expires_at", UP)], name="expires_at", expireAfterSeconds=0),
    ],
    POSTS: [
        IndexModel([("author_id", UP), ("_id", DOWN)], name="by_author"),
        IndexModel([("mentions", UP)], name="mentions", partialFilterExpression={"mentions": {"$gt": ""}}),
    ],
    POST_TERMS: [
        IndexModel([("words", UP), ("_id", DOWN)], name="words"),
        IndexModel([("tags", UP), ("_id", DOWN)], name="tags", partialFilterExpression={"tags": {"$gt": ""}}),
    ],
    POST_REVISIONS: [IndexModel([("post_id", UP), ("_id", DOWN)], name="by_post")],
    INTERACTIONS: [
        IndexModel([("post_id", UP), ("like_id", DOWN)], name="likes"),
        IndexModel([("user_id", UP), ("bookmark_id", DOWN)], name="bookmarks"),
        # Every index slows down every like: only reposts are in this one, by a field that only they have.
        IndexModel([("reposted_by", UP), ("repost_id", DOWN)], name="reposts", sparse=True),
    ],
    COMMENTS: [
        IndexModel([("post_id", UP), ("parent_id", UP), ("_id", DOWN)], name="under_post"),
        IndexModel([("post_id", UP), ("parent_id", UP), ("likes", DOWN), ("_id", DOWN)], name="top_under_post"),
        IndexModel([("parent_id", UP), ("_id", DOWN)], name="under_comment"),
        IndexModel([("parent_id", UP), ("likes", DOWN), ("_id", DOWN)], name="top_under_comment"),
        IndexModel([("author_id", UP)], name="by_author"),
        IndexModel([("mentions", UP)], name="mentions", partialFilterExpression={"mentions": {"$gt": ""}}),
    ],
    COMMENT_LIKES: [
        IndexModel([("comment_id", UP), ("at", DOWN), ("user_id", DOWN)], name="of_comment"),
        IndexModel([("user_id", UP)], name="by_user"),
    ],
    MEDIA: [
        IndexModel([("state", UP), ("at", UP)], name="by_state"),
        IndexModel([("owner", UP), ("state", UP)], name="of_owner"),
        IndexModel([("post_id", UP)], name="by_post", partialFilterExpression={"post_id": {"$gt": ""}}),
    ],
    DELETIONS: [IndexModel([("at", UP)], name="at")],
    FEED_ENTRIES: [
        IndexModel([("owner", UP), ("place", DOWN)], name="by_place"),
        IndexModel([("owner", UP), ("arrived", DOWN)], name="by_arrival"),
        IndexModel([("post_id", UP), ("owner", UP)], name="by_post"),
    ],
    TIMELINES: [IndexModel([("active_at", UP)], name="active_at")],
    NOTIFICATIONS: [
        IndexModel([("slot", UP)], name="slot", unique=True, sparse=True),
        IndexModel([("recipient", UP), ("updated_at", DOWN), ("_id", DOWN)], name="by_recipient"),
        IndexModel([("post_id", UP), ("target.id", UP), ("type", UP)], name="about"),
        IndexModel([("due_at", UP)], name="due", partialFilterExpression={"due_at": {"$gt": clock.EPOCH}}),
    ],
    NOTIFICATION_FACTS: [
        IndexModel([("group", UP), ("at", DOWN)], name="by_group"),
        IndexModel([("recipient", UP), ("actor", UP), ("group", UP)], name="between"),
        IndexModel([("actor", UP), ("group", UP)], name="of_actor"),
    ],
    NOTIFICATION_PREFERENCES: [],
    STREAMS: [],
    OUTBOX: [],
    INBOX: [IndexModel([("at", UP)], name="at", expireAfterSeconds=round(INBOX_REMEMBERS.total_seconds()))],
    IDEMPOTENCY: [IndexModel([("at", UP)], name="at", expireAfterSeconds=_after(days=1))],
    PARKED: [IndexModel([("at", UP)], name="at")],
    REPORTS: [
        IndexModel(
            [("reporter", UP), ("kind", UP), ("target", UP)],
            name="once",
            unique=True,
            partialFilterExpression={"reporter": {"$type": "string"}},
        ),
        IndexModel([("reporter", UP), ("created_at", DOWN)], name="by_reporter"),
        IndexModel([("about", UP)], name="by_subject"),
    ],
    LEASES: [],
    CURSOR_KEYS: [],
    MIGRATIONS: [],
    WORKERS: [IndexModel([("at", UP)], name="at", expireAfterSeconds=_after(days=1))],
}

# Indexes of the release before, which only its processes use: each costs every write of a document.
UNUSED: dict[Collection[Any], tuple[str, ...]] = {
    POSTS: ("words", "tags"),
    NOTIFICATIONS: ("open_group", "unread", "by_post", "by_target"),
    STREAMS: ("position",),
    OUTBOX: ("at",),
}


async def migrate(mongo: Mongo, *, last: bool = False) -> None:
    """Create what is missing and move documents of older releases; safe to repeat and to run twice at once.

    `last`: no process of the release before runs any more, so that the indexes which only it used are dropped.
    """
    async with translate_errors():
        there = set(await mongo.database.list_collection_names())
        await migrations.interactions(mongo, there)  # first: no process begins before the indexes are there
        for name, indexes in INDEXES.items():
            if name not in there:
                await _create(mongo, name)
            if indexes:
                await mongo.database[name].create_indexes(indexes)
        await migrations.email_domains(mongo, there)
        await migrations.post_terms(mongo, there)
        await migrations.slots(mongo, there, anew=last)
        if last:
            await _drop_unused(mongo, there)


async def _drop_unused(mongo: Mongo, there: Set[str]) -> None:
    for collection, names in UNUSED.items():
        found = await mongo.database[collection].index_information() if collection in there else {}
        for name in set(names) & set(found):
            await mongo.database[collection].drop_index(name)


async def empty(mongo: Mongo, *names: Collection[Any]) -> None:
    """Drop these collections with their documents, and create them again."""
    async with translate_errors():
        for name in names:
            await mongo.database.drop_collection(name)
    await migrate(mongo)


async def missing(mongo: Mongo) -> list[str]:
    """Return the indexes that `migrate` has yet to create, as `collection.index`."""
    absent = []
    async with translate_errors():
        for name, indexes in INDEXES.items():
            there: dict[str, Any] = await mongo.database[name].index_information()
            absent += [f"{name}.{index.document['name']}" for index in indexes if index.document["name"] not in there]
    return absent


async def wrong(mongo: Mongo) -> list[str]:
    """Return the indexes that are missing or differ, in words; a start waits only for the missing ones."""
    found = []
    async with translate_errors():
        for name, indexes in INDEXES.items():
            there: dict[str, Any] = await mongo.database[name].index_information()
            for index in indexes:
                wanted = index.document
                label = f"{name}.{wanted['name']}"
                if wanted["name"] not in there:
                    found.append(f"{label} is missing")
                elif _kind(there[wanted["name"]]) != _kind(wanted):
                    found.append(f"{label} is different")
    return found


def _kind(index: Mapping[str, Any]) -> tuple[Any, ...]:
    keys = index["key"]
    pairs = [(name, int(way)) for name, way in (keys.items() if isinstance(keys, Mapping) else keys)]
    partial = bson.encode(index.get("partialFilterExpression") or {})  # a server returns times without their zone
    return pairs, bool(index.get("unique")), bool(index.get("sparse")), index.get("expireAfterSeconds"), partial


async def _create(mongo: Mongo, name: str) -> None:
    try:
        await mongo.database.create_collection(name)
    except CollectionInvalid:
        return  # another migrate was faster
    except OperationFailure as error:
        if error.code != 48:  # NamespaceExists
            raise
