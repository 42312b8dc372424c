"""Tells people what concerns them: facts and groups in one transaction, then for everyone one append and one push.

A changed group is due to be told until it was, and that is kept with it: whoever died in between, the next one who
looks tells of it. Who was told much lately is told a little later of all that happened meanwhile.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from social import grouping, notifications, replay, streams
from social.contracts.events import Group, NotificationsRead, PostPublished, SuspensionChanged
from social.contracts.notifications import Notification
from social.contracts.problems import Unavailable
from social.contracts.pushes import NotificationRemoved, Push, frame, offset, user_room
from social.infra import clock, logs, metrics
from social.infra.inbox import Happened, once
from social.infra.mongo import Document, Transaction
from social.infra.wiring import Social
from workers import causes, evidence

log = logs.get("notifications")

AT_ONCE = 16  # recipients told side by side; each one's own news stay in line
MOST_DUE = 256  # groups told together
MOST_REMOVED = 500  # groups of one target in one transaction
MOST_WITHDRAWN = 500  # facts between people who are apart now, in one transaction
LOOK_EVERY_S = 5.0  # for what somebody else left behind
LATER = timedelta(minutes=1)  # for a group that cannot be told


class News(NamedTuple):
    """One thing to number in somebody's stream, and when it happened."""

    recipient: str
    k: str
    rev: int
    e: str
    at: datetime
    data: Any
    trace: str | None  # the request it comes from


async def handle(social: Social, happened: Sequence[Happened]) -> None:
    """Facts and groups first, in one transaction; then everyone's stream and sockets."""
    await social.forget_cards([each.event.user_id for each in happened if isinstance(each.event, SuspensionChanged)])
    concerning = [each for each in happened if not isinstance(each.event, PostPublished) or each.event.mentions]
    if concerning:
        await once(social, Group.NOTIFICATIONS, concerning, record)
    read = [(each.event, each.at, each.trace) for each in happened if isinstance(each.event, NotificationsRead)]
    await announce(social, [await _read_news(social, *each) for each in read])
    await due(social)


async def record(tx: Transaction, happened: Sequence[Happened]) -> None:
    """The effect of events not seen before; what was undone meanwhile is not told."""
    events, at = [each.event for each in happened], min(each.at for each in happened)
    changes, left = grouping.GroupChanges(tx), MOST_WITHDRAWN
    for event, where in await evidence.parted(tx, events):
        left -= await changes.withdraw(where, most=left) if left else 0
        if not left:
            tx.record(causes.further(event))
    known, told, untold = await evidence.weigh(tx, changes, events, {id(each.event): each.trace for each in happened})
    await changes.change(known, told=told, untold=untold)
    for event in events:
        gone = causes.gone(event)
        if gone and await changes.remove(gone, most=MOST_REMOVED):
            tx.record(causes.further(event))
        if isinstance(event, SuspensionChanged):
            after = await changes.tell_anew(event.user_id, event.after, most=MOST_REMOVED)
            if after is not None:
                tx.record(SuspensionChanged(user_id=event.user_id, after=after))
    await changes.write(at)


async def due(social: Social) -> float:
    """Tell what is due, as it is now: the same when repeated. Seconds until the next look."""
    while True:
        groups = await notifications.due(social.mongo, MOST_DUE)
        now = clock.now()
        ripe = [group for group in groups if group["due_at"] <= now]
        if not ripe:
            return (groups[0]["due_at"] - now).total_seconds() if groups else LOOK_EVERY_S
        await _tell_of(social, ripe)


async def _tell_of(social: Social, groups: Sequence[Document]) -> None:
    """Tell of groups together; if that fails alone, so that one that cannot be told holds nobody else up."""
    try:
        rendered = await notifications.render(social.mongo, groups, since=clock.now())  # for good, so nobody remembered
        await announce(social, [_news_of(*each) for each in zip(groups, rendered, strict=True)])

        async def told(tx: Transaction) -> None:
            notifications.told(tx, groups, rendered)

        await social.mongo.transact(told)
    except Unavailable:
        raise
    except Exception as error:
        if len(groups) > 1:
            for group in groups:
                await _tell_of(social, [group])
            return
        log.error("a group cannot be told; trying again later", group=groups[0]["_id"], exc_info=error)
        await notifications.postpone(social.mongo, groups[0], LATER)


async def announce(social: Social, all_news: Sequence[News]) -> None:
    """Number what people are told and push it, for each of them in one step."""
    by_recipient: dict[str, list[News]] = defaultdict(list)
    for news in all_news:
        by_recipient[news.recipient].append(news)
    gate = asyncio.Semaphore(AT_ONCE)

    async def tell(recipient: str, news: list[News]) -> None:
        async with gate:
            await _tell(social, recipient, news)

    await asyncio.gather(*(tell(recipient, news) for recipient, news in by_recipient.items()))


def _news_of(group: Document, notification: Notification | None) -> News:
    recipient, k, rev, at = group["recipient"], group["_id"], group["rev"], group["since"]
    trace = group.get("trace")
    if group["removed_at"] is not None or notification is None:
        return News(recipient, k, rev, "notification.removed", at, NotificationRemoved(id=k, rev=rev), trace)
    event = "notification.updated" if group["told"] else "notification"
    return News(recipient, k, rev, event, at, notification, trace)


async def _read_news(social: Social, event: NotificationsRead, at: datetime, trace: str | None) -> News:
    rev = clock.millis(at)  # who reads "everything until 2200" twice is told of twice
    item = streams.Item(0, replay.read_key(event.ids, event.all_until), rev, "notifications.read")
    (told,) = await replay.render(social.mongo, event.user_id, [item])
    return News(event.user_id, item.k, item.rev, item.e, at, told.data, trace)


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
        pushes.append((room, Push("S", clock.millis(news.at), epoch, item.s, "", encoded, news.trace).encode()))
        metrics.PUSHES.labels(event=item.e).inc()
    await social.pushes.send(pushes)
