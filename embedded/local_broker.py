"""A broker for one process: the outbox row is the message, and is deleted when every group has acked it.

The queues in memory die with the process; the rows do not, and the next start delivers them again.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from social.contracts.codec import encode
from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.infra import clock
from social.infra.broker.broker import RETRY_DELAYS_S, Deliveries, Delivery
from social.infra.broker.outbox import Outbox, envelope_of
from social.infra.observe import logs
from social.infra.store.members import Members
from social.infra.store.mongo import Mongo
from social.infra.store.rows import OUTBOX

log = logs.get("broker")


class LocalBroker:
    """A broker with queues in memory over outbox rows in the store."""

    def __init__(self, mongo: Mongo, outbox: Outbox) -> None:
        self._mongo = mongo
        self._outbox = outbox
        self._unacked: dict[str, set[Group]] = {}  # groups by the id of an event whose row may exist
        self._queues: dict[Group, asyncio.Queue[LocalDelivery]] = {group: asyncio.Queue() for group in Group}
        self._done: list[str] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._deleting: asyncio.Task[None] | None = None

    async def recover(self) -> None:
        """Deliver the rows that an earlier process left, each with its number of retries."""
        for row in await self._mongo.many(OUTBOX, {}):
            self._enqueue(envelope_of(row), row.get("retries", {}), redelivered=True)

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Deliver events to each of their groups, except events that this process holds already."""
        for envelope in envelopes:
            if envelope.id not in self._unacked:
                self._enqueue(envelope, {}, redelivered=False)

    def fits(self, envelope: Envelope) -> bool:
        """Return True: a message is the event itself."""
        return True

    def _enqueue(self, envelope: Envelope, retries: dict[str, dict[str, object]], *, redelivered: bool) -> None:
        groups = envelope.groups()
        if not groups:
            return  # an event of another release: the relay parks it as a dead letter
        self._unacked[envelope.id] = set(groups)
        for group in groups:
            retry = retries.get(group, {})
            attempt, due = retry.get("attempt", 0), retry.get("due")
            delivery = LocalDelivery(self, group, envelope, attempt if isinstance(attempt, int) else 0, redelivered)
            wait_s = (due - clock.now()).total_seconds() if isinstance(due, datetime) else 0
            self._deliver(delivery, min(wait_s, max(RETRY_DELAYS_S)))

    def _deliver(self, delivery: "LocalDelivery", wait_s: float) -> None:
        queue = self._queues[delivery.group]
        if wait_s <= 0:
            queue.put_nowait(delivery)
            return

        def due() -> None:
            self._timers.discard(timer)
            queue.put_nowait(delivery)

        timer = asyncio.get_running_loop().call_later(wait_s, due)
        self._timers.add(timer)

    def acked(self, delivery: "LocalDelivery") -> None:
        """Note that a group is done; after the last group the row is deleted, with others in one round trip."""
        waiting = self._unacked.get(delivery.event.id)
        if not waiting:
            return
        waiting.discard(delivery.group)
        if not waiting:
            self._delete_soon(delivery.event.id)

    def _delete_soon(self, event_id: str) -> None:
        self._done.append(event_id)
        if self._deleting is None or self._deleting.done():
            self._deleting = asyncio.create_task(self._delete_done())

    async def _delete_done(self) -> None:
        while self._done:
            ids, self._done = self._done, []
            await self._outbox.forget(ids)
            for each in ids:  # only now: a relay that has just read the row would deliver it again
                del self._unacked[each]

    async def retry(self, delivery: "LocalDelivery") -> None:
        """Write the attempt to the row, then deliver again after its delay."""
        delay_s = RETRY_DELAYS_S[min(delivery.attempt, len(RETRY_DELAYS_S) - 1)]
        attempt = delivery.attempt + 1
        state = {"attempt": attempt, "due": clock.now() + timedelta(seconds=delay_s)}
        await self._mongo.update(OUTBOX, {"_id": delivery.event.id}, {"$set": {f"retries.{delivery.group}": state}})
        self._deliver(LocalDelivery(self, delivery.group, delivery.event, attempt), delay_s)

    @asynccontextmanager
    async def consume(self, group: Group, ahead: int, members: Members) -> AsyncIterator[Deliveries]:
        """Open a group's queue, which holds all of its partitions.

        Deliveries that were taken and neither acked nor retried are in the queue again afterwards.
        """
        deliveries = _Deliveries(self._queues[group])
        try:
            yield deliveries
        finally:
            for each in deliveries.left():
                each.redelivered = True
                self._queues[group].put_nowait(each)

    async def ping(self) -> None:
        """Return: a broker in this process always answers."""

    async def close(self) -> None:
        """Delete the rows that are done; the others stay for the next start."""
        for timer in self._timers:
            timer.cancel()
        if self._deleting is not None:
            await self._deleting


class LocalDelivery(Delivery):
    """An event for a group."""

    def __init__(
        self, broker: LocalBroker, group: Group, event: Envelope, attempt: int, redelivered: bool = False
    ) -> None:
        self._broker = broker
        self.group = group
        self.event = event
        self.attempt = attempt
        self.redelivered = redelivered
        self.settled = False

    def envelope(self) -> Envelope:
        return self.event

    def raw(self) -> bytes:
        return encode(self.event)

    async def ack(self, *others: Delivery) -> None:
        for each in (self, *others):
            assert isinstance(each, LocalDelivery)
            each.settled = True
            self._broker.acked(each)

    async def retry(self) -> None:
        await self._broker.retry(self)
        self.settled = True


class _Deliveries:
    def __init__(self, queue: "asyncio.Queue[LocalDelivery]") -> None:
        self._queue = queue
        self._taken: list[LocalDelivery] = []

    async def take(self, most: int, within_s: float | None = None) -> list[Delivery]:
        try:
            async with asyncio.timeout(within_s):
                taken = [await self._queue.get()]
        except TimeoutError:
            return []
        while len(taken) < most and not self._queue.empty():
            taken.append(self._queue.get_nowait())
        self._taken = [*self.left(), *taken]
        return [*taken]

    def left(self) -> list[LocalDelivery]:
        """The deliveries that were taken and are neither acked nor retried."""
        return [each for each in self._taken if not each.settled]
