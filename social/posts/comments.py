"""Comments under a post, and one level of replies to them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, cast, get_args

from social.contracts.comments import Comment, CommentPublic, Comments, CommentStats, Sort
from social.contracts.events import CommentAdded, CommentDeleted, CommentEdited
from social.contracts.people import UserRef
from social.contracts.problems import FieldProblem, Forbidden, NotFound, ValidationFailed
from social.infra import clock
from social.infra.store.loaders import together
from social.infra.store.mongo import Document, Mongo, Reader, Transaction, Where
from social.infra.store.paging import Asked, Listing
from social.infra.store.pairs import get_pairs
from social.infra.store.revisions import WHATEVER, Expected
from social.infra.store.rows import COMMENT_LIKES, COMMENTS, EDGES, POSTS, CommentCounts, CommentRow
from social.people import edges, users
from social.people.counters import all_shown, read_fields
from social.posts import access, deletions, entities, publishing, suspension
from social.posts.counters import OF_COMMENTS

Edited = Literal["text", "entities", "mentions", "edited_at", "rev"]
EDITED: tuple[Edited, ...] = get_args(Edited)
REPLIES_AT_ONCE = 200  # that go in the transaction of their comment; more follow by the sweeper


class Counts(CommentCounts):
    """The counts of a comment as people see them, and their version."""

    version: int


def _sorts(name: str) -> dict[Sort, Listing[CommentRow]]:
    return {
        "oldest": Listing(f"{name}, oldest", COMMENTS, "_id", ascending=True),
        "newest": Listing(f"{name}, newest", COMMENTS, "_id"),
        "top": Listing(f"{name}, top", COMMENTS, "likes", "_id"),
    }


UNDER_POST, UNDER_COMMENT = _sorts("comments"), _sorts("replies")


async def add(tx: Transaction, post_id: str, text: str, *, by: str, parent_id: str | None = None) -> Comment:
    """Comment on a post, or answer a comment under it; raises NotFound, and ValidationFailed for a reply to a reply."""
    parent: CommentRow | None = None
    if parent_id is None:
        post = await access.readable(tx, post_id, viewer=by)
    else:
        seen = await access.comment(tx, parent_id, viewer=by)
        parent, post = seen.comment, seen.post
        if parent["post_id"] != post_id:
            raise NotFound
        if parent.get("parent_id"):
            problem = FieldProblem(pointer="/parent_id", code="reply", detail="a reply has no replies of its own")
            raise ValidationFailed(errors=[problem])
    written = await entities.read(tx, text, by=by)
    comment = new(clock.new_id(), post_id, parent_id, text, written, by=by, at=clock.now())
    tx.insert(COMMENTS, comment)
    about = _about(comment, post["author_id"], parent["author_id"] if parent else None)
    tx.record(CommentAdded(**about, mentions=written.people))
    return Comment.model_construct(**_public(comment, users.ref(written.author)), liked=False)


def new(
    comment_id: str,
    post_id: str,
    parent_id: str | None,
    text: str,
    written: entities.Written,
    *,
    by: str,
    at: datetime,
) -> CommentRow:
    """Return a new comment, or a reply to the comment `parent_id`."""
    return {
        "_id": comment_id,
        "post_id": post_id,
        "parent_id": parent_id,
        "author_id": by,
        "text": text,
        "entities": written.kept,
        "mentions": written.people,
        "created_at": at,
        "edited_at": None,
        "rev": 0,
        "likes": 0,
        "replies": 0,
        "version": 0,
    }


async def edit(tx: Transaction, comment_id: str, text: str, *, by: str, expected: Expected = WHATEVER) -> Comment:
    """Change what one's own comment says; raises NotFound, Forbidden, PreconditionFailed."""
    seen = await access.comment(tx, comment_id, viewer=by)
    comment = seen.comment
    if comment["author_id"] != by:
        raise Forbidden("Only its author can edit a comment")
    expected.check(comment_id, comment.get("rev", 0))
    if text != comment["text"]:
        written = await entities.read(tx, text, by=by)
        unchanged = {"_id": comment_id, "rev": comment.get("rev")}
        comment |= {
            "text": text,
            "entities": written.kept,
            "mentions": written.people,
            "edited_at": clock.now(),
            "rev": comment.get("rev", 0) + 1,
        }
        tx.update(COMMENTS, unchanged, {"$set": {name: comment[name] for name in EDITED}})
        parents = await _authors(tx, filter(None, [comment.get("parent_id")]))
        about = _about(comment, seen.post["author_id"], parents.get(comment.get("parent_id") or ""))
        tx.record(CommentEdited(**about, mentions=written.people))
    return Comment.model_construct(**_public(comment, users.ref(seen.author)), liked=seen.liked)


async def delete(tx: Transaction, comment_id: str, *, by: str) -> None:
    """Delete one's own comment, or one under one's own post, with its replies; raises NotFound, Forbidden.

    Both may delete it whether or not they still see it: across a block, or under a post gone private.
    """
    comment = await tx.get(COMMENTS, comment_id)
    post = comment and await tx.get(POSTS, comment["post_id"], ("author_id",))
    if not comment or not post:
        raise NotFound
    if by not in (comment["author_id"], post["author_id"]):
        await access.comment(tx, comment_id, viewer=by)
        raise Forbidden("Only its author and the post's can delete a comment")
    await take_out(tx, [comment])


async def take_out(tx: Transaction, found: Sequence[CommentRow]) -> None:
    """Delete comments with their replies, record an event of each, and leave what is under them to the sweeper."""
    tops = [each["_id"] for each in found if not each.get("parent_id")]
    replies = await tx.many(COMMENTS, {"parent_id": {"$in": tops}}, limit=REPLIES_AT_ONCE) if tops else []
    gone = {each["_id"]: each for each in [*found, *replies]}
    for comment_id in gone:  # each exactly once, since each has an event
        tx.delete(COMMENTS, {"_id": comment_id})
    deletions.note(tx, "comment", gone)
    authors = await publishing.authors(tx, (each["post_id"] for each in gone.values()))
    parents = await _authors(tx, {parent_id for each in found if (parent_id := each.get("parent_id"))} - set(gone))
    parents |= {each["_id"]: each["author_id"] for each in found}
    await suspension.taken_out(tx, gone, parents)
    for each in gone.values():
        if author_id := authors.get(each["post_id"]):
            tx.record(CommentDeleted(**_about(each, author_id, parents.get(each.get("parent_id") or ""))))


async def take_out_some(tx: Transaction, where: Where, most: int) -> int:
    """Delete up to `most` comments that match `where`; return how many were deleted."""
    found = await tx.many(COMMENTS, where, limit=most)
    if found:
        await take_out(tx, found)
    return len(found)


async def get(mongo: Mongo, comment_id: str, *, viewer: str) -> Comment:
    """Return a comment as this viewer sees it; raises NotFound."""
    seen = await access.comment(mongo, comment_id, viewer=viewer)
    return Comment.model_construct(**_public(seen.comment, users.ref(seen.author)), liked=seen.liked)


async def page(mongo: Mongo, post_id: str, *, viewer: str, sort: Sort, cursor: str | None, limit: int) -> Comments:
    """Return a post's comments as this viewer sees them, without replies; raises NotFound."""
    await access.readable(mongo, post_id, viewer=viewer)
    where = {"post_id": post_id, "parent_id": None}
    return await _page(mongo, UNDER_POST[sort], where, Asked(viewer, cursor, limit, post_id))


async def replies(
    mongo: Mongo, comment_id: str, *, viewer: str, sort: Sort, cursor: str | None, limit: int
) -> Comments:
    """Return the replies to a comment as this viewer sees them; raises NotFound."""
    await access.comment(mongo, comment_id, viewer=viewer)
    where = {"parent_id": comment_id}
    return await _page(mongo, UNDER_COMMENT[sort], where, Asked(viewer, cursor, limit, comment_id))


async def public(mongo: Mongo, ids: Iterable[str]) -> list[CommentPublic]:
    """Return comments as a push carries them; those that are gone are left out."""
    found = (await mongo.get_many(COMMENTS, sorted(ids))).values()
    authors = await users.refs(mongo, {each["author_id"] for each in found})
    here = [each for each in found if each["author_id"] in authors]
    public = (_public(each, authors[each["author_id"]]) for each in here)
    return [
        CommentPublic.model_construct(**each | {"entities": entities.for_many(each["entities"])}) for each in public
    ]


async def many_stats(mongo: Mongo, ids: Iterable[str]) -> list[tuple[str, CommentStats]]:
    """Return counts of many comments, each with its author; those that are gone are missing."""
    found = await mongo.get_many(COMMENTS, ids, ("post_id", "author_id", *read_fields(OF_COMMENTS)))
    return [
        (
            each["author_id"],
            CommentStats.model_construct(comment_id=each["_id"], post_id=each["post_id"], **counts(each)),
        )
        for each in found.values()
    ]


def counts(comment: CommentRow) -> Counts:
    """Return counts and their version; never negative, whatever the deltas say meanwhile."""
    return cast(Counts, all_shown(comment, OF_COMMENTS))


async def _page(mongo: Mongo, listing: Listing[CommentRow], where: Where, asked: Asked) -> Comments:
    viewer = asked.viewer

    async def narrow(hidden: list[CommentRow]) -> Where:
        return {"author_id": {"$nin": sorted({row["author_id"] for row in hidden})}}

    async def show(rows: list[CommentRow]) -> list[Comment | None]:
        ids = {row["author_id"] for row in rows}
        authors, to_people, liked = await together(
            users.cards(mongo, ids),
            get_pairs(mongo, EDGES, ((viewer, each) for each in ids | access.named_in(rows))),
            get_pairs(mongo, COMMENT_LIKES, ((row["_id"], viewer) for row in rows)),
        )
        shown: list[Comment | None] = []
        for row in rows:
            author, found = authors.get(row["author_id"]), to_people.get(viewer + row["author_id"])
            edge = edges.of(found) if found else edges.Edge(viewer, row["author_id"])
            if author is None or access.hides(author, edge):
                shown.append(None)
            else:
                public = _public(access.naming_none_apart(row, to_people, viewer), users.ref(author))
                shown.append(Comment.model_construct(**public, liked=row["_id"] + viewer in liked))
        return shown

    found = await listing.filled(mongo, where, show, asked, narrow=narrow)
    return Comments(items=found.items, next=found.next, prev=found.prev)


async def _authors(reader: Reader, ids: Iterable[str]) -> dict[str, str]:
    found = await reader.get_many(COMMENTS, ids, ("author_id",))
    return {comment_id: each["author_id"] for comment_id, each in found.items()}


def _about(comment: CommentRow, post_author_id: str, parent_author_id: str | None) -> Document:
    """Return the fields that every event about a comment has."""
    return {
        "comment_id": comment["_id"],
        "post_id": comment["post_id"],
        "author_id": post_author_id,
        "by": comment["author_id"],
        "parent_id": comment.get("parent_id"),
        "parent_author_id": parent_author_id,
    }


def _public(comment: CommentRow, author: UserRef) -> Document:
    return {
        "id": comment["_id"],
        "post_id": comment["post_id"],
        "parent_id": comment.get("parent_id"),
        "author": author,
        "text": comment["text"],
        "entities": entities.of(comment),
        "created_at": comment["created_at"],
        "edited_at": comment["edited_at"],
        "rev": comment.get("rev", 0),
        **counts(comment),
    }
