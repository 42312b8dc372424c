"""Tells people what concerns them: one transaction, then for each group one append to a stream and one push."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from social import comments, edges, likes, notifications, posts, replay, streams
from social.contracts.events import (
    CommentAdded,
    Event,
    FollowAccepted,
    FollowRequestClosed,
    FollowRequested,
    Group,
    NotificationsChanged,
    NotificationsRead,
    PostDeleted,
    PostLiked,
    UserBlocked,
    UserFollowed,
)
from social.contracts.notifications import Notification
from social.contracts.pushes import NotificationRemoved, Push, frame, offset, user_room
from social.infra import clock, metrics
from social.infra.inbox import Happened, once
from social.infra.mongo import Document, Transaction, Where
from social.infra.wiring import Social
from social.notifications import Cause

AT_ONCE = 16  # recipients told side by side; each one's own news stay in line


class News(NamedTuple):
    """One thing to number in somebody's stream, and when it happened."""

    recipient: str
    k: str
    rev: int
    e: str
    at: datetime
    data: Any


async def handle(social: Social, happened: Sequence[Happened]) -> None:
    """Facts and groups first, in one transaction; then everyone's stream and sockets."""
    await once(social, Group.NOTIFICATIONS, happened, record)
    await announce(social, happened)


async def record(tx: Transaction, happened: Sequence[Happened]) -> None:
    """The effect of events not seen before; what was undone meanwhile is not told."""
    for untold in await _untold(tx, [each.event for each in happened]):
        await notifications.withdraw(tx, untold)
    causes = [cause for each in happened if (cause := cause_of(each.event))]
    await notifications.tell(tx, await _still_true(tx, causes))
    gone = [each.event.post_id for each in happened if isinstance(each.event, PostDeleted)]
    if gone:
        await notifications.remove_about(tx, gone)


def cause_of(event: Event) -> Cause | None:
    """Whom an event concerns, if anybody."""
    match event:
        case PostLiked():
            return Cause("like", "post", event.post_id, event.by, event.author_id, event.post_id)
        case CommentAdded():
            author, post_id = event.author_id, event.post_id
            return Cause("comment", "post", post_id, event.by, author, post_id, instance=event.comment_id)
        case UserFollowed():
            return Cause("follow", "user", event.followee_id, event.follower_id, event.followee_id, None)
        case FollowRequested():
            return _asked(event.follower_id, event.followee_id)
        case FollowAccepted():
            return Cause("follow_accepted", "user", event.follower_id, event.followee_id, event.follower_id, None)
    return None


def untold_by(event: Event) -> tuple[tuple[str, str], Where] | None:
    """The facts that an event takes back, if any, and the edge that says so."""
    match event:
        case FollowRequestClosed() | FollowAccepted():
            asked = _asked(event.follower_id, event.followee_id)
            return (event.follower_id, event.followee_id), {"_id": asked.fact_id}
        case UserBlocked(by=one, user_id=other):
            return (one, other), {"recipient": {"$in": [one, other]}, "actor": {"$in": [one, other]}}
    return None


def _asked(follower_id: str, followee_id: str) -> Cause:
    return Cause("follow_request", "user", followee_id, follower_id, followee_id, None)


async def announce(social: Social, happened: Sequence[Happened]) -> None:
    """Number what people are told and push it, from state as it is now: the same when repeated."""
    by_recipient: dict[str, list[News]] = defaultdict(list)
    for news in await _news(social, happened):
        by_recipient[news.recipient].append(news)
    gate = asyncio.Semaphore(AT_ONCE)

    async def tell(recipient: str, news: list[News]) -> None:
        async with gate:
            await _tell(social, recipient, news)

    await asyncio.gather(*(tell(recipient, news) for recipient, news in by_recipient.items()))


async def _still_true(tx: Transaction, causes: Sequence[Cause]) -> list[Cause]:
    liked = [(cause.target_id, cause.actor) for cause in causes if cause.type == "like"]
    said = [cause.instance for cause in causes if cause.type == "comment"]
    likes_now = await likes.existing(tx, liked) if liked else set()
    comments_now = await comments.existing(tx, said) if said else set()
    about = [cause.post_id for cause in causes if cause.post_id is not None]
    posts_now = await posts.existing(tx, about) if about else set()  # likes and comments outlive their post a moment
    ways = {(cause.recipient, cause.actor) for cause in causes}
    between = await edges.between(tx, ways | {(actor, recipient) for recipient, actor in ways})

    def true(cause: Cause) -> bool:
        out, back = between[cause.recipient, cause.actor], between[cause.actor, cause.recipient]
        if out.hides:
            return False
        match cause.type:
            case "like":
                return (cause.target_id, cause.actor) in likes_now and cause.post_id in posts_now
            case "follow":
                return bool(back.follows_at)
            case "follow_request":
                return bool(back.requested_at)
            case "follow_accepted":
                return bool(out.follows_at)
            case "comment":
                return cause.instance in comments_now and cause.post_id in posts_now

    return [cause for cause in causes if true(cause)]


async def _untold(tx: Transaction, events: Sequence[Event]) -> list[Where]:
    """The facts to take back, unless what took them back was itself taken back since."""
    taken = [(event, *untold) for event in events if (untold := untold_by(event))]
    between = await edges.between(tx, {pair for _, pair, _ in taken})
    return [
        where
        for event, pair, where in taken
        if (between[pair].apart if isinstance(event, UserBlocked) else not between[pair].requested_at)
    ]


async def _news(social: Social, happened: Sequence[Happened]) -> list[News]:
    since: dict[tuple[str, str, str], datetime] = {}
    causes: list[Cause] = []
    news: list[News] = []
    gone: dict[str, datetime] = {}
    changed: dict[str, Document] = {}
    for each in happened:
        if cause := cause_of(each.event):
            causes.append(cause)
            since.setdefault(cause.group, each.at)
        if untold := untold_by(each.event):
            for group in await notifications.withdrawn(social.mongo, untold[1]):
                changed[group["_id"]] = group
                since.setdefault(_key(group), each.at)
        if isinstance(each.event, PostDeleted):
            gone[each.event.post_id] = each.at
        elif isinstance(each.event, NotificationsChanged):
            for group in await notifications.existing(social.mongo, each.event.ids):
                changed[group["_id"]] = group
                since.setdefault(_key(group), each.at)
        elif isinstance(each.event, NotificationsRead):
            news.append(await _read_news(social, each.event, each.at))
    changed |= {group["_id"]: group for group in await notifications.of_causes(social.mongo, causes)}
    rendered = await notifications.render(social.mongo, list(changed.values()))
    for group, notification in zip(changed.values(), rendered, strict=True):
        news += [_news_of(group, since.get(_key(group)) or happened[0].at, notification)]
    removed = await notifications.removed_about(social.mongo, list(gone))
    return news + [_news_of(group, gone[group["post_id"]], None) for group in removed]


def _key(group: Document) -> tuple[str, str, str]:
    return group["recipient"], group["type"], group["target"]["id"]


def _news_of(group: Document, at: datetime, notification: Notification | None) -> News:
    k, rev = group["_id"], group["rev"]
    if group["removed_at"] is not None or notification is None:
        return News(group["recipient"], k, rev, "notification.removed", at, NotificationRemoved(id=k, rev=rev))
    event = "notification" if rev == 1 else "notification.updated"
    return News(group["recipient"], k, rev, event, at, notification)


async def _read_news(social: Social, event: NotificationsRead, at: datetime) -> News:
    rev = clock.millis(at)  # who reads "everything until 2200" twice is told of twice
    item = streams.Item(0, replay.read_key(event.ids, event.all_until), rev, "notifications.read")
    (told,) = await replay.render(social.mongo, event.user_id, [item])
    return News(event.user_id, item.k, item.rev, item.e, at, told.data)


async def _tell(social: Social, recipient: str, all_news: Sequence[News]) -> None:
    """One append and one round of pushes; what is numbered already is pushed again, for a run that died before it."""
    by_key = {news.k: news for news in all_news}
    entries = [streams.Entry(news.k, news.rev, news.e) for news in by_key.values()]
    epoch, items = await streams.append(social.mongo, recipient, entries)
    room = user_room(recipient)
    pushes = []
    for item in items:
        news = by_key[item.k]
        encoded = frame(item.e, news.data, offset(epoch, item.s))
        pushes.append((room, Push("S", clock.millis(news.at), epoch, item.s, "", encoded).encode()))
        metrics.PUSHES.labels(event=item.e).inc()
    await social.pushes.send(pushes)
