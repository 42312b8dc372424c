"""A partition's queue in SQS as its consumer sees it: messages it received, their visibility, and their acks."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from social.contracts.codec import decode
from social.contracts.envelope import Envelope
from social.infra import clock
from social.infra.broker.broker import RETRY_DELAYS_S, BrokerAway, Delivery
from social.infra.broker.sqs_client import MOST_IN_BATCH, POLL_S, VISIBLE_AGAIN_S, SqsClient
from social.infra.broker.sqs_sender import ATTEMPT, Sender
from social.infra.observe import logs
from social.infra.store.leases import Lease

log = logs.get("broker")

EXTEND_EVERY_S = 3.0  # those that were neither received nor extended in this time, so each at least every 6 s
ON_ITS_WAY_S = 3.0  # the longest that an answer with messages is believed to travel
ACK_WITHIN_S = 0.2  # acks of several batches share requests
PAUSE_S = 1.0  # while SQS is away
ATTRIBUTES = ("ApproximateReceiveCount", "SentTimestamp")
DEPTHS = {  # by state of a message, the attribute of a queue that counts them
    "waiting": "ApproximateNumberOfMessages",
    "taken": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}

T = TypeVar("T")


class SqsDelivery(Delivery):
    """A message that SQS shows to nobody else until `visible_at`, by the monotonic clock."""

    def __init__(self, partition: "SqsPartition", message: Any) -> None:
        self.partition = partition
        self.receipt: str = message["ReceiptHandle"]
        self.body: str = message.get("Body") or ""  # no event, which is parked
        said = message.get("Attributes", {})
        self.sent_at_ms = int(said.get("SentTimestamp", 0))
        self.redelivered = int(said.get("ApproximateReceiveCount", 1)) > 1
        attempt = str(message.get("MessageAttributes", {}).get(ATTEMPT, {}).get("StringValue", "0"))
        self.attempt = int(attempt) if attempt.isdecimal() else 0
        self.visible_at = time.monotonic() + VISIBLE_AGAIN_S - ON_ITS_WAY_S
        self._envelope: Envelope | None = None

    @property
    def held(self) -> bool:
        return self.partition.holds(self)

    def envelope(self) -> Envelope:
        if self._envelope is None:
            self._envelope = Envelope.model_validate(decode(self.body))
        return self._envelope

    def raw(self) -> bytes:
        return self.body.encode("utf-8", "surrogatepass")

    async def ack(self, *others: Delivery) -> None:
        for each in (self, *others):
            assert isinstance(each, SqsDelivery)
            each.partition.ack(each)

    async def retry(self) -> None:
        await self.partition.retry(self)


class SqsPartition:
    """Receives the messages of a queue, as long as a lease lasts."""

    def __init__(
        self,
        client: SqsClient,
        sender: Sender,
        queue: str,
        *,
        lease: Lease,
        most: int,
        arrived: Callable[[Sequence[SqsDelivery]], None],
    ) -> None:
        self.queue = queue
        self._client = client
        self._sender = sender
        self._lease = lease
        self._most = most  # messages that are neither acked nor retried
        self._arrived = arrived
        self._owed: dict[str, SqsDelivery] = {}  # by receipt, in the order they arrived
        self._acked: dict[str, SqsDelivery] = {}  # and those to be deleted
        self._room = asyncio.Event()
        self._ten_acked = asyncio.Event()
        self._consuming = False
        self._receiving: asyncio.Task[None] | None = None
        self._extending: asyncio.Task[None] | None = None
        self._deleting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to receive messages."""
        self._consuming = True
        self._receiving = asyncio.create_task(self._receive(), name=f"receive {self.queue}")
        self._extending = asyncio.create_task(self._extend(), name=f"extend {self.queue}")
        for task in (self._receiving, self._extending):
            task.add_done_callback(lambda _: self._arrived(()))  # whoever takes messages checks then

    def check(self) -> None:
        """Raise the error that ended its work: no message comes any more."""
        for task in (self._receiving, self._extending):
            if task is not None and task.done() and not task.cancelled():
                task.result()

    async def close(self) -> None:
        """Stop receiving, delete what was acked, and show all other messages to the next consumer at once.

        A request that waits for messages goes on, and what it gets is shown again: were it broken off, messages on
        their way would be hidden for a while.
        """
        self._consuming = False
        self._room.set()
        self._cancel(self._extending, self._deleting)
        left, self._owed = list(self._owed), {}
        await asyncio.gather(self._delete(), self._show(left), return_exceptions=True)

    def end(self) -> None:
        """Break off all requests; messages that were not shown again are so after a while."""
        self._consuming = False
        self._cancel(self._receiving, self._extending, self._deleting)

    @staticmethod
    def _cancel(*tasks: "asyncio.Task[None] | None") -> None:
        for task in tasks:
            if task is not None:
                task.cancel()

    async def _show(self, receipts: Sequence[str]) -> None:
        await asyncio.gather(*(self._change(some, 0) for some in _batches(receipts)))

    @property
    def has_ended(self) -> bool:
        """Whether its last request was answered."""
        return self._receiving is None or self._receiving.done()

    def holds(self, delivery: SqsDelivery) -> bool:
        """Return whether no other consumer can have the message by now, as far as this process knows."""
        return (
            self._consuming
            and delivery.receipt in self._owed
            and not self._lease.is_over
            and time.monotonic() < delivery.visible_at
        )

    @property
    def oldest_s(self) -> float:
        """The age of the oldest message that this process has received and not acked, or 0."""
        sent_at_ms = min((each.sent_at_ms for each in self._owed.values()), default=None)
        return 0.0 if sent_at_ms is None else max(0.0, (clock.millis(clock.now()) - sent_at_ms) / 1000)

    async def depth(self) -> dict[str, int]:
        """Return how many messages the queue has, by their state; raises BrokerAway."""
        names = list(DEPTHS.values())
        found = (await self._client.ask("get_queue_attributes", self.queue, AttributeNames=names))["Attributes"]
        return {state: int(found.get(name, 0)) for state, name in DEPTHS.items()}

    async def _receive(self) -> None:
        warned = False
        while self._consuming:
            try:
                received = [SqsDelivery(self, each) for each in await self._next()]
                warned = False
                if self._consuming:
                    self._owed |= {each.receipt: each for each in received}
                    self._arrived(received)
                else:
                    await self._show([each.receipt for each in received])
            except BrokerAway as error:
                if not warned:
                    log.warning("waiting for the broker", queue=self.queue, error=str(error))
                warned = True
                await asyncio.sleep(PAUSE_S)
            while self._consuming and len(self._owed) >= self._most:
                self._room.clear()
                await self._room.wait()

    async def _next(self) -> Sequence[Any]:
        """Wait for messages, and return them; an empty list after a while without any."""
        answer = await self._client.ask(
            "receive_message",
            self.queue,
            within_s=POLL_S + ON_ITS_WAY_S,
            MaxNumberOfMessages=MOST_IN_BATCH,
            WaitTimeSeconds=POLL_S,
            VisibilityTimeout=VISIBLE_AGAIN_S,
            MessageAttributeNames=[ATTEMPT],
            MessageSystemAttributeNames=[*ATTRIBUTES],
        )
        messages: Sequence[Any] = answer.get("Messages", [])
        return messages

    async def _extend(self) -> None:
        """Keep messages that wait or are being handled from other consumers: those that do not expire are lost here."""
        while True:
            await asyncio.sleep(EXTEND_EVERY_S)
            now = time.monotonic()
            self._drop(each for each in list(self._owed.values()) if each.visible_at <= now)
            soon = now + VISIBLE_AGAIN_S - EXTEND_EVERY_S
            due = [each.receipt for each in self._owed.values() if each.visible_at < soon]
            await asyncio.gather(*(self._extend_some(some) for some in _batches(due)))

    async def _extend_some(self, receipts: Sequence[str]) -> None:
        now = time.monotonic()
        while receipts and time.monotonic() < now + EXTEND_EVERY_S:
            try:
                failed = await self._change(receipts, VISIBLE_AGAIN_S)
            except BrokerAway:
                await asyncio.sleep(PAUSE_S)
                continue
            for each in receipts:
                if each in self._owed and each not in failed:
                    self._owed[each].visible_at = now + VISIBLE_AGAIN_S
            self._drop(self._owed[each] for each, lost in failed.items() if lost and each in self._owed)
            receipts = [each for each, lost in failed.items() if not lost]
            if receipts:
                await asyncio.sleep(PAUSE_S)

    async def _change(self, receipts: Sequence[str], visible_in_s: int) -> dict[str, bool]:
        """Have SQS show messages after so many seconds; return those it did not, and whether it knows them no more."""
        entries = [
            {"Id": str(number), "ReceiptHandle": each, "VisibilityTimeout": visible_in_s}
            for number, each in enumerate(receipts)
        ]
        answer = await self._client.ask("change_message_visibility_batch", self.queue, Entries=entries)
        return {receipts[int(each["Id"])]: bool(each.get("SenderFault")) for each in answer.get("Failed", [])}

    def _drop(self, deliveries: Iterable[SqsDelivery]) -> None:
        for each in deliveries:
            self._owed.pop(each.receipt, None)
        self._room.set()

    def ack(self, delivery: SqsDelivery) -> None:
        """Have a message deleted within a moment; it comes again where it is not this consumer's any more."""
        if self._consuming and delivery.receipt in self._owed:
            del self._owed[delivery.receipt]
            self._acked[delivery.receipt] = delivery
            self._room.set()
            if len(self._acked) >= MOST_IN_BATCH:
                self._ten_acked.set()
            if self._deleting is None or self._deleting.done():
                self._deleting = asyncio.create_task(self._delete_soon(), name=f"ack {self.queue}")

    async def _delete_soon(self) -> None:
        while self._acked:
            self._ten_acked.clear()
            if len(self._acked) < MOST_IN_BATCH:
                try:
                    async with asyncio.timeout(ACK_WITHIN_S):
                        await self._ten_acked.wait()
                except TimeoutError:
                    pass
            try:
                await self._delete()
            except BrokerAway as error:
                log.info("acks wait for the broker", queue=self.queue, messages=len(self._acked), error=str(error))
                await asyncio.sleep(PAUSE_S)
            now = time.monotonic()
            self._acked = {receipt: each for receipt, each in self._acked.items() if each.visible_at > now}

    async def _delete(self) -> None:
        """Delete all messages that were acked; raises BrokerAway."""
        await asyncio.gather(*(self._delete_some(some) for some in _batches(list(self._acked))))

    async def _delete_some(self, receipts: Sequence[str]) -> None:
        entries = [{"Id": str(number), "ReceiptHandle": each} for number, each in enumerate(receipts)]
        answer = await self._client.ask("delete_message_batch", self.queue, Entries=entries)
        again = {receipts[int(each["Id"])] for each in answer.get("Failed", []) if not each.get("SenderFault")}
        for each in receipts:
            if each not in again:
                self._acked.pop(each, None)

    async def retry(self, delivery: SqsDelivery) -> None:
        """Send a copy that SQS shows after this attempt's delay, and ack the message; raises BrokerAway."""
        if not delivery.held:
            return  # it is delivered again anyway
        delay_s = RETRY_DELAYS_S[min(delivery.attempt, len(RETRY_DELAYS_S) - 1)]
        await self._sender.send(delivery.body, attempt=delivery.attempt + 1, delay_s=delay_s)
        self.ack(delivery)


def _batches(some: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(some), MOST_IN_BATCH):
        yield some[start : start + MOST_IN_BATCH]
