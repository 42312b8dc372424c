"""Erasure of deleted accounts: taken out of the store piece by piece, until nothing names them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from social.contracts.auth import SessionEnd
from social.contracts.events import NotificationsChanged, PostDeleted, UserUnfollowed
from social.infra import clock
from social.infra.security.revocations import REMEMBER
from social.infra.store import cached
from social.infra.store.mongo import Document, Mongo, Transaction
from social.infra.store.ownership import OWNED_BY, Fate, Owned
from social.infra.store.released import release
from social.infra.store.rows import (
    COMMENT_LIKES,
    COMMENTS,
    EDGES,
    FEED_ENTRIES,
    INTERACTIONS,
    MEDIA,
    NOTIFICATION_FACTS,
    NOTIFICATION_PREFERENCES,
    NOTIFICATIONS,
    POSTS,
    SESSIONS,
    STREAMS,
    TOMBSTONES,
    USERS,
    Collection,
    Row,
    TombstoneRow,
)
from social.notifications import groups as grouping
from social.people import activity, users
from social.posts import comments, deletions, interactions, likes, publishing, terms
from social.posts.counters import OF_ACTS, OF_POSTS

CHUNK = 200  # of anything in one transaction
ID = {"_id": 1}
SETTLES = clock.SETTLES  # after it was deleted: by then no request, socket or event of it is under way


async def deleted_at(mongo: Mongo, user_id: str) -> datetime | None:
    """Return when an account was deleted of which something is left; None for any other."""
    user = await mongo.one(USERS, {"_id": user_id}, {"deleted_at": 1})
    return user.get("deleted_at") if user else None


async def some(tx: Transaction, user_id: str) -> bool:
    """Delete a piece of what a deleted account left; return False when nothing is left."""
    for owned in OWNED_BY["person"]:
        if await _piece(tx, owned, user_id):
            return True
    return False


async def _piece(tx: Transaction, owned: Owned, user_id: str) -> int:
    """Deal with a chunk of what a person owns in a collection; return of how many documents it was."""
    match owned.fate:
        case Fate.DELETED:
            return len(await _take(tx, owned, user_id))
        case Fate.UNLINKED:
            return len(await _change(tx, owned, user_id, {"$unset": {owned.field: ""}}))
        case Fate.HANDLED:
            return await HANDLED[owned.collection, owned.field](tx, owned, user_id)
        case Fate.ELSEWHERE:
            return 0


async def bury(tx: Transaction, user_id: str) -> None:
    """Replace the account by a tombstone: its username stays taken, by nobody."""
    user = await tx.one(USERS, {"_id": user_id}, {"username": 1, "deleted_at": 1})
    if user is None:
        return
    nobody = f"@{user['username']}"
    tx.clear(STREAMS, {"_id": user_id})
    tx.clear(NOTIFICATION_PREFERENCES, {"_id": user_id})
    tx.delete(USERS, {"_id": user_id})
    stone: TombstoneRow = {
        "_id": nobody,
        "username": user["username"],
        "email": nobody,
        "password": None,
        "deleted_at": clock.now(),
    }
    tx.insert(TOMBSTONES, stone)
    activity.bury(tx, user)
    users.changed(tx, user)


async def _posts(tx: Transaction, owned: Owned, user_id: str) -> int:
    found = await _take(tx, owned, user_id)
    terms.drop(tx, found)
    tx.clear(FEED_ENTRIES, {"_id": {"$in": [user_id + post_id for post_id in found]}})
    deletions.note(tx, "post", found)
    tx.stale += [cached.key(POSTS, post_id) for post_id in found]
    tx.record(*(PostDeleted(post_id=post_id, author_id=user_id) for post_id in found))
    return len(found)


async def _media(tx: Transaction, owned: Owned, user_id: str) -> int:
    """Make pictures nobody's; the sweeper deletes them from the blobs too."""
    kept = {**owned.where(user_id), "state": {"$ne": "gone"}}
    found = await tx.many(MEDIA, kept, fields=ID, limit=CHUNK)
    if found:
        release(tx, [each["_id"] for each in found])
    return len(found)


async def _interactions(tx: Transaction, owned: Owned, user_id: str) -> int:
    """Delete acts on posts, each as it was read: what was done or taken back meanwhile has an event of its own."""
    found = await tx.many(INTERACTIONS, owned.where(user_id), limit=CHUNK)
    authors = await publishing.authors(tx, [each["post_id"] for each in found])
    for each in found:
        acts: Document = {act: each.get(act) for act in interactions.ACTS}
        tx.delete(INTERACTIONS, {"_id": each["_id"], **acts})
        if author := authors.get(each["post_id"]):
            about = {"post_id": each["post_id"], "author_id": author, "by": user_id}
            for act, counter in OF_ACTS.items():
                if acts[act]:  # an event takes of these fields those it has
                    tx.record(*(undone(**about, **acts) for undone in OF_POSTS[counter].less))
    return len(found)


async def _mentions(tx: Transaction, owned: Owned, user_id: str) -> int:
    """Unlink a person where others named them: the name stays in the text, and leads nowhere."""
    unlinked = {"mentions": user_id, "entities": {"user_id": user_id}}
    found = await _change(tx, owned, user_id, {"$pull": unlinked})
    tx.stale += [cached.key(owned.collection, each) for each in found]
    return len(found)


async def _comments(tx: Transaction, owned: Owned, user_id: str) -> int:
    """Delete a person's comments with all replies to them."""
    return await comments.take_out_some(tx, owned.where(user_id), CHUNK)


async def _comment_likes(tx: Transaction, owned: Owned, user_id: str) -> int:
    found = await tx.many(COMMENT_LIKES, owned.where(user_id), limit=CHUNK)
    _each(tx, COMMENT_LIKES, found)
    await likes.taken_back(tx, found)
    return len(found)


async def _edges(tx: Transaction, owned: Owned, user_id: str) -> int:
    found = await tx.many(EDGES, owned.where(user_id), fields={"from": 1, "to": 1, "follows_at": 1}, limit=CHUNK)
    for edge in found:
        tx.delete(EDGES, {"_id": edge["_id"], "follows_at": edge.get("follows_at")})
    followed = [edge for edge in found if edge.get("follows_at")]
    tx.record(*(UserUnfollowed(follower_id=edge["from"], followee_id=edge["to"]) for edge in followed))
    return len(found)


async def _named(tx: Transaction, owned: Owned, user_id: str) -> int:
    """Take a person out of others' notifications: names and counts; a group without another person is withdrawn."""
    found = await tx.many(NOTIFICATION_FACTS, owned.where(user_id), fields={"group": 1}, limit=CHUNK)
    facts, groups = [fact["_id"] for fact in found], sorted({fact["group"] for fact in found})
    if facts:
        changes = grouping.GroupChanges(tx)
        await changes.withdraw({"_id": {"$in": facts}}, most=CHUNK)
        changes.write(changes.changed(), clock.now())
        tx.touch_all(NOTIFICATIONS, {"_id": {"$in": groups}}, {"$pull": {"actors": user_id}})
        tx.clear(NOTIFICATION_FACTS, {"_id": {"$in": facts}})
        tx.record(NotificationsChanged(ids=groups))
    return len(found)


async def _sessions(tx: Transaction, owned: Owned, user_id: str) -> int:
    """End sessions and make them nobody's; kept for as long as a process that starts must know that they ended."""
    found = await tx.many(SESSIONS, owned.where(user_id), fields=ID, limit=CHUNK)
    rows = {"_id": {"$in": [each["_id"] for each in found]}}
    ended = {"$set": {"reason": SessionEnd.DELETED}, "$currentDate": {"revoked_at": True}}
    nobodys = {"user_id": None, "hash": None, "ip": None, "device": None, "expires_at": clock.now() + REMEMBER}
    if found:
        tx.touch_all(SESSIONS, {**rows, "revoked_at": None}, ended)  # the mark on the account goes with that
        tx.touch_all(SESSIONS, rows, {"$set": nobodys})
    return len(found)


HANDLED: dict[tuple[Collection[Any], str], Callable[[Transaction, Owned, str], Awaitable[int]]] = {
    (POSTS, "author_id"): _posts,
    (MEDIA, "owner"): _media,
    (INTERACTIONS, "user_id"): _interactions,
    (POSTS, "mentions"): _mentions,
    (COMMENTS, "mentions"): _mentions,
    (COMMENTS, "author_id"): _comments,
    (COMMENT_LIKES, "user_id"): _comment_likes,
    (EDGES, "_id"): _edges,
    (EDGES, "to"): _edges,
    (NOTIFICATION_FACTS, "actor"): _named,
    (SESSIONS, "user_id"): _sessions,
}


async def _take(tx: Transaction, owned: Owned, user_id: str) -> list[str]:
    """Delete a chunk of what a person owns in a collection; return its ids."""
    found = await tx.many(owned.collection, owned.where(user_id), fields=ID, limit=CHUNK)
    _each(tx, owned.collection, found)
    return [each["_id"] for each in found]


async def _change(tx: Transaction, owned: Owned, user_id: str, change: Document) -> list[str]:
    """Change a chunk of what a person owns in a collection; return its ids."""
    found = [each["_id"] for each in await tx.many(owned.collection, owned.where(user_id), fields=ID, limit=CHUNK)]
    if found:
        tx.touch_all(owned.collection, {"_id": {"$in": found}}, change)
    return found


def _each(tx: Transaction, collection: Collection[Row], found: Sequence[Row]) -> None:
    """Delete these documents, each only if nobody else has deleted it, since events may be about it."""
    for each in found:
        tx.delete(collection, {"_id": each["_id"]})
