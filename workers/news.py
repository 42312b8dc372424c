"""News: items that are numbered in people's streams in the transaction of their cause, and pushed after its commit."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from social.contracts.events import NotificationsRead
from social.contracts.notifications import Notification
from social.contracts.pushes import NotificationRemoved, Push, frame, offset, user_room
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent
from social.infra.observe import metrics
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Transaction
from social.infra.store.rows import NotificationRow
from social.notifications import replay, streams
from social.notifications.streams import Head

PROMPT = timedelta(milliseconds=150)  # the longest that an event takes to a consumer that is not busy


class News(NamedTuple):
    """An item for a person's stream: its key `k`, revision and event name `e`, and the time it happened."""

    recipient: str
    k: str
    rev: int
    e: str
    at: datetime
    data: Any
    trace: str | None  # the request it comes from


class Numbered(NamedTuple):
    """News with its number in the stream, ready to be pushed."""

    news: News
    epoch: str
    seq: int


def of_group(group: NotificationRow, notification: Notification | None, at: datetime) -> News:
    """Return the news of a group, before it is marked as notified; `at`: the time of its first event."""
    recipient, k, rev, trace = group["recipient"], group["_id"], group["rev"], group.get("trace")
    at = group.get("since") or at
    if group["removed_at"] is not None or notification is None:
        return News(recipient, k, rev, "notification.removed", at, NotificationRemoved(id=k, rev=rev), trace)
    event = "notification.updated" if group["told"] else "notification"
    return News(recipient, k, rev, event, at, notification, trace)


async def of_reading(tx: Transaction, happened: ReceivedEvent, event: NotificationsRead) -> News:
    """Return the news of an act of reading for the reader's other devices; a repeated act is news again."""
    item = streams.Item(0, replay.read_key(event.ids, event.all_until), clock.millis(happened.at), "notifications.read")
    (rendered,) = await replay.render(tx, event.user_id, [item])
    return News(event.user_id, item.k, item.rev, item.e, happened.at, rendered.data, happened.trace)


def number(
    tx: Transaction, heads: Mapping[str, Head], all_news: Sequence[News], happened_at: datetime
) -> list[Numbered]:
    """Append the news to each person's stream in a single step, and return them numbered; deleted people get none.

    `happened_at`: when the first of the news happened or was due. Where that is long ago the consumer is busy, and from
    now on collects more news for a person before the next step.
    """
    every = streams.EVERY_WHEN_BUSY if clock.now() - happened_at > PROMPT else streams.EVERY
    by_recipient: dict[str, dict[str, News]] = defaultdict(dict)
    for news in all_news:
        by_recipient[news.recipient][news.k] = news
    numbered: list[Numbered] = []
    for recipient, by_key in by_recipient.items():
        if head := heads.get(recipient):
            entries = [streams.Entry(news.k, news.rev, news.e) for news in by_key.values()]
            items = streams.number(tx, recipient, head, entries, every=every)
            numbered += [Numbered(by_key[item.k], head.epoch, item.s) for item in items]
    return numbered


async def push(plaza: Plaza, numbered: Sequence[Numbered]) -> None:
    """Push committed news, all in a single round trip."""
    pushes = []
    for news, epoch, seq in numbered:
        encoded = frame(news.e, news.data, offset(epoch, seq))
        body = Push("S", clock.millis(news.at), epoch, seq, "", encoded, news.trace).encode()
        pushes.append((user_room(news.recipient), body))
        metrics.PUSHES.labels(event=news.e).inc()
    await plaza.pushes.send(pushes)


async def push_again(plaza: Plaza, user_ids: Collection[str]) -> None:
    """Push the newest item of these people's streams again, in case a run died before its push.

    A gateway that has the item drops it; a gateway that misses items reads them from the stream.
    """
    heads = await streams.heads(plaza.mongo, user_ids, whole=True)
    newest = {user_id: head for user_id, head in heads.items() if head.items}
    rendered = await asyncio.gather(
        *(replay.render(plaza.mongo, user_id, head.items[-1:]) for user_id, head in newest.items())
    )
    at, again = clock.now(), []
    for (user_id, head), (each,) in zip(newest.items(), rendered, strict=True):
        item = head.items[-1]
        again.append(Numbered(News(user_id, item.k, item.rev, each.event, at, each.data, None), head.epoch, item.s))
    await push(plaza, again)
