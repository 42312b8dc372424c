"""The consumer of notifications: facts, groups and streams in a transaction for each batch, then the pushes.

A person who got many notifications lately gets the next ones a little later, together: until then their group is due,
which is stored with it. A redelivered event pushes its results again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from social.contracts.events import (
    Event,
    Group,
    NotificationsChanged,
    NotificationsRead,
    PostPublished,
    SuspensionChanged,
)
from social.contracts.notifications import Notification
from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.broker import inbox
from social.infra.broker.inbox import ReceivedEvent
from social.infra.observe import logs
from social.infra.process.plaza import Plaza
from social.infra.store import cached
from social.infra.store.mongo import Reader, Transaction
from social.infra.store.rows import INBOX, NOTIFICATIONS, USERS, InboxRow, NotificationRow
from social.notifications import groups as grouping
from social.notifications import policy, reading, streams, triggers
from social.people import edges, users
from social.people.edges import Edge
from workers import news
from workers.news import Numbered

log = logs.get("notifications")

MOST_DUE = 256  # due groups in a transaction
MOST_REMOVED = 500  # groups of a target in a transaction
MOST_WITHDRAWN = 500  # facts between people who are apart now, in a transaction
CHECK_EVERY_S = 5.0  # for due groups that another process left behind
LATER = timedelta(seconds=30)  # until a group that cannot be rendered is tried again; nothing is due further ahead

Pairs = Mapping[tuple[str, str], Edge]
Shown = dict[str, Notification | None]  # by group; groups that cannot be rendered are missing


class Recorded(NamedTuple):
    """The result of a batch: news to push, people whose newest item to push again, and seconds until groups are due.

    `between`: the edges by which the batch decided.
    """

    numbered: list[Numbered]
    again: set[str]
    due_s: float | None
    between: Pairs


async def handle(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> float | None:
    """Record a batch in a transaction and push its news; return in how many seconds groups of it are due."""
    suspensions = [each.event.user_id for each in happened if isinstance(each.event, SuspensionChanged)]
    await plaza.forget_cards([cached.key(USERS, user_id) for user_id in suspensions])
    concerning = [each for each in happened if not isinstance(each.event, PostPublished) or each.event.mentions]
    if not concerning:
        return None
    done = await _recorded(plaza, concerning)
    if not plaza.members.alone(Group.NOTIFICATIONS) and await _overtaken(plaza, done.between):
        done = await _recorded(plaza, [each._replace(again=True) for each in concerning])
    await news.push(plaza, done.numbered)
    if again := done.again - {each.news.recipient for each in done.numbered}:
        await news.push_again(plaza, again)
    return done.due_s


async def _recorded(plaza: Plaza, happened: Sequence[ReceivedEvent]) -> Recorded:
    done, tx = await plaza.mongo.transact(partial(record, happened=happened), timeout_s=inbox.TIMEOUT_S)
    plaza.publisher.offer(tx.recorded)
    return done


async def _overtaken(plaza: Plaza, between: Pairs) -> bool:
    """Return whether people were parted after their edges were read, so that the batch must be recorded again.

    Another worker may have handled the event of the block before this commit, and withdrawn only what it found then.
    """
    now = await edges.between(plaza.mongo, [pair for pair, edge in between.items() if not edge.apart])
    return any(edge.apart for edge in now.values())


async def record(tx: Transaction, happened: Sequence[ReceivedEvent]) -> Recorded:
    """Apply events to facts, groups and streams; acts that were undone meanwhile notify nobody.

    No inbox row is needed: facts, groups and streams show by themselves which events took effect.
    """
    at = min(each.at for each in happened)
    changes, readings = grouping.GroupChanges(tx), _readings(happened)
    found = [trigger for each in happened for trigger in triggers.of(each.event)]
    likely = {trigger.recipient for trigger in found} | {event.user_id for _, event in readings}
    (between, again), heads, *read = await asyncio.gather(
        _change(tx, changes, happened),
        streams.heads(tx, likely, whole=bool(readings)),
        users.cards(tx, {trigger.actor for trigger in found}),  # so that they are cached when groups are rendered
        *(news.of_reading(tx, *each) for each in readings),
    )
    changed = changes.changed()
    if others := {group["recipient"] for group in changed} - likely:
        heads |= await streams.heads(tx, others)
    now = clock.now()
    resting = {user_id: until for user_id, head in heads.items() if (until := head.rests_until(now))}
    ripe = [group for group in changed if group["recipient"] not in resting]
    shown = await _rendered(tx, ripe, between)
    # An act of reading was counted before this batch: it comes first in the stream.
    all_news = [*read[1:], *(news.of_group(group, shown[group["_id"]], at) for group in ripe if group["_id"] in shown)]
    later = {group["_id"]: resting.get(group["recipient"], now + LATER) for group in changed}
    changes.write(changed, at, {group_id: each is not None for group_id, each in shown.items()}, later)
    return Recorded(news.number(tx, heads, all_news, at), again, _due_s(happened, changed, now), between)


def _readings(happened: Sequence[ReceivedEvent]) -> list[tuple[ReceivedEvent, NotificationsRead]]:
    return [(each, each.event) for each in happened if isinstance(each.event, NotificationsRead)]


def _due_s(happened: Sequence[ReceivedEvent], changed: Sequence[NotificationRow], now: datetime) -> float | None:
    if any(isinstance(each.event, NotificationsChanged) for each in happened):
        return 0.0
    due = [group["due_at"] for group in changed if "due_at" in group]
    return (min(due) - now).total_seconds() if due else None


async def _change(
    tx: Transaction, changes: grouping.GroupChanges, happened: Sequence[ReceivedEvent]
) -> tuple[Pairs, set[str]]:
    """Change facts and groups; return the edges that were read, and people who may have missed an earlier push."""
    events, left, more = [each.event for each in happened], MOST_WITHDRAWN, list[tuple[ReceivedEvent, Event]]()
    of = {id(each.event): each for each in happened}
    for event, where in await policy.parted(tx, events):
        left -= await changes.withdraw(where, most=left) if left else 0
        if not left:
            more.append((of[id(event)], triggers.further(event)))
    traces, again = {id(each.event): each.trace for each in happened}, any(each.again for each in happened)
    decision = await policy.decide(tx, changes, events, traces, again=again)
    await changes.change(decision.known, notify=decision.notify, withdraw=decision.withdraw)
    for each in happened:
        gone = triggers.gone(each.event)
        if gone and await changes.remove(gone, most=MOST_REMOVED):
            more.append((each, triggers.further(each.event)))
        if isinstance(each.event, SuspensionChanged):
            after = await changes.renotify(each.event.user_id, each.event.after, most=MOST_REMOVED)
            if after is not None:
                more.append((each, SuspensionChanged(user_id=each.event.user_id, after=after)))
    await _go_on(tx, more)
    repeated = [each.event for each in happened if each.again]
    return decision.between, decision.stood | (
        await policy.concerned(tx, repeated, MOST_REMOVED) if repeated else set()
    )


async def _go_on(tx: Transaction, more: Sequence[tuple[ReceivedEvent, Event]]) -> None:
    """Record the events that continue large pieces, once: only an event that needs more has an inbox row."""
    rows = {inbox.row_id(Group.NOTIFICATIONS, each.id): event for each, event in more}
    seen = await tx.get_many(INBOX, rows, ("_id",)) if tx.attempt else {}
    for row_id, event in rows.items():
        if row_id not in seen:
            tx.insert(INBOX, InboxRow(_id=row_id, at=clock.now()))
            tx.record(event)


async def _rendered(reader: Reader, groups: Sequence[NotificationRow], between: Pairs) -> Shown:
    """Render groups for their recipients together; after a failure each alone, so that none blocks the others."""
    try:
        shown = await reading.render(reader, groups, known=between)
        return {group["_id"]: each for group, each in zip(groups, shown, strict=True)}
    except Unavailable:
        raise
    except Exception as error:
        if len(groups) > 1:
            alone = await asyncio.gather(*(_rendered(reader, [group], between) for group in groups))
            return {group_id: shown for each in alone for group_id, shown in each.items()}
        log.error("a group cannot be rendered; trying again later", group=groups[0]["_id"], exc_info=error)
        return {}


async def due(plaza: Plaza) -> float:
    """Push the news of groups that are due; return the seconds until the next check."""
    while True:
        groups = await reading.due(plaza.mongo, MOST_DUE)
        now = clock.now()
        ripe = [group for group in groups if clock.believed(group["due_at"], now, LATER) <= now]
        if not ripe:
            soonest_s = (groups[0]["due_at"] - now).total_seconds() if groups else CHECK_EVERY_S
            return min(soonest_s, CHECK_EVERY_S)
        await _push_due(plaza, ripe)


async def _push_due(plaza: Plaza, groups: Sequence[NotificationRow]) -> None:
    """Number the news of due groups and mark the groups as notified in a transaction, then push."""
    due_at = min(group["due_at"] for group in groups)

    async def number(tx: Transaction) -> list[Numbered]:
        due = groups
        if tx.attempt:  # another process changed a group, or pushed it
            found = await tx.get_many(NOTIFICATIONS, [group["_id"] for group in groups])
            due = [group for group in found.values() if group.get("due_at")]
        recipients = {group["recipient"] for group in due}
        heads, shown = await asyncio.gather(streams.heads(tx, recipients, whole=True), _rendered(tx, due, {}))
        all_news = [news.of_group(group, shown[group["_id"]], clock.now()) for group in due if group["_id"] in shown]
        for group in due:
            if group["_id"] in shown:
                reading.mark_notified(tx, group, shown=shown[group["_id"]] is not None)
            else:
                reading.postpone(tx, group, LATER)
        return news.number(tx, heads, all_news, due_at)

    numbered, _ = await plaza.mongo.transact(number, timeout_s=inbox.TIMEOUT_S)
    await news.push(plaza, numbered)
