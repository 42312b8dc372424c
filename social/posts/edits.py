"""Edits of posts: what a post says now, and what it said before."""

from social.contracts.events import PostEdited
from social.contracts.posts import Post, Revision, Revisions
from social.contracts.problems import FieldProblem, Forbidden, ValidationFailed
from social.infra import clock
from social.infra.store import cached
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.paging import Asked, Listing
from social.infra.store.revisions import WHATEVER, Expected
from social.infra.store.rows import POST_REVISIONS, POSTS, PostRevisionRow, PostRow
from social.posts import access, entities, publishing, terms

MOST_REVISIONS = 50  # that are kept of a post, the newest

EARLIER = Listing("history", POST_REVISIONS, "_id")


async def edit(tx: Transaction, post_id: str, text: str, *, by: str, expected: Expected = WHATEVER) -> Post:
    """Edit one's own post; the earlier text is kept. An equal text changes nothing.

    Raises NotFound, Forbidden, PreconditionFailed, and ValidationFailed for no text where there are no pictures either.
    """
    seen = await access.post(tx, post_id, viewer=by)
    post = seen.post
    if post["author_id"] != by:
        raise Forbidden("Only its author can edit a post")
    if not text and not post.get("media"):
        problem = FieldProblem(
            pointer="/text", code="string_too_short", detail="a post without pictures says something"
        )
        raise ValidationFailed(errors=[problem])
    rev = post.get("rev", 0)
    expected.check(post_id, rev)
    if text == post["text"]:
        return publishing.rendered(seen)
    written, now = await entities.read(tx, text, by=by), clock.now()
    said = publishing.said(text, written)
    changed: PostRow = {**post, **said, "edited_at": now, "rev": rev + 1}
    change = {**said, "edited_at": now, "rev": rev + 1}
    tx.update(POSTS, {"_id": post_id, "rev": post.get("rev")}, {"$set": change})
    terms.keep(tx, changed)
    tx.stale.append(cached.key(POSTS, post_id))
    if rev >= MOST_REVISIONS:
        tx.clear(POST_REVISIONS, {"post_id": post_id, "rev": {"$lte": rev - MOST_REVISIONS}})
    written_at = post["edited_at"] or post["created_at"]
    before = PostRevisionRow(_id=clock.new_id(), post_id=post_id, rev=rev, text=post["text"], at=written_at)
    tx.insert(POST_REVISIONS, before)
    tx.record(PostEdited(post_id=post_id, author_id=by, mentions=written.people))
    return publishing.rendered(seen._replace(post=changed))


async def history(mongo: Mongo, post_id: str, *, viewer: str, cursor: str | None, limit: int) -> Revisions:
    """Return a page of a post's earlier texts, newest first, for a viewer who may see it; raises NotFound."""
    await access.readable(mongo, post_id, viewer=viewer)
    page = await EARLIER.page(mongo, {"post_id": post_id}, Asked(viewer, cursor, limit, post_id))
    items = [Revision.model_construct(rev=each["rev"], text=each["text"], written_at=each["at"]) for each in page.items]
    return Revisions(items=items, next=page.next, prev=page.prev)
