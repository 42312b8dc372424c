"""A stream's items as the events a client gets: live, on resume, and by `sync`. Payloads are always current state."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from social.contracts.messages import SyncAnswer, SyncEvent
from social.contracts.pushes import NotificationRemoved, NotificationsReadPush, frame, offset
from social.infra import clock
from social.infra.store.mongo import Mongo, Reader
from social.infra.store.rows import NOTIFICATIONS
from social.notifications import reading, streams

READ_IDS, READ_UNTIL = "read:", "until:"  # keys of items about reading; what was read is in the key itself


class StreamEvent(NamedTuple):
    """An event of a stream, ready to be pushed."""

    event: str
    data: Any
    seq: int


def read_key(ids: Sequence[str] | None, all_until: datetime | None) -> str:
    """Return the key of a `notifications.read` item."""
    if all_until is not None:
        return f"{READ_UNTIL}{clock.millis(all_until)}"
    return READ_IDS + ",".join(ids or ())


async def render(reader: Reader, user_id: str, items: Sequence[streams.Item]) -> list[StreamEvent]:
    """Return items with their payloads; a notification that is gone becomes `notification.removed`."""
    ids = list({item.k for item in items if not item.k.startswith((READ_IDS, READ_UNTIL))})
    found = [each for each in (await reader.get_many(NOTIFICATIONS, ids)).values() if each["removed_at"] is None]
    there = {each.id: each for each in await reading.render(reader, found) if each is not None}
    unread = (await reading.unread(reader, user_id)).unread if len(ids) < len(items) else 0
    events: list[StreamEvent] = []
    for item in items:
        if item.k.startswith(READ_IDS):
            events.append(
                StreamEvent(
                    item.e, NotificationsReadPush(ids=item.k[len(READ_IDS) :].split(","), unread=unread), item.s
                )
            )
        elif item.k.startswith(READ_UNTIL):
            until = clock.at_millis(int(item.k[len(READ_UNTIL) :]))
            events.append(StreamEvent(item.e, NotificationsReadPush(all_until=until, unread=unread), item.s))
        elif item.k in there:
            events.append(StreamEvent(item.e, there[item.k], item.s))
        else:
            events.append(StreamEvent("notification.removed", NotificationRemoved(id=item.k, rev=item.rev), item.s))
    return events


class Replay(NamedTuple):
    """The events that a person missed."""

    recovered: bool
    events: list[StreamEvent]
    position: streams.Position

    def frames(self) -> list[tuple[int, bytes]]:
        """Return each event's seq and encoded frame, in order."""
        return [(each.seq, frame(each.event, each.data, offset(self.position.epoch, each.seq))) for each in self.events]


async def since(mongo: Mongo, user_id: str, after: object) -> Replay:
    """Return what a person missed since an offset; not recovered where that would have a hole."""
    missed = await streams.since(mongo, user_id, after)
    return Replay(missed.recovered, await render(mongo, user_id, missed.items), missed.position)


async def sync(mongo: Mongo, user_id: str, after: str) -> SyncAnswer:
    """Answer with what a person missed, for clients without connection state recovery."""
    missed = await since(mongo, user_id, after)
    epoch = missed.position.epoch
    events = [SyncEvent(event=each.event, data=each.data, offset=offset(epoch, each.seq)) for each in missed.events]
    return SyncAnswer(recovered=missed.recovered, events=events, offset=missed.position.offset)
