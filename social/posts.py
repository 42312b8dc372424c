"""Posts: publish, read, delete."""

import asyncio
from collections.abc import Iterable, Sequence

from social import users
from social.contracts.events import PostDeleted, PostPublished
from social.contracts.people import UserRef
from social.contracts.posts import Post, PostPublic, Posts, PostStats
from social.contracts.problems import Forbidden, NotFound
from social.infra import clock
from social.infra.mongo import Document, Mongo, Transaction
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
    """Delete one's own post; its timeline entries, comments and likes follow by the workers."""
    if not await tx.delete("posts", {"_id": post_id, "author_id": by}):
        if await tx.one("posts", {"_id": post_id}, {"_id": 1}):
            raise Forbidden("Only its author can delete a post")
        raise NotFound
    await tx.delete("feed_entries", {"_id": by + post_id})
    tx.record(PostDeleted(post_id=post_id, author_id=by))


async def get(mongo: Mongo, post_id: str, *, viewer: str) -> Post:
    """One post as this viewer sees it; raises NotFound."""
    post = await mongo.one("posts", {"_id": post_id})
    if post is None:
        raise NotFound
    seen = await render(mongo, [post], viewer=viewer)
    if not seen:
        raise NotFound
    return seen[0]


async def by_author(mongo: Mongo, username: str, *, viewer: str, cursor: str | None, limit: int) -> Posts:
    """A person's posts, newest first."""
    author = await users.by_username(mongo, username)
    page = await BY_AUTHOR.page(mongo, {"author_id": author["_id"]}, cursor=cursor, limit=limit)
    return Posts(items=await render(mongo, page.items, viewer=viewer), next=page.next, prev=page.prev)


async def render(mongo: Mongo, posts: Sequence[Document], *, viewer: str) -> list[Post]:
    """Posts with their authors and whether the viewer likes them; those of people who are gone are left out."""
    if not posts:
        return []
    wanted = {"_id": {"$in": [post["_id"] + viewer for post in posts]}}
    authors, likes = await asyncio.gather(
        users.refs(mongo, (post["author_id"] for post in posts)),
        mongo.many("likes", wanted, fields={"post_id": 1}),
    )
    liked = {like["post_id"] for like in likes}
    return [
        Post.model_construct(**_public(post, authors[post["author_id"]]), liked=post["_id"] in liked)
        for post in posts
        if post["author_id"] in authors
    ]


async def public(mongo: Mongo, post_id: str) -> PostPublic | None:
    """A post as a push carries it, or None when it is gone."""
    post = await mongo.one("posts", {"_id": post_id})
    author = post and (await users.refs(mongo, [post["author_id"]])).get(post["author_id"])
    return PostPublic.model_construct(**_public(post, author)) if post and author else None


async def existing(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Which of these posts still exist."""
    return {each["_id"] for each in await tx.many("posts", {"_id": {"$in": list(set(ids))}}, {"_id": 1})}


async def stats(mongo: Mongo, post_id: str) -> PostStats:
    """A post's counts as folded so far; raises NotFound."""
    found = await many_stats(mongo, [post_id])
    if not found:
        raise NotFound
    return found[0]


async def many_stats(mongo: Mongo, ids: Iterable[str]) -> list[PostStats]:
    """Counts of many posts; those that are gone are missing."""
    fields = {"likes": 1, "comments": 1, "version": 1}
    found = await mongo.many("posts", {"_id": {"$in": list(ids)}}, fields=fields)
    return [PostStats.model_construct(post_id=each["_id"], **counts(each)) for each in found]


def counts(post: Document) -> Document:
    """Counts and their version; never negative, whatever the deltas say meanwhile."""
    return {"likes": max(0, post["likes"]), "comments": max(0, post["comments"]), "version": post["version"]}


def _public(post: Document, author: UserRef) -> Document:
    return {
        "id": post["_id"],
        "author": author,
        "text": post["text"],
        "created_at": post["created_at"],
        "edited_at": post["edited_at"],
        **counts(post),
    }
