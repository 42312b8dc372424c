"""Orphans, under deleted posts and comments: deleted piece by piece once nothing that adds to them is under way."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args

from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.ownership import OWNED_BY, Fate, Owned
from social.infra.store.rows import COMMENTS, DELETIONS, MEDIA, Collection, DeletedKind
from social.posts import comments, media

AT_ONCE = 100  # deletions looked at
CHUNK = 200  # documents of a collection taken out
SETTLES = clock.SETTLES  # a write that met a deletion has committed by then, or been given up

KINDS: tuple[DeletedKind, ...] = get_args(DeletedKind)


async def sweep(plaza: Plaza) -> int:
    """Delete a piece of what is under the oldest deletions, and deletions with nothing under them; return how many."""
    settled = {"at": {"$lt": clock.now() - SETTLES}}
    rows = await plaza.mongo.many(DELETIONS, settled, sort=[("at", 1)], limit=AT_ONCE)
    gone = 0
    for kind in KINDS:
        ids = [row["_id"] for row in rows if row["kind"] == kind]
        if not ids:
            continue
        taken = [await _take(plaza, owned, ids) for owned in OWNED_BY[kind]]
        if all(count < CHUNK for count in taken):
            await plaza.mongo.delete(DELETIONS, {"_id": {"$in": ids}})
            gone += len(ids)
        gone += sum(taken)
    return gone


async def _take(plaza: Plaza, owned: Owned, ids: Sequence[str]) -> int:
    """Delete a piece of what these posts or comments own in a collection; return how many documents it was."""
    if owned.fate is Fate.HANDLED:
        return await HANDLED[owned.collection](plaza, owned.field, ids)
    if owned.fate is not Fate.DELETED:
        return 0
    found = await plaza.mongo.many(owned.collection, {owned.field: {"$in": ids}}, fields={"_id": 1}, limit=CHUNK)
    if found:
        await plaza.mongo.delete(owned.collection, {"_id": {"$in": [each["_id"] for each in found]}})
    return len(found)


async def _comments(plaza: Plaza, field: str, ids: Sequence[str]) -> int:
    """Delete comments with the events that go with them; they have something under them too."""
    return await plaza.commit(comments.take_out_some, {field: {"$in": ids}}, CHUNK)


async def _media(plaza: Plaza, _: str, ids: Sequence[str]) -> int:
    return await media.release_of_posts(plaza.mongo, ids)


HANDLED: dict[Collection[Any], Callable[[Plaza, str, Sequence[str]], Awaitable[int]]] = {
    COMMENTS: _comments,
    MEDIA: _media,
}
