"""Tells people what concerns them: one transaction, then for each group one append to a stream and one push."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from social import notifications, replay, streams
from social.contracts.events import Group, NotificationsChanged, NotificationsRead, PostDeleted
from social.contracts.notifications import Notification
from social.contracts.pushes import NotificationRemoved, Push, frame, offset, user_room
from social.infra import clock, metrics
from social.infra.inbox import Happened, once
from social.infra.mongo import Document, Transaction
from social.infra.wiring import Social
from social.notifications import Cause
from workers import causes

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
    for untold in await causes.untold(tx, [each.event for each in happened]):
        await notifications.withdraw(tx, untold)
    told = [cause for each in happened if (cause := causes.of(each.event))]
    await notifications.tell(tx, await causes.still_true(tx, told))
    gone = [each.event.post_id for each in happened if isinstance(each.event, PostDeleted)]
    if gone:
        await notifications.remove_about(tx, gone)


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


async def _news(social: Social, happened: Sequence[Happened]) -> list[News]:
    since: dict[tuple[str, str, str], datetime] = {}
    told: list[Cause] = []
    news: list[News] = []
    gone: dict[str, datetime] = {}
    changed: dict[str, Document] = {}
    for each in happened:
        if cause := causes.of(each.event):
            told.append(cause)
            since.setdefault(cause.group, each.at)
        if untold := causes.untold_by(each.event):
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
    changed |= {group["_id"]: group for group in await notifications.of_causes(social.mongo, told)}
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
