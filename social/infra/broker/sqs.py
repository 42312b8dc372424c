"""Amazon SQS behind the Broker interface: a standard queue for each partition of a group, and a lease to consume it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from social.contracts.codec import decode, encode
from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.contracts.problems import Unavailable
from social.infra.broker.broker import BrokerAway, BrokerRefuses, Deliveries, PartlyAccepted
from social.infra.broker.outbox import Outbox
from social.infra.broker.sqs_client import QueueMissing, SqsClient, SqsPlace
from social.infra.broker.sqs_deliveries import SqsDeliveries
from social.infra.broker.sqs_reached import Reached
from social.infra.broker.sqs_sender import MOST_BYTES, Sender
from social.infra.broker.topology import partition
from social.infra.observe import logs
from social.infra.settings import PARTITIONS
from social.infra.store.members import Members

log = logs.get("broker")

CONFIRM_DEADLINE_S = 5.0
PING_S = 2.0


class SqsBroker:
    """Queues in SQS. A message is sent to the queue of each group that its event names, so it has no second way."""

    def __init__(self, url: str, prefix: str, outbox: Outbox, partitions: int = PARTITIONS) -> None:
        self.place = SqsPlace.of(url, prefix)
        self.client = SqsClient(self.place)
        self._outbox = outbox
        self._partitions = partitions
        self._senders: dict[str, Sender] = {}
        self._reached = Reached()
        self._opening: asyncio.Task[None] | None = None
        self._opened = False  # ever
        self._announced = False

    async def _open(self) -> None:
        """Find all queues, or create those that are missing where BROKER_URL says so; raises BrokerAway.

        The search is never cancelled with who waits for it, or a slow SQS would be searched again and again.
        """
        if self._opening is None or (self._opening.done() and not _succeeded(self._opening)):
            self._opening = asyncio.create_task(self._find())
            self._opening.add_done_callback(_succeeded)  # nothing may await it
        await asyncio.shield(self._opening)

    async def _find(self) -> None:
        await self.client.find(self.place.queues(self._partitions), create=self.place.create)
        self._opened = True
        log.info("broker connected")

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Send events to all their groups, and delete the outbox rows of those that all have; raises BrokerAway.

        A queue that is gone or denied fails the events of its group alone. Groups that have such an event already do
        not get it again from this process.
        """
        try:
            async with asyncio.timeout(CONFIRM_DEADLINE_S):
                with contextlib.suppress(BrokerRefuses):
                    await self._open()
                if not self._announced:  # before the first message may be in a partition that no worker consumes yet
                    await self._outbox.announce_partitions(self._partitions)
                    self._announced = True
        except (TimeoutError, Unavailable) as error:
            raise BrokerAway(str(error) or type(error).__name__) from error
        sent = [self._send(each) for each in envelopes]
        results = await asyncio.gather(*sent, return_exceptions=True)
        done = [each.id for each, result in zip(envelopes, results, strict=True) if result is None]
        self._outbox.forget_soon(done)
        for result in results:
            if isinstance(result, QueueMissing):
                self._opening = None  # the queue was deleted meanwhile
            if isinstance(result, BaseException):
                some = any(each.id in self._reached for each in envelopes) or bool(done)
                kind = PartlyAccepted if some else BrokerAway
                raise kind(str(result) or type(result).__name__) from result

    async def _send(self, envelope: Envelope) -> None:
        if not envelope.groups():
            raise BrokerAway(f"this release does not know {envelope.type}")
        have = self._reached.pop(envelope.id)
        groups = [group for group in envelope.groups() if group not in have]
        number, body = partition(envelope.key, self._partitions), as_text(encode(envelope))
        results = await asyncio.gather(
            *(self._send_to(self.place.queue(group, number), body) for group in groups), return_exceptions=True
        )
        failures = [each for each in results if each is not None]
        if failures:
            new = {group for group, failure in zip(groups, results, strict=True) if failure is None}
            self._reached.add(envelope.id, have | new)
            raise failures[0]

    async def _send_to(self, queue: str, body: str) -> None:
        async with asyncio.timeout(CONFIRM_DEADLINE_S):
            await self.sender(queue).send(body)

    def fits(self, envelope: Envelope) -> bool:
        """Return whether an event is small enough for a message of SQS."""
        return len(as_text(encode(envelope))) <= MOST_BYTES

    def sender(self, queue: str) -> Sender:
        """Return the sender to a queue."""
        if queue not in self._senders:
            self._senders[queue] = Sender(self.client, queue)
        return self._senders[queue]

    @asynccontextmanager
    async def consume(self, group: Group, ahead: int, members: Members) -> AsyncIterator[Deliveries]:
        """Consume the partitions of a group whose leases this process gets."""
        await self.client.find(self.place.queues(self._partitions, [group]), create=self.place.create)
        deliveries = SqsDeliveries(self.client, self._outbox.mongo, self.sender, group, ahead)
        try:
            with members.join(group, self._partitions, deliveries.share, grows=True):
                deliveries.open(self._partitions)
                yield deliveries
        finally:
            await deliveries.close()

    async def ping(self) -> None:
        """Raise BrokerAway when SQS does not answer; a request that it answered a moment ago is enough.

        Until all queues were found once, raise BrokerRefuses for any that is gone or denied; later, when all are.
        """
        try:
            async with asyncio.timeout(PING_S):
                try:
                    await self._open()
                except BrokerRefuses:
                    if not self._opened:
                        raise
                if not self.client.answers:
                    await self._ask_any()
        except TimeoutError as error:
            raise BrokerAway(f"{self.place.where} does not answer within {PING_S:g} s") from error

    async def _ask_any(self) -> None:
        """Ask for a queue of a group after another, until SQS knows one; raises BrokerAway."""
        *first, last = self.place.queues(1)
        for queue in first:
            try:
                await self.client.ping(queue)
            except BrokerRefuses:
                continue
            return
        await self.client.ping(last)

    async def close(self) -> None:
        """Close the connections; messages that were not acked are delivered again."""
        for each in self._senders.values():
            each.close()
        if self._opening is not None:
            self._opening.cancel()
        await self.client.forget()


def _succeeded(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and task.exception() is None


def as_text(message: bytes) -> str:
    """Return JSON as the text of a message: SQS refuses some characters, so all beyond ASCII are escaped."""
    text = message.decode()
    return text if text.isascii() else json.dumps(decode(text), separators=(",", ":"))
