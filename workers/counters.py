"""Folds events into counters: one increment a post or person and batch, then what watchers see of it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from social import comments, posts, users
from social.contracts.events import (
    CommentAdded,
    Event,
    FollowAccepted,
    Group,
    PostDeleted,
    PostLiked,
    PostPublished,
    PostUnliked,
    UserFollowed,
    UserUnfollowed,
)
from social.contracts.pushes import post_room, user_room
from social.infra import clock
from social.infra.inbox import Happened, once
from social.infra.mongo import Transaction, UpdateOne
from social.infra.wiring import Social

Delta = tuple[str, str, str, int]  # collection, id, counter, by how much


async def handle(social: Social, happened: Sequence[Happened]) -> None:
    """Count each event once, then show the counts."""
    await once(social, Group.COUNTERS, happened, record)
    await announce(social, happened)


async def record(tx: Transaction, happened: Sequence[Happened]) -> None:
    """One `$inc` a document; its version grows with every change."""
    folded: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for each in happened:
        for collection, document_id, name, by in deltas(each.event):
            folded[collection, document_id][name] += by
    for collection in ("posts", "users"):
        await tx.bulk(
            collection,
            [
                UpdateOne({"_id": document_id}, {"$inc": {**counter, "version": 1}})
                for (where, document_id), counter in folded.items()
                if where == collection
            ],
        )


def deltas(event: Event) -> Iterator[Delta]:
    """What an event changes."""
    match event:
        case PostLiked():
            yield "posts", event.post_id, "likes", 1
        case PostUnliked():
            yield "posts", event.post_id, "likes", -1
        case CommentAdded():
            yield "posts", event.post_id, "comments", 1
        case PostPublished():
            yield "users", event.author_id, "posts", 1
        case PostDeleted():
            yield "users", event.author_id, "posts", -1
        case UserFollowed() | FollowAccepted():
            yield "users", event.followee_id, "followers", 1
            yield "users", event.follower_id, "following", 1
        case UserUnfollowed():
            yield "users", event.followee_id, "followers", -1
            yield "users", event.follower_id, "following", -1


async def announce(social: Social, happened: Sequence[Happened]) -> None:
    """Push counts as they are now, newest by version, and the comments themselves."""
    touched: dict[str, dict[str, int]] = {"posts": {}, "users": {}}
    for each in happened:
        for collection, document_id, _, _ in deltas(each.event):
            touched[collection].setdefault(document_id, clock.millis(each.at))
    added = {each.event.comment_id: clock.millis(each.at) for each in happened if isinstance(each.event, CommentAdded)}
    if added:
        for comment in await comments.public(social.mongo, list(added)):
            room = post_room(comment.post_id)
            await social.pushes.hint(
                [room], "comment.created", comment, at_ms=added[comment.id], author=comment.author.id
            )
    if touched["posts"]:
        for stats in await posts.many_stats(social.mongo, touched["posts"]):
            await social.pushes.hint(
                [post_room(stats.post_id)], "post.stats", stats, at_ms=touched["posts"][stats.post_id]
            )
    if touched["users"]:
        for counts in await users.stats(social.mongo, touched["users"]):
            await social.pushes.hint(
                [user_room(counts.user_id)], "user.stats", counts, at_ms=touched["users"][counts.user_id]
            )
