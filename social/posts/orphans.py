"""Orphans, under deleted posts and comments: deleted piece by piece once nothing that adds to them is under way."""

from collections.abc import Sequence
from typing import Any

from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.rows import COMMENT_LIKES, COMMENTS, DELETIONS, INTERACTIONS, POST_REVISIONS, Collection
from social.posts import comments, media
from social.posts.deletions import Kind

AT_ONCE = 100  # deletions looked at
CHUNK = 200  # documents of a collection taken out
SETTLES = clock.SETTLES  # a write that met a deletion has committed by then, or been given up

UNDER: dict[
    Kind, tuple[tuple[Collection[Any], str], ...]
] = {  # collections, and their fields that name what was deleted
    "post": tuple((each, "post_id") for each in (COMMENTS, INTERACTIONS, POST_REVISIONS)),
    "comment": ((COMMENTS, "parent_id"), (COMMENT_LIKES, "comment_id")),
}


async def sweep(plaza: Plaza) -> int:
    """Delete a piece of what is under the oldest deletions, and deletions with nothing under them; return how many."""
    settled = {"at": {"$lt": clock.now() - SETTLES}}
    rows = await plaza.mongo.many(DELETIONS, settled, sort=[("at", 1)], limit=AT_ONCE)
    gone = 0
    for kind, under in UNDER.items():
        ids = [row["_id"] for row in rows if row["kind"] == kind]
        if not ids:
            continue
        taken = [await _take(plaza, collection, field, ids) for collection, field in under]
        if kind == "post":
            taken.append(await media.release_of_posts(plaza.mongo, ids))
        if all(count < CHUNK for count in taken):
            await plaza.mongo.delete(DELETIONS, {"_id": {"$in": ids}})
            gone += len(ids)
        gone += sum(taken)
    return gone


async def _take(plaza: Plaza, collection: Collection[Any], field: str, ids: Sequence[str]) -> int:
    if collection == COMMENTS:  # events are recorded of them, and they have something under them too
        return await plaza.commit(comments.take_out_some, {field: {"$in": list(ids)}}, CHUNK)
    found = await plaza.mongo.many(collection, {field: {"$in": list(ids)}}, fields={"_id": 1}, limit=CHUNK)
    if found:
        await plaza.mongo.delete(collection, {"_id": {"$in": [each["_id"] for each in found]}})
    return len(found)
