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

READ_IDS, READ_UNTIL = "read:", "until:"  # keys of items that tell of reading; what was read is in the key itself


class Told(NamedTuple):
    """One stream event, ready to be told."""

    event: str
    data: Any
    seq: int


def read_key(ids: Sequence[str] | None, all_until: datetime | None) -> str:
    """The key of a `notifications.read` item."""
    if all_until is not None:
        return f"{READ_UNTIL}{clock.millis(all_until)}"
    return READ_IDS + ",".join(ids or ())


async def render(reader: Reader, user_id: str, items: Sequence[streams.Item]) -> list[Told]:
    """Items with their payloads; a notification that is gone is told as removed."""
    ids = list({item.k for item in items if not item.k.startswith((READ_IDS, READ_UNTIL))})
    found = [each for each in (await reader.get_many(NOTIFICATIONS, ids)).values() if each["removed_at"] is None]
    there = {each.id: each for each in await reading.render(reader, found) if each is not None}
    unread = (await reading.unread(reader, user_id)).unread if len(ids) < len(items) else 0
    told = []
    for item in items:
        if item.k.startswith(READ_IDS):
            told.append(
                Told(item.e, NotificationsReadPush(ids=item.k[len(READ_IDS) :].split(","), unread=unread), item.s)
            )
        elif item.k.startswith(READ_UNTIL):
            until = clock.at_millis(int(item.k[len(READ_UNTIL) :]))
            told.append(Told(item.e, NotificationsReadPush(all_until=until, unread=unread), item.s))
        elif item.k in there:
            told.append(Told(item.e, there[item.k], item.s))
        else:
            told.append(Told("notification.removed", NotificationRemoved(id=item.k, rev=item.rev), item.s))
    return told


class Replay(NamedTuple):
    """What somebody missed."""

    recovered: bool
    told: list[Told]
    position: streams.Position

    def frames(self) -> list[tuple[int, bytes]]:
        """Each event's seq and encoded frame, in order."""
        return [(each.seq, frame(each.event, each.data, offset(self.position.epoch, each.seq))) for each in self.told]


async def since(mongo: Mongo, user_id: str, after: object) -> Replay:
    """What somebody missed since an offset; not recovered where that cannot be said without a hole."""
    missed = await streams.since(mongo, user_id, after)
    return Replay(missed.recovered, await render(mongo, user_id, missed.items), missed.position)


async def sync(mongo: Mongo, user_id: str, after: str) -> SyncAnswer:
    """The same as an answer, for clients without connection state recovery."""
    missed = await since(mongo, user_id, after)
    epoch = missed.position.epoch
    events = [SyncEvent(event=each.event, data=each.data, offset=offset(epoch, each.seq)) for each in missed.told]
    return SyncAnswer(recovered=missed.recovered, events=events, offset=missed.position.offset)
