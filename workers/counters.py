"""Folds events into counters: one increment a post or person and batch, then what watchers see of it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from social.contracts.events import (
    CommentAdded,
    CommentDeleted,
    CommentEdited,
    CommentLiked,
    CommentUnliked,
    Event,
    FollowAccepted,
    Group,
    PostDeleted,
    PostLiked,
    PostPublished,
    PostReposted,
    PostUnliked,
    PostUnreposted,
    Recounted,
    SuspensionCounted,
    UserFollowed,
    UserUnfollowed,
)
from social.contracts.pushes import CommentGone, post_room, user_room
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent, once
from social.infra.process.plaza import Plaza
from social.infra.redis.pushing import Hint
from social.infra.store.mongo import Transaction
from social.ops import recount
from social.people import hidden_counts, users
from social.posts import comments, publishing, suspension

Delta = hidden_counts.Delta

COUNTED = ("posts", "comments", "users")


class _Since(NamedTuple):
    """When the first of what a push tells of happened, and by which request."""

    at_ms: int
    trace: str | None

    @classmethod
    def of(cls, happened: ReceivedEvent) -> "_Since":
        return cls(clock.millis(happened.at), happened.trace)

    def hint(self, room: str, data: Any, author: str = "", answers: str | None = None) -> Hint:
        return Hint([room], data, self.at_ms, author, self.trace, answers or "")


async def handle(plaza: Plaza, happened: Sequence[ReceivedEvent], *, company_s: float = 0.0) -> None:
    """Count each event once, then show the counts.

    `company_s`: how long to wait for the consumer of notifications of this process to commit at once with it.
    """
    await once(plaza, Group.COUNTERS, happened, record, company_s=company_s)
    await announce(plaza, happened)
    for each in happened:
        if isinstance(each.event, SuspensionCounted):
            await announce_hidden(plaza, each, each.event)


async def record(tx: Transaction, happened: Sequence[ReceivedEvent]) -> None:
    """One `$inc` a document; its version grows with every change."""
    folded: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    counted = await _counted(tx, happened)
    for each in happened:
        for collection, document_id, name, by in deltas(each.event):
            if each.at > counted.get((collection, document_id), clock.EPOCH):
                folded[collection, document_id][name] += by
        if isinstance(each.event, SuspensionCounted):
            found, further = await suspension.some(tx, each.event)
            for collection, document_id, name, by in found:
                folded[collection, document_id][name] += by
            if further is not None:
                tx.record(further)
    for (collection, document_id), counter in folded.items():
        tx.touch(collection, {"_id": document_id}, {"$inc": {**counter, "version": 1}})


async def _counted(tx: Transaction, happened: Sequence[ReceivedEvent]) -> dict[tuple[str, str], datetime]:
    """Until when which counts hold everything already; nobody is asked for events too young to be in any recount."""
    young = clock.now() - recount.SETTLES / 4
    late = [
        (collection, id_, each.at) for each in happened if each.at < young for collection, id_, *_ in deltas(each.event)
    ]
    counted: dict[tuple[str, str], datetime] = {}
    for collection in sorted({collection for collection, _, _ in late}):
        ids = {id_ for where, id_, _ in late if where == collection}
        found = await recount.recounted_at(tx, collection, ids, min(at for _, _, at in late))
        counted |= {(collection, id_): at for id_, at in found.items()}
    return counted


def deltas(event: Event) -> Iterator[Delta]:
    """What an event changes."""
    match event:
        case PostLiked():
            yield "posts", event.post_id, "likes", 1
        case PostUnliked():
            yield "posts", event.post_id, "likes", -1
        case CommentAdded():
            yield from _said(event, 1)
        case CommentDeleted():
            yield from _said(event, -1)
        case CommentLiked():
            yield "comments", event.comment_id, "likes", 1
        case CommentUnliked():
            yield "comments", event.comment_id, "likes", -1
        case PostReposted():
            yield "posts", event.post_id, "reposts", 1
        case PostUnreposted():
            yield "posts", event.post_id, "reposts", -1
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


def _said(event: CommentAdded | CommentDeleted, by: int) -> Iterator[Delta]:
    """Replies count with the post's comments too."""
    yield "posts", event.post_id, "comments", by
    if event.parent_id:
        yield "comments", event.parent_id, "replies", by


async def announce(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
    """Push counts as they are now, newest by version, and the comments themselves."""
    touched: dict[str, dict[str, _Since]] = {collection: {} for collection in COUNTED}
    for each in happened:
        since = _Since.of(each)
        if isinstance(each.event, Recounted):
            touched[each.event.collection].setdefault(each.event.id, since)
        for collection, document_id, _, _ in deltas(each.event):
            touched[collection].setdefault(document_id, since)
    await _announce_comments(plaza, happened)
    await _push_counts(plaza, touched)


async def announce_hidden(plaza: Plaza, happened: ReceivedEvent, event: SuspensionCounted) -> None:
    """Push the counts that leave somebody out from now on, or have them again."""
    touched: dict[str, dict[str, _Since]] = {collection: {} for collection in COUNTED}
    for collection, document_id, _, _ in (await suspension.some(plaza.mongo, event))[0]:
        touched[collection][document_id] = _Since.of(happened)
    await _push_counts(plaza, touched)


async def _push_counts(plaza: Plaza, touched: Mapping[str, Mapping[str, _Since]]) -> None:
    if at := touched["posts"]:
        folded = await publishing.many_stats(plaza.mongo, at)
        await plaza.pushes.hints("post.stats", [at[e.post_id].hint(post_room(e.post_id), e) for e in folded])
    if at := touched["comments"]:
        told = await comments.many_stats(plaza.mongo, at)
        hints = [at[e.comment_id].hint(post_room(e.post_id), e, author_id) for author_id, e in told]
        await plaza.pushes.hints("comment.stats", hints)
    if at := touched["users"]:
        counts = await users.stats(plaza.mongo, at)
        await plaza.pushes.hints("user.stats", [at[e.user_id].hint(user_room(e.user_id), e) for e in counts])


async def _announce_comments(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
    for event, kind in (("comment.created", CommentAdded), ("comment.updated", CommentEdited)):
        if at := {each.event.comment_id: _Since.of(each) for each in happened if isinstance(each.event, kind)}:
            there = await comments.public(plaza.mongo, at)
            answers = {e.event.comment_id: e.event.parent_author_id for e in happened if isinstance(e.event, kind)}
            told = [at[each.id].hint(post_room(each.post_id), each, each.author.id, answers[each.id]) for each in there]
            await plaza.pushes.hints(event, told)
    gone = [(each.event, _Since.of(each)) for each in happened if isinstance(each.event, CommentDeleted)]
    if gone:
        told = [
            since.hint(
                post_room(e.post_id),
                CommentGone(comment_id=e.comment_id, post_id=e.post_id, parent_id=e.parent_id),
                e.by,
                e.parent_author_id,
            )
            for e, since in gone
        ]
        await plaza.pushes.hints("comment.deleted", told)
