"""Documents that an older release kept elsewhere: `migrate` moves them; moved documents stay as they are."""

from collections.abc import Awaitable, Callable, Sequence, Set
from datetime import datetime

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from social.contracts.addresses import normal
from social.infra import clock
from social.infra.observe import logs
from social.infra.store.errors import DUPLICATE_KEY, translate_errors, write_errors
from social.infra.store.mongo import OVERLAP, Document, Mongo
from social.infra.store.rows import (
    INTERACTIONS,
    MIGRATIONS,
    NOTIFICATIONS,
    ONE_TIME_TOKENS,
    POST_TERMS,
    POSTS,
    USERS,
    Collection,
    NotificationRow,
    PostRow,
    PostTermsRow,
    Row,
    UserRow,
    slot_of,
)

log = logs.get("moves")

BATCH = 200
EMAILS = 5_000  # addresses of a read
ROWS = 5_000  # of a read: the embedded store goes through the whole collection for each
# Collections of a post's and a person's id. They are not dropped: an older process may write there meanwhile.
FORMERLY = tuple(Collection[Document](each) for each in ("likes", "reposts", "bookmarks"))


async def interactions(mongo: Mongo, there: Set[str]) -> None:
    """Move likes, reposts and bookmarks of posts into one document a post and person; safe to stop and to repeat."""
    for name in FORMERLY:
        if name not in there:
            continue
        while rows := await mongo.many(name, {}, limit=BATCH):
            await _add(mongo, [_moved(name, row) for row in rows])
            await mongo.delete(name, {"_id": {"$in": [row["_id"] for row in rows]}})


async def email_domains(mongo: Mongo, there: Set[str]) -> None:
    """Spell the domain of every stored address as DNS does, unless another account has that spelling.

    No account is lost: a login accepts both spellings, and mail goes to one mailbox either way.
    """
    last = ""
    while "users" in there and (rows := await _emails(mongo, after=last)):
        last = rows[-1]["email"]
        for old in (row["email"] for row in rows if not row["email"].isascii()):
            if (new := normal(old)) != old:
                await _respell(mongo, old, new)


async def post_terms(mongo: Mongo, there: Set[str]) -> None:
    """Copy what posts are found by into documents of their own; safe to stop and to repeat."""
    if POSTS in there:
        await _walk(mongo, POSTS, ("author_id", "visibility", "tags", "words"), "posts in post_terms", _copy_terms)


async def slots(mongo: Mongo, there: Set[str], *, anew: bool) -> None:
    """Give every unread group of notifications its slot; safe to stop and to repeat. `anew`: look at all once more."""
    if NOTIFICATIONS in there:
        name = "slots of notifications" + (", last" if anew else "")
        await _walk(mongo, NOTIFICATIONS, ("recipient", "type", "target", "open", "slot"), name, _add_slots)


async def _walk(
    mongo: Mongo,
    collection: Collection[Row],
    fields: Sequence[str],
    name: str,
    move: Callable[[Mongo, Sequence[Row]], Awaitable[None]],
) -> None:
    """Move documents in batches, by id; the next walk of this name begins with what older processes wrote since."""
    visible = clock.first_id(clock.now() - OVERLAP)
    came = await mongo.one(MIGRATIONS, {"_id": name})
    at: str = came["at"] if came else ""
    read = dict.fromkeys(fields, 1)
    while rows := await mongo.many(collection, {"_id": {"$gt": at}}, fields=read, sort=[("_id", 1)], limit=ROWS):
        for begin in range(0, len(rows), BATCH):
            await move(mongo, rows[begin : begin + BATCH])
        at = rows[-1]["_id"]
        await _came(mongo, name, at)
    await _came(mongo, name, visible)


async def _came(mongo: Mongo, name: str, at: str) -> None:
    await mongo.update(MIGRATIONS, {"_id": name}, {"$set": {"at": at}}, upsert=True)


async def _add_slots(mongo: Mongo, groups: Sequence[NotificationRow]) -> None:
    writes = [
        UpdateOne({"_id": each["_id"], "open": True}, {"$set": {"slot": slot}})
        for each in groups
        if each.get("open") and each.get("slot") != (slot := slot_of(each))
    ]
    if writes:
        async with translate_errors():
            await mongo.database[NOTIFICATIONS].bulk_write(writes, ordered=False)


async def _copy_terms(mongo: Mongo, posts: Sequence[PostRow]) -> None:
    rows: list[PostTermsRow] = [
        {
            "_id": each["_id"],
            "author_id": each["author_id"],
            "visibility": each.get("visibility", "public"),
            "tags": each.get("tags", []),
            "words": each.get("words", []),
        }
        for each in posts
    ]
    await mongo.insert_missing(POST_TERMS, rows)
    ids = [each["_id"] for each in rows]
    left = await mongo.get_many(POSTS, ids, ("_id",))
    await mongo.delete_by_ids(POST_TERMS, [each for each in ids if each not in left])  # deleted meanwhile


async def _emails(mongo: Mongo, after: str) -> list[UserRow]:
    """Return the next addresses, read from their index alone."""
    return await mongo.many(
        USERS, {"email": {"$gt": after}}, fields={"_id": 0, "email": 1}, sort=[("email", 1)], limit=EMAILS
    )


async def _respell(mongo: Mongo, old: str, new: str) -> None:
    try:
        async with translate_errors():
            await mongo.database[USERS].update_one({"email": old}, {"$set": {"email": new}})
            await mongo.database[ONE_TIME_TOKENS].update_many({"email": old}, {"$set": {"email": new}})
    except DuplicateKeyError:
        user = await mongo.one(USERS, {"email": old}, {"_id": 1})
        log.warning("another account has this one's address", user_id=user and user["_id"])


async def _add(mongo: Mongo, writes: list[UpdateOne]) -> None:
    try:
        async with translate_errors():
            await mongo.database[INTERACTIONS].bulk_write(writes, ordered=False)
    except BulkWriteError as error:  # a duplicate is an act that was moved already
        if any(each["code"] != DUPLICATE_KEY for each in write_errors(error)):
            raise


def _moved(name: str, row: Document) -> UpdateOne:
    post_id, user_id = row["post_id"], row["user_id"]
    match name:
        case "likes":
            act, done = "like_id", {"like_id": _id_of(row["at"], user_id)}
        case "reposts":
            act, done = "repost_id", {"repost_id": row["repost_id"], "reposted_by": user_id}
        case _:
            act, done = "bookmark_id", {"bookmark_id": _id_of(row["bookmarked_at"], post_id)}
    change = {"$set": {"post_id": post_id, "user_id": user_id, **done}}
    return UpdateOne({"_id": row["_id"], act: None}, change, upsert=True)


def _id_of(at: datetime, unique: str) -> str:
    """Return an id that sorts by the millisecond of an act and is always equal for it."""
    seconds, millis = divmod(clock.millis(at), 1000)
    return f"{seconds:08x}{millis:04x}{unique[-12:]}"
