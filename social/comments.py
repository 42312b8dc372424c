"""Comments under a post."""

import asyncio
from collections.abc import Sequence

from social import users, visibility
from social.contracts.events import CommentAdded
from social.contracts.people import UserRef
from social.contracts.posts import Comment, Comments
from social.contracts.problems import NotFound
from social.infra import clock
from social.infra.mongo import Document, Mongo, Transaction
from social.infra.paging import Listing

UNDER_POST = Listing("comments", "comments", "_id")


async def add(tx: Transaction, post_id: str, text: str, *, by: str) -> Comment:
    """Comment on a post; raises NotFound."""
    post = (await visibility.post(tx, post_id, viewer=by)).post
    author = await tx.one("users", {"_id": by}, users.REF_FIELDS)
    if author is None:
        raise NotFound
    comment = {
        "_id": clock.new_id(),
        "post_id": post_id,
        "author_id": by,
        "text": text,
        "created_at": clock.now(),
        "edited_at": None,
        "likes": 0,
    }
    await tx.insert("comments", comment)
    tx.record(CommentAdded(comment_id=comment["_id"], post_id=post_id, author_id=post["author_id"], by=by))
    return _comment(comment, users.ref(author))


async def page(mongo: Mongo, post_id: str, *, viewer: str, cursor: str | None, limit: int) -> Comments:
    """A post's comments as this viewer sees them, newest first; raises NotFound."""
    await visibility.post(mongo, post_id, viewer=viewer)

    async def show(rows: list[Document]) -> list[Comment | None]:
        rendered, hidden = await asyncio.gather(
            _render(mongo, rows), visibility.apart(mongo, viewer, (row["author_id"] for row in rows))
        )
        shown = {each.id: each for each in rendered if each.author.id not in hidden}
        return [shown.get(row["_id"]) for row in rows]

    found = await UNDER_POST.filled(mongo, {"post_id": post_id}, show, cursor=cursor, limit=limit)
    return Comments(items=found.items, next=found.next, prev=found.prev)


async def public(mongo: Mongo, ids: Sequence[str]) -> list[Comment]:
    """Comments as a push carries them; those that are gone are left out."""
    found = await mongo.many("comments", {"_id": {"$in": list(ids)}}, sort=[("_id", 1)])
    return await _render(mongo, found)


async def existing(tx: Transaction, ids: list[str]) -> set[str]:
    """Which of these comments still exist."""
    return {each["_id"] for each in await tx.many("comments", {"_id": {"$in": ids}}, {"_id": 1})}


async def _render(mongo: Mongo, found: Sequence[Document]) -> list[Comment]:
    authors = await users.refs(mongo, (each["author_id"] for each in found))
    return [_comment(each, authors[each["author_id"]]) for each in found if each["author_id"] in authors]


def _comment(comment: Document, author: UserRef) -> Comment:
    return Comment.model_construct(
        id=comment["_id"],
        post_id=comment["post_id"],
        author=author,
        text=comment["text"],
        created_at=comment["created_at"],
        edited_at=comment["edited_at"],
        likes=max(0, comment["likes"]),
    )
