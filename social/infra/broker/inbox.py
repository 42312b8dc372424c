"""The inbox: a consumer group's memory of the events it has taken effect of, kept in the same transaction."""

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
    again: bool = False  # it may have taken effect already, and what follows from that not have been said


TIMEOUT_S = 30.0

T = TypeVar("T")
Record = Callable[[Transaction, Sequence[ReceivedEvent]], Awaitable[T]]


def row_id(group: Group, event_id: str) -> str:
    """The row that says a group has taken effect of an event."""
    return f"{group}:{event_id}"


async def once(
    plaza: Writer, group: Group, happened: Sequence[ReceivedEvent], record: Record[T], *, company_s: float = 0.0
) -> T | None:
    """Record the effect of the events this group has not seen, in one transaction; of the others nothing.

    What `record` came to, or None where all of them were seen. `company_s` as `Mongo.transact` has it.
    """
    ids = {row_id(group, each.id): each for each in happened}

    async def take(tx: Transaction) -> T | None:
        # Nearly always all of them are new, and asking first would cost a round trip.
        seen = await tx.get_many(INBOX, ids, ("_id",)) if tx.attempt else {}
        new = {row_id: each for row_id, each in ids.items() if row_id not in seen}
        if not new:
            return None
        now = clock.now()
        tx.insert(INBOX, *(InboxRow(_id=row_id, at=now) for row_id in new))
        return await record(tx, list(new.values()))

    done, tx = await plaza.mongo.transact(take, timeout_s=TIMEOUT_S, company_s=company_s)
    plaza.publisher.offer(tx.recorded)
    return done
