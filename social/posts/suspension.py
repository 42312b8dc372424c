"""Suspended people are left out of counts, as of the lists beside these.

The folded counters go on counting everybody. Beside each stands how much of it is hidden (`hidden.likes`, …), and what
is shown is the difference. When somebody is suspended a worker walks through what they did, chunk by chunk, and adds
it to what is hidden; when that is lifted it takes as much away. Both find as much, since a suspended person does
nothing, and a verb that deletes something of theirs meanwhile takes it out of what is hidden too.

A reply is hidden with its author, and under a post also with the author of the comment that it answers.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from social.contracts.events import SuspensionCounted
from social.infra.store.mongo import Reader, Transaction
from social.infra.store.rows import COMMENT_LIKES, COMMENTS, EDGES, INTERACTIONS, POSTS, USERS, Collection, CommentRow
from social.people import edges, users
from social.people.counters import HIDDEN
from social.people.hidden_counts import MARK, Delta, add, counted_out
from social.posts.counters import OF_ACTS

CHUNK = 200


Found = tuple[list[Delta], str | None]  # and where to go on


Part = Callable[[Reader, SuspensionCounted], Awaitable[Found]]


async def some(reader: Reader, event: SuspensionCounted) -> tuple[list[Delta], SuspensionCounted | None]:
    """Return what the next chunk of a person's acts changes in counts, and the event for the chunk after it."""
    found, after = await PARTS[event.part](reader, event)
    deltas = [(collection, id_, f"{HIDDEN}.{name}", n * event.by) for collection, id_, name, n in found]
    part = event.part if after is not None else event.part + 1
    if part == len(PARTS):
        return deltas, None
    return deltas, event.model_copy(update={"part": part, "after": after or ""})


async def _interactions(reader: Reader, event: SuspensionCounted) -> Found:
    user_id, after = event.user_id, event.after
    where = {"user_id": user_id, "_id": {"$gt": after}}
    rows = await reader.many(INTERACTIONS, where, sort=[("_id", 1)], limit=CHUNK)
    found = [(POSTS, row["post_id"], name, 1) for row in rows for act, name in OF_ACTS.items() if row.get(act)]
    return found, _last(rows, "_id")


async def _comment_likes(reader: Reader, event: SuspensionCounted) -> Found:
    user_id, after = event.user_id, event.after
    where = {"user_id": user_id, "_id": {"$gt": after}}
    rows = await reader.many(COMMENT_LIKES, where, sort=[("_id", 1)], limit=CHUNK)
    return [(COMMENTS, row["comment_id"], "likes", 1) for row in rows], _last(rows, "_id")


async def _follows(reader: Reader, event: SuspensionCounted) -> Found:
    user_id, after = event.user_id, event.after
    # What was accepted since then was hidden with that.
    ever = {**edges.EVER, "$lte": event.until} if event.until else edges.EVER
    where = {"_id": {"$gt": after or user_id, "$lt": user_id + "g"}, "follows_at": ever}  # ids are hexadecimal
    rows = await reader.many(EDGES, where, sort=[("_id", 1)], limit=CHUNK)
    return [(USERS, row["to"], "followers", 1) for row in rows], _last(rows, "_id")


async def _followers(reader: Reader, event: SuspensionCounted) -> Found:
    user_id, after = event.user_id, event.after
    where = {"to": user_id, "from": {"$gt": after}, "follows_at": edges.EVER}
    rows = await reader.many(EDGES, where, sort=[("from", 1)], limit=CHUNK)
    return [(USERS, row["from"], "following", 1) for row in rows], _last(rows, "from")


async def _comments(reader: Reader, event: SuspensionCounted) -> Found:
    user_id, after = event.user_id, event.after
    where = {"author_id": user_id, "_id": {"$gt": after}}
    rows = await reader.many(COMMENTS, where, sort=[("_id", 1)], limit=CHUNK)
    tops = [row["_id"] for row in rows if not row.get("parent_id")]
    fields = {"post_id": 1, "author_id": 1}
    replies = await reader.many(COMMENTS, {"parent_id": {"$in": tops}}, fields=fields) if tops else []
    parents = await reader.get_many(COMMENTS, {parent_id for row in rows if (parent_id := row.get("parent_id"))})
    others = {each["author_id"] for each in [*replies, *parents.values()]} - {user_id}
    out = await counted_out(reader, others)
    found: Counter[tuple[Collection[Any], str, str]] = Counter()
    for row in rows:
        parent = parents.get(row.get("parent_id") or "")
        if parent is not None:
            found[COMMENTS, parent["_id"], "replies"] += 1
        if parent is None or parent["author_id"] not in out:
            found[POSTS, row["post_id"], "comments"] += 1
    for row in replies:
        if row["author_id"] != user_id and row["author_id"] not in out:
            found[POSTS, row["post_id"], "comments"] += 1
    return [(*what, n) for what, n in found.items()], _last(rows, "_id")


PARTS: tuple[Part, ...] = (_interactions, _comment_likes, _follows, _followers, _comments)


async def taken_out(tx: Transaction, gone: Mapping[str, CommentRow], parents: Mapping[str, str]) -> None:
    """Take comments that a verb deletes out of what is hidden.

    `parents`: the authors of the comments they answer. Cards suffice, so that a deletion reads nothing more.
    """
    people = await users.all_cards(tx, {each["author_id"] for each in gone.values()} | set(parents.values()))
    out = {user_id for user_id, card in people.items() if card.get(MARK)}
    less: Counter[tuple[Collection[Any], str, str]] = Counter()
    for each in gone.values() if out else ():
        parent_id = each.get("parent_id") or ""
        if each["author_id"] in out or parents.get(parent_id) in out:
            less[POSTS, each["post_id"], "comments"] += 1
        if each["author_id"] in out and parent_id and parent_id not in gone:
            less[COMMENTS, parent_id, "replies"] += 1
    add(tx, ((*what, -n) for what, n in less.items()))


def _last(rows: Sequence[Mapping[str, Any]], field: str) -> str | None:
    return str(rows[-1][field]) if len(rows) == CHUNK else None
