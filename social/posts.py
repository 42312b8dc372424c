"""Posts: publish, read, delete."""

import asyncio
from collections.abc import Iterable, Sequence

from social import deletions, edges, users, visibility
from social.contracts.events import PostDeleted, PostPublished
from social.contracts.people import UserRef
from social.contracts.posts import Post, PostPublic, Posts, PostStats
from social.contracts.problems import Forbidden, NotFound
from social.infra import clock
from social.infra.mongo import Document, Mongo, Reader, Transaction
from social.infra.paging import Listing

BY_AUTHOR = Listing("posts", "posts", "_id")


def entry(owner: str, post_id: str, author_id: str) -> Document:
    """A home-timeline entry: one an owner and post, by its id."""
    return {"_id": owner + post_id, "owner": owner, "post_id": post_id, "author_id": author_id}


async def publish(tx: Transaction, text: str, *, by: str) -> Post:
    """Publish a post: into one's own timeline at once, into the followers' by the workers."""
    author = await tx.one("users", {"_id": by}, users.REF_FIELDS)
    if author is None:
        raise NotFound
    post: Document = {
        "_id": clock.new_id(),
        "author_id": by,
        "text": text,
        "created_at": clock.now(),
        "edited_at": None,
        "likes": 0,
        "comments": 0,
        "version": 0,
    }
    await tx.insert("posts", post)
    await tx.insert("feed_entries", entry(by, post["_id"], by))
    tx.record(PostPublished(post_id=post["_id"], author_id=by))
    return Post.model_construct(**_public(post, users.ref(author)), liked=False)


async def delete(tx: Transaction, post_id: str, *, by: str) -> None:
    """Delete one's own post; its timeline entries, and all that is under it, follow by the workers."""
    if not await tx.delete("posts", {"_id": post_id, "author_id": by}):
        await visibility.post(tx, post_id, viewer=by)
        raise Forbidden("Only its author can delete a post")
    await tx.delete("feed_entries", {"_id": by + post_id})
    await deletions.note(tx, "post", [post_id])
    tx.record(PostDeleted(post_id=post_id, author_id=by))


async def get(mongo: Mongo, post_id: str, *, viewer: str) -> Post:
    """One post as this viewer sees it; raises NotFound."""
    post, author, liked = await visibility.post(mongo, post_id, viewer=viewer)
    return Post.model_construct(**_public(post, users.ref(author)), liked=liked)


async def by_author(mongo: Mongo, username: str, *, viewer: str, cursor: str | None, limit: int) -> Posts:
    """A person's posts, newest first."""
    author = await visibility.author(mongo, username, viewer=viewer)
    page = await BY_AUTHOR.page(mongo, {"author_id": author["_id"]}, cursor=cursor, limit=limit)
    return Posts(items=await render(mongo, page.items, viewer=viewer), next=page.next, prev=page.prev)


async def render(mongo: Mongo, posts: Sequence[Document], *, viewer: str, muted: bool = True) -> list[Post]:
    """Posts with their authors and whether the viewer likes them; left out is what is not for the viewer to see."""
    if not posts:
        return []
    wanted = {"_id": {"$in": [post["_id"] + viewer for post in posts]}}
    ids = {post["author_id"] for post in posts}
    authors, likes, found = await asyncio.gather(
        users.some(mongo, ids),
        mongo.many("likes", wanted, fields={"post_id": 1}),
        edges.between(mongo, [(viewer, each) for each in ids]),
    )
    liked = {like["post_id"] for like in likes}
    shown = {
        author["_id"]: users.ref(author)
        for author in authors
        if visibility.shows(author, edge := found[viewer, author["_id"]]) and (muted or not edge.mutes_at)
    }
    return [
        Post.model_construct(**_public(post, shown[post["author_id"]]), liked=post["_id"] in liked)
        for post in posts
        if post["author_id"] in shown
    ]


async def public(mongo: Mongo, post_id: str) -> PostPublic | None:
    """A post as a push carries it, or None when it is gone."""
    post = await mongo.one("posts", {"_id": post_id})
    author = post and (await users.refs(mongo, [post["author_id"]])).get(post["author_id"])
    return PostPublic.model_construct(**_public(post, author)) if post and author else None


async def existing(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Which of these posts still exist."""
    return {each["_id"] for each in await tx.many("posts", {"_id": {"$in": list(set(ids))}}, {"_id": 1})}


async def authors(reader: Reader, ids: Iterable[str]) -> dict[str, str]:
    """Who wrote these posts; those that are gone are missing."""
    wanted = list(set(ids))
    found = await reader.many("posts", {"_id": {"$in": wanted}}, fields={"author_id": 1}) if wanted else []
    return {post["_id"]: post["author_id"] for post in found}


async def many_stats(mongo: Mongo, ids: Iterable[str]) -> list[PostStats]:
    """Counts of many posts; those that are gone are missing."""
    fields = {"likes": 1, "comments": 1, "reposts": 1, "version": 1}
    found = await mongo.many("posts", {"_id": {"$in": list(ids)}}, fields=fields)
    return [stats(each) for each in found]


def stats(post: Document) -> PostStats:
    """A post's counts as folded so far."""
    return PostStats.model_construct(post_id=post["_id"], **counts(post))


def counts(post: Document) -> Document:
    """Counts and their version; never negative, whatever the deltas say meanwhile."""
    folded = {name: max(0, post.get(name, 0)) for name in ("likes", "comments", "reposts")}
    return {**folded, "version": post["version"]}


def _public(post: Document, author: UserRef) -> Document:
    return {
        "id": post["_id"],
        "author": author,
        "text": post["text"],
        "created_at": post["created_at"],
        "edited_at": post["edited_at"],
        **counts(post),
    }
