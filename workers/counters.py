"""The consumer of counts: an increment for each document and batch, then pushes of the counts to watchers."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from social.contracts.events import CommentAdded, CommentDeleted, CommentEdited, Group, Recounted, SuspensionCounted
from social.contracts.pushes import CommentGone, post_room, user_room
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent, once
from social.infra.process.plaza import Plaza
from social.infra.redis.pushing import Hint
from social.infra.store.mongo import Transaction
from social.infra.store.rows import COMMENTS, POSTS, USERS, Collection
from social.ops import recount
from social.people import users
from social.posts import comments, publishing, suspension
from social.posts.counters import COUNTERS, deltas


class _Since(NamedTuple):
    """The time of the first event that a push shows, and the request it comes from."""

    at_ms: int
    trace: str | None

    @classmethod
    def of(cls, happened: ReceivedEvent) -> "_Since":
        return cls(clock.millis(happened.at), happened.trace)

    def hint(self, room: str, data: Any, author: str = "", answers: str | None = None) -> Hint:
        return Hint([room], data, self.at_ms, author, self.trace, answers or "")


async def handle(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
    """Count each event once, then push the counts."""
    await once(plaza, Group.COUNTERS, happened, record)
    await announce(plaza, happened)
    for each in happened:
        if isinstance(each.event, SuspensionCounted):
            await announce_hidden(plaza, each, each.event)


async def record(tx: Transaction, happened: Sequence[ReceivedEvent]) -> None:
    """Increment each document once; its version grows with every change."""
    folded: dict[tuple[Collection[Any], str], Counter[str]] = defaultdict(Counter)
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


async def _counted(tx: Transaction, happened: Sequence[ReceivedEvent]) -> dict[tuple[Collection[Any], str], datetime]:
    """Return the times up to which counts are complete; events too young for any recount are not looked up."""
    young = clock.now() - recount.COUNTS_SETTLE / 4
    late = [
        (collection, id_, each.at) for each in happened if each.at < young for collection, id_, *_ in deltas(each.event)
    ]
    counted: dict[tuple[Collection[Any], str], datetime] = {}
    for collection in sorted({collection for collection, _, _ in late}):
        ids = {id_ for where, id_, _ in late if where == collection}
        found = await recount.recounted_at(tx, collection, ids, min(at for _, _, at in late))
        counted |= {(collection, id_): at for id_, at in found.items()}
    return counted


async def announce(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
    """Push the counts as they are now (clients keep the highest version), and the comments themselves."""
    touched: dict[str, dict[str, _Since]] = {collection: {} for collection in COUNTERS}
    for each in happened:
        since = _Since.of(each)
        if isinstance(each.event, Recounted):
            touched[each.event.collection].setdefault(each.event.id, since)
        for collection, document_id, _, _ in deltas(each.event):
            touched[collection].setdefault(document_id, since)
    await _announce_comments(plaza, happened)
    await _push_counts(plaza, touched)


async def announce_hidden(plaza: Plaza, happened: ReceivedEvent, event: SuspensionCounted) -> None:
    """Push the counts from which a suspension removes a person, or to which its end adds them again."""
    touched: dict[str, dict[str, _Since]] = {collection: {} for collection in COUNTERS}
    for collection, document_id, _, _ in (await suspension.some(plaza.mongo, event))[0]:
        touched[collection][document_id] = _Since.of(happened)
    await _push_counts(plaza, touched)


async def _push_counts(plaza: Plaza, touched: Mapping[str, Mapping[str, _Since]]) -> None:
    """Push the counts of what was touched; those of posts and people that no gateway shows are not even read."""
    rooms = {post_room(each): each for each in touched[POSTS]} | {user_room(each): each for each in touched[USERS]}
    watched = {rooms[room] for room in await plaza.pushes.watched(rooms)}
    posts, people = ({each: at[each] for each in watched & at.keys()} for at in (touched[POSTS], touched[USERS]))
    if posts:
        folded = await publishing.many_stats(plaza.mongo, posts)
        await plaza.pushes.hints("post.stats", [posts[e.post_id].hint(post_room(e.post_id), e) for e in folded])
    if at := touched[COMMENTS]:
        stats = await comments.many_stats(plaza.mongo, at)
        hints = [at[e.comment_id].hint(post_room(e.post_id), e, author_id) for author_id, e in stats]
        await plaza.pushes.hints("comment.stats", hints)
    if people:
        counts = await users.stats(plaza.mongo, people)
        await plaza.pushes.hints("user.stats", [people[e.user_id].hint(user_room(e.user_id), e) for e in counts])


async def _announce_comments(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
    for event, kind in (("comment.created", CommentAdded), ("comment.updated", CommentEdited)):
        if at := {each.event.comment_id: _Since.of(each) for each in happened if isinstance(each.event, kind)}:
            shown = await comments.public(plaza.mongo, at)
            answers = {e.event.comment_id: e.event.parent_author_id for e in happened if isinstance(e.event, kind)}
            hints = [
                at[each.id].hint(post_room(each.post_id), each, each.author.id, answers[each.id]) for each in shown
            ]
            await plaza.pushes.hints(event, hints)
    gone = [(each.event, _Since.of(each)) for each in happened if isinstance(each.event, CommentDeleted)]
    if gone:
        hints = [
            since.hint(
                post_room(e.post_id),
                CommentGone(comment_id=e.comment_id, post_id=e.post_id, parent_id=e.parent_id),
                e.by,
                e.parent_author_id,
            )
            for e, since in gone
        ]
        await plaza.pushes.hints("comment.deleted", hints)
