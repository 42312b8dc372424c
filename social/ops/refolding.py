"""Words and hashtags that an older release found by other rules: `migrate` finds them anew, for searches to find."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from social.infra import clock
from social.infra.store.mongo import OVERLAP, Mongo, Transaction
from social.infra.store.rows import MIGRATIONS, POST_TERMS, POSTS, USERS, Collection, PostRow, Row, UserRow
from social.infra.store.transaction import Where
from social.people import terms
from social.people.folding import RULES
from social.posts import entities
from social.posts import terms as words

ROWS = 5_000  # of one look: the embedded store goes through the whole collection for each
BATCH = 200  # posts of one transaction, people at once
TIMEOUT_S = 30.0
_SAID = {"text": 1, "entities": 1, "mentions": 1, "tags": 1, "words": 1}
_NAMED = {"username": 1, "display_name": 1, "words": 1}


async def refold(mongo: Mongo) -> None:
    """Find the words of stored posts and names by the rules of this release; safe to stop and to repeat.

    How far it came is in `migrations`: the next time it begins there, with what was written since.
    """
    await _walk(mongo, POSTS, {"rules": {"$ne": RULES}}, {"_id": 1}, _posts)
    await _walk(mongo, USERS, {"deleted_at": None}, _NAMED, _people)


async def _walk(
    mongo: Mongo,
    collection: Collection[Row],
    where: Where,
    fields: Where,
    refold_some: Callable[[Mongo, Sequence[Row]], Awaitable[None]],
) -> None:
    row_id, visible = f"{collection} by rules {RULES}", clock.first_id(clock.now() - OVERLAP)
    came = await mongo.one(MIGRATIONS, {"_id": row_id})
    at: str = came["at"] if came else ""
    while rows := await mongo.many(
        collection, {"_id": {"$gt": at}, **where}, fields=fields, sort=[("_id", 1)], limit=ROWS
    ):
        await refold_some(mongo, rows)
        at = rows[-1]["_id"]
        await _came(mongo, row_id, at)
    await _came(mongo, row_id, visible)  # what was being written meanwhile may have appeared behind the walk


async def _came(mongo: Mongo, row_id: str, at: str) -> None:
    await mongo.update(MIGRATIONS, {"_id": row_id}, {"$set": {"at": at}}, upsert=True)


async def _posts(mongo: Mongo, rows: Sequence[PostRow]) -> None:
    for at in range(0, len(rows), BATCH):
        ids = [row["_id"] for row in rows[at : at + BATCH]]
        await mongo.transact(partial(_read_again, ids=ids), timeout_s=TIMEOUT_S)


async def _read_again(tx: Transaction, ids: Sequence[str]) -> None:
    """Find the hashtags and words of posts anew. Whom they name stays: the writer meant who was there then."""
    for post in await tx.many(POSTS, {"_id": {"$in": ids}, "rules": {"$ne": RULES}}, fields=_SAID):
        named = [each for each in entities.of(post) if each.kind == "mention"]
        tags = [each for each in entities.parse(post["text"]) if each.kind == "hashtag"]
        found = sorted([*named, *tags], key=lambda each: each.start)
        kept, keys = entities.kept(found), entities.tags(found)
        change = {"entities": kept, "tags": keys, "words": words.of(post["text"])}
        if all(post.get(name) == value for name, value in change.items()):
            continue  # most are: to write them would cost the store a hundred times as much
        unchanged = {name: post.get(name) for name in ("_id", "text", "mentions")}  # by an edit, by who leaves
        tx.update(POSTS, unchanged, {"$set": {**change, "rules": RULES}})
        tx.touch(POST_TERMS, {"_id": post["_id"]}, {"$set": {"tags": keys, "words": change["words"]}})


async def _people(mongo: Mongo, rows: Sequence[UserRow]) -> None:
    ids = [row["_id"] for row in rows if row.get("words") != _words(row)]
    for at in range(0, len(ids), BATCH):
        some = ids[at : at + BATCH]
        await asyncio.gather(*(mongo.transact(partial(_name_again, user_id=each)) for each in some))


async def _name_again(tx: Transaction, user_id: str) -> None:
    user = await tx.one(USERS, {"_id": user_id, "deleted_at": None}, _NAMED)
    if user is None or user.get("words") == _words(user):
        return
    unchanged = {name: user.get(name) for name in ("_id", "display_name", "words")}
    tx.update(USERS, unchanged, {"$set": {"words": _words(user)}})
    terms.move(tx, user, {**user, "words": _words(user)})


def _words(user: UserRow) -> list[str]:
    return terms.of(user["username"], user["display_name"])
