"""Posts: publish, read, delete."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from social.contracts.events import PostDeleted, PostPublished
from social.contracts.people import UserRef
from social.contracts.posts import Post, PostPublic, Posts, PostStats, Visibility
from social.contracts.problems import Forbidden, NotFound
from social.infra import clock
from social.infra.process.even_times import even_time
from social.infra.store import cached
from social.infra.store.loaders import together
from social.infra.store.mongo import Document, Mongo, Reader, Transaction, Where
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import (
    FEED_ENTRIES,
    MEDIA,
    POST_TERMS,
    POSTS,
    FeedEntryRow,
    MediaRow,
    PostCounts,
    PostRow,
    Row,
    WrittenFields,
)
from social.people import folding, users, visibility
from social.people.counters import all_shown, read_fields
from social.posts import access, deletions, entities, entity_syntax, media, media_urls, terms
from social.posts.access import SeenPost
from social.posts.counters import OF_POSTS

BY_AUTHOR = Listing("posts", POSTS, "_id")
BY_TAG = Listing("hashtag", POST_TERMS, "_id")
AUTHOR = ("author_id",)


class Counts(PostCounts):
    """The counts of a post as people see them, and their version."""

    version: int


def entry(owner: str, post_id: str, author_id: str) -> FeedEntryRow:
    """Return a home-timeline entry, one an owner and post by its id; it stands where the post does."""
    return {"_id": owner + post_id, "owner": owner, "place": post_id, "post_id": post_id, "author_id": author_id}


async def publish(
    tx: Transaction, text: str, *, by: str, visible_to: Visibility = "public", showing: Sequence[str] = ()
) -> Post:
    """Publish a post: into one's own timeline at once, into the followers' by the workers.

    It may show pictures of its author's that no post shows yet; raises ValidationFailed for others.
    """
    written, post_id = await entities.read(tx, text, by=by), clock.new_id()
    pictures = await media.attach(tx, showing, post_id, by=by)
    post = new(post_id, text, written, by=by, at=clock.now(), visible_to=visible_to, showing=showing)
    tx.insert(POSTS, post)
    terms.keep(tx, post)
    tx.insert(FEED_ENTRIES, FeedEntryRow(**entry(by, post_id, by), arrived=clock.now()))
    tx.lines.append(by)
    tx.record(PostPublished(post_id=post["_id"], author_id=by, mentions=written.people))
    return rendered(SeenPost(post, written.author, pictures=pictures))


def new(
    post_id: str,
    text: str,
    written: entities.Written,
    *,
    by: str,
    at: datetime,
    visible_to: Visibility = "public",
    showing: Sequence[str] = (),
) -> PostRow:
    """Return a new post, which nobody has counted anything of."""
    kept = said(text, written)
    return {
        "_id": post_id,
        "author_id": by,
        "text": text,
        "entities": kept["entities"],
        "mentions": kept["mentions"],
        "tags": kept["tags"],
        "words": kept["words"],
        "rules": kept["rules"],
        "media": list(showing),
        "visibility": visible_to,
        "created_at": at,
        "edited_at": None,
        "rev": 0,
        "likes": 0,
        "comments": 0,
        "reposts": 0,
        "version": 0,
    }


def said(text: str, written: entities.Written) -> WrittenFields:
    """Return the fields that a post keeps of its text, and those it is found by."""
    return {
        "text": text,
        "entities": written.kept,
        "mentions": written.people,
        "tags": written.tags,
        "words": terms.of(text),
        "rules": folding.RULES,
    }


async def delete(tx: Transaction, post_id: str, *, by: str) -> None:
    """Delete one's own post; its timeline entries, and all that is under it, follow by the workers."""
    post = await tx.get(POSTS, post_id, ("author_id",))
    if post is None or post["author_id"] != by:
        await access.readable(tx, post_id, viewer=by)
        raise Forbidden("Only its author can delete a post")
    tx.delete(POSTS, {"_id": post_id})
    terms.drop(tx, [post_id])
    tx.stale.append(cached.key(POSTS, post_id))
    tx.clear(FEED_ENTRIES, {"_id": by + post_id})
    tx.lines.append(by)
    deletions.note(tx, "post", [post_id])
    tx.record(PostDeleted(post_id=post_id, author_id=by))


async def get(mongo: Mongo, post_id: str, *, viewer: str) -> Post:
    """Return a post as this viewer sees it; raises NotFound."""
    return rendered(await access.post(mongo, post_id, viewer=viewer))


async def by_author(mongo: Mongo, username: str, *, viewer: str, cursor: str | None, limit: int) -> Posts:
    """Return a person's posts, newest first."""
    author, all_of_them = await visibility.author_of_posts(mongo, username, viewer=viewer)
    where = {"author_id": author["_id"], **({} if all_of_them else {"visibility": {"$ne": "followers"}})}
    return await page(mongo, BY_AUTHOR, where, Asked(viewer, cursor, limit, author["_id"]))


async def by_tag(mongo: Mongo, tag: str, *, viewer: str, cursor: str | None, limit: int) -> Posts:
    """Return posts with a hashtag, newest first; raises NotFound for what cannot be one."""
    key = entity_syntax.tag(tag)
    if key is None:
        raise NotFound
    async with even_time():
        return await page(mongo, BY_TAG, {"tags": key}, Asked(viewer, cursor, limit, key), muted=False)


async def page(
    mongo: Mongo,
    listing: Listing[Row],
    where: Where,
    asked: Asked,
    *,
    field: str = "_id",
    muted: bool = True,
) -> Posts:
    """Return a page of the posts in this field of a list; posts the viewer may not see are skipped and replaced."""

    async def show(rows: list[Row]) -> list[Post | None]:
        ids = [row[field] for row in rows]
        found = {each.id: each for each in await some(mongo, ids, viewer=asked.viewer, muted=muted)}
        return [found.get(each) for each in ids]

    async def narrow(hidden: list[Row]) -> Where:
        return await _others(mongo, hidden, viewer=asked.viewer, muted=muted)

    fields = {field: 1, "author_id": 1, **dict.fromkeys(listing.key, 1)}
    found = await listing.filled(mongo, where, show, asked, fields=fields, narrow=narrow if field == "_id" else None)
    return Posts(items=found.items, next=found.next, prev=found.prev)


async def _others(mongo: Mongo, hidden: Sequence[Mapping[str, Any]], *, viewer: str, muted: bool) -> Where:
    """Return a condition that skips authors of hidden posts where all their posts, or all for followers, are hidden."""
    silent, strangers = await visibility.hidden_authors(
        mongo, {row["author_id"] for row in hidden}, viewer=viewer, muted=muted
    )
    return {
        "$and": [
            {"author_id": {"$nin": silent}},
            {"$or": [{"visibility": {"$ne": "followers"}}, {"author_id": {"$nin": strangers}}]},
        ]
    }


async def some(mongo: Mongo, ids: Sequence[str], *, viewer: str, muted: bool = True) -> list[Post]:
    """Return posts by id as this viewer sees them, in this order; left out is what is not for the viewer to see."""
    return [rendered(each) for each in await access.posts(mongo, ids, viewer=viewer, muted=muted)]


async def public(mongo: Mongo, post_id: str) -> PostPublic | None:
    """Return a post as a push carries it, or None when it is gone."""
    post = await mongo.get(POSTS, post_id, access.POST)
    if post is None:
        return None
    authors, pictures = await together(
        users.cards(mongo, [post["author_id"]]), mongo.get_many(MEDIA, post.get("media", ()), media_urls.REF)
    )
    author = authors.get(post["author_id"])
    if author is None:
        return None
    public = _public(post, media_urls.attached(pictures, post), users.ref(author))
    return PostPublic.model_construct(**public | {"entities": entities.for_many(public["entities"])})


async def authors(reader: Reader, ids: Iterable[str]) -> dict[str, str]:
    """Return the authors of these posts; posts that are gone are missing."""
    return {post_id: post["author_id"] for post_id, post in (await reader.get_many(POSTS, ids, AUTHOR)).items()}


async def many_stats(mongo: Mongo, ids: Iterable[str]) -> list[PostStats]:
    """Return counts of many posts; those that are gone are missing."""
    return [stats(each) for each in (await mongo.get_many(POSTS, ids, read_fields(OF_POSTS))).values()]


def stats(post: PostRow) -> PostStats:
    """Return a post's counts as folded so far."""
    return PostStats.model_construct(post_id=post["_id"], **counts(post))


def counts(post: PostRow) -> Counts:
    """Return counts and their version; never negative, whatever the deltas say meanwhile."""
    return cast(Counts, all_shown(post, OF_POSTS))


def rendered(seen: SeenPost) -> Post:
    """Return a post as the viewer sees it who may see it."""
    return Post.model_construct(**fields(seen))


def fields(seen: SeenPost) -> Document:
    """Return the fields of `Post` for the viewer who may see a post."""
    return {
        **_public(seen.post, seen.pictures, users.ref(seen.author)),
        "liked": seen.liked,
        "reposted": seen.reposted,
        "bookmarked": seen.bookmarked,
    }


def _public(post: PostRow, showing: Iterable[MediaRow], author: UserRef) -> Document:
    pictures = {each["_id"]: each for each in showing}
    return {
        "id": post["_id"],
        "author": author,
        "text": post["text"],
        "entities": entities.of(post),
        "media": [media_urls.ref(pictures[each]) for each in post.get("media", ()) if each in pictures],
        "visibility": post.get("visibility", "public"),
        "created_at": post["created_at"],
        "edited_at": post["edited_at"],
        "rev": post.get("rev", 0),
        **counts(post),
    }
