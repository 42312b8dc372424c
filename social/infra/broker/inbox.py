"""The inbox: the events that a consumer group has taken effect of, recorded in the transaction of the effect."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypeVar

from social.contracts.events import Event, Group
from social.infra import clock
from social.infra.broker.publisher import Publisher
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.rows import INBOX, InboxRow


class Writer(Protocol):
    """The store that a group writes to, and the publisher of the events it records: those of a `Plaza`."""

    @property
    def mongo(self) -> Mongo: ...

    @property
    def publisher(self) -> Publisher: ...


class ReceivedEvent(NamedTuple):
    """An event as consumers see it."""

    id: str
    at: datetime
    event: Event
    trace: str | None = None  # the request it comes from, see `logs.current_trace`
    again: bool = False  # a redelivery: it may have taken effect without the pushes that follow


TIMEOUT_S = 30.0

T = TypeVar("T")
Record = Callable[[Transaction, Sequence[ReceivedEvent]], Awaitable[T]]


def row_id(group: Group, event_id: str) -> str:
    """Return the id of the row that says that a group has taken effect of an event."""
    return f"{group}:{event_id}"


async def once(plaza: Writer, group: Group, happened: Sequence[ReceivedEvent], record: Record[T]) -> T | None:
    """Record the effect of the events that this group has not seen, in one transaction.

    Returns what `record` returned, or None where all events were seen before.
    """
    ids = {row_id(group, each.id): each for each in happened}

    async def take(tx: Transaction) -> T | None:
        # Nearly always all events are new, and reading first would cost a round trip.
        seen = await tx.get_many(INBOX, ids, ("_id",)) if tx.attempt else {}
        new = {row_id: each for row_id, each in ids.items() if row_id not in seen}
        if not new:
            return None
        now = clock.now()
        tx.insert(INBOX, *(InboxRow(_id=row_id, at=now) for row_id in new))
        return await record(tx, list(new.values()))

    done, tx = await plaza.mongo.transact(take, timeout_s=TIMEOUT_S)
    plaza.publisher.offer(tx.recorded)
    return done
