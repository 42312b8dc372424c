"""The messages that RabbitMQ delivers to a consumer of a group, from the queues of all its partitions.

Each queue has its own channel, and one active consumer in the whole cluster. A partition that belongs to another worker
is given up between two batches, by closing its channel: RabbitMQ then puts unacked messages back in their place before
the next consumer gets any, so the order within the partition is kept.
"""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import AMQPError

from social.contracts.codec import decode
from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.infra.broker.broker import BrokerAway, Delivery, raise_if_cancelled
from social.infra.broker.topology import Topology
from social.infra.observe import logs, metrics
from social.infra.store.members import Owners

log = logs.get("broker")

CONSUMER_CHECK_S = 5.0
OPEN_S = 60.0  # for hundreds of declarations at a RabbitMQ that has just started
CHANGE_S = 5.0
CLOSE_S = 2.0
LEAST_AHEAD = 256  # unacked messages of a partition
AWAY = (AMQPError, ConnectionError, TimeoutError, asyncio.TimeoutError, RuntimeError, aio_pika.exceptions.AMQPException)


class RabbitDelivery(Delivery):
    """An AMQP message."""

    def __init__(self, deliveries: "RabbitDeliveries", message: AbstractIncomingMessage, channel: Any) -> None:
        self._deliveries = deliveries
        self.message = message
        self.channel = channel  # a message does not name a closed channel any more
        attempt = message.headers.get("x-attempt", 0)
        self.attempt = attempt if isinstance(attempt, int) else 0
        self.redelivered = bool(message.redelivered)
        self._envelope: Envelope | None = None

    @property
    def held(self) -> bool:
        return self._deliveries.holds(self)

    def envelope(self) -> Envelope:
        if self._envelope is None:
            self._envelope = Envelope.model_validate(decode(self.message.body))
        return self._envelope

    def raw(self) -> bytes:
        return self.message.body

    async def ack(self, *others: Delivery) -> None:
        await self._deliveries.done([self, *others])

    async def retry(self) -> None:
        await self._deliveries.retry(self)


class _Subscription(NamedTuple):
    """A partition's queue and the channel that consumes it; messages name its `underlay` as their channel."""

    queue: str
    channel: Any
    underlay: Any
    tag: str


# Puts a copy of a message into a delay queue, from where it comes back to this queue; raises BrokerAway.
PublishRetry = Callable[[RabbitDelivery, str], Awaitable[None]]


class RabbitDeliveries:
    """The messages that RabbitMQ has delivered and `take` has not returned, per partition at most the prefetch."""

    def __init__(self, publish_retry: PublishRetry, group: Group, ahead: int) -> None:
        self._publish_retry = publish_retry
        self._group = group
        self._ahead = ahead
        self._connection: AbstractConnection | None = None
        self._topology = Topology("")
        self._subscribed: dict[int, _Subscription] = {}
        self._wanted = 0  # partitions to consume
        self.places: Counter[int] = Counter()  # how often each partition was subscribed to
        self._leaving: set[int] = set()
        self._behind: dict[int, str] = {}  # partitions of other workers: the worker that this one queues behind
        self._arrived: deque[RabbitDelivery] = deque()
        self._owed: dict[Any, dict[int, None]] = {}  # by channel, the tags of unacked messages, oldest first
        self._awake = asyncio.Event()
        self._check_at = 0.0

    async def open(self, connection: AbstractConnection, topology: Topology) -> None:
        """Declare the group's queues and consume all of them."""
        self._connection, self._wanted = connection, topology.partitions
        async with asyncio.timeout(OPEN_S):
            await self._declare(topology)
            for partition in range(self._wanted):
                await self._subscribe(partition)
        self._check_at = time.monotonic() + CONSUMER_CHECK_S

    async def _declare(self, topology: Topology) -> None:
        assert self._connection is not None
        channel: Any = self._connection.channel(publisher_confirms=False)
        await channel.initialize()
        await topology.declare(channel, [self._group])
        await channel.close()
        self._topology = topology

    async def close(self) -> None:
        """Stop consuming; unacked messages are delivered again."""
        metrics.CONSUMER_PARTITIONS.labels(group=self._group).set(0)
        await asyncio.gather(*map(self._unsubscribe, self._subscribed.values()))
        self._subscribed.clear()

    def share(self, owners: Owners) -> None:
        """Learn who owns which partition: partitions of others are given up before the next batch, each once."""
        self._wanted = max(self._wanted, len(owners))
        metrics.CONSUMER_PARTITIONS.labels(group=self._group).set(sum(owner is None for owner in owners.values()))
        others = {partition: owner for partition, owner in owners.items() if owner is not None}
        self._leaving |= {each for each, owner in others.items() if self._behind.get(each) != owner}
        self._behind = others
        self._awake.set()

    async def _subscribe(self, partition: int) -> None:
        assert self._connection is not None
        channel: Any = self._connection.channel(publisher_confirms=False)
        try:
            self._subscribed[partition] = await self._consume(partition, channel)
        except BaseException:  # by now it may be the active consumer, which would get messages that nobody handles
            await _close(channel)
            raise

    async def _consume(self, partition: int, channel: Any) -> _Subscription:
        await channel.initialize()
        await channel.set_qos(prefetch_count=max(LEAST_AHEAD, self._ahead // self._wanted))
        name = self._topology.queue(self._group, partition)
        queue = await channel.get_queue(name, ensure=False)
        underlay = await channel.get_underlay_channel()
        self.opened(underlay)
        tag = await queue.consume(self.arrived)
        self.places[partition] += 1
        return _Subscription(name, channel, underlay, tag)

    async def _unsubscribe(self, subscription: _Subscription) -> None:
        """Close a channel without cancelling its consumer, which would keep the messages that it has."""
        self.lost(subscription.underlay)
        await _close(subscription.channel)

    async def _adjust(self) -> None:
        """Consume new partitions, and queue behind the owners of partitions given up; raises BrokerAway."""
        if time.monotonic() >= self._check_at or any(each.channel.is_closed for each in self._subscribed.values()):
            self._check()
        try:
            async with asyncio.timeout(CHANGE_S):
                while self._leaving:
                    partition = self._leaving.pop()
                    if left := self._subscribed.pop(partition, None):
                        await self._unsubscribe(left)
                if self._wanted > self._topology.partitions:
                    await self._declare(self._topology.of(self._wanted))
                for partition in range(self._wanted):
                    if partition not in self._subscribed:
                        await self._subscribe(partition)
        except AWAY as error:
            raise BrokerAway(str(error) or type(error).__name__) from error

    def _check(self) -> None:
        """Raise BrokerAway where a consumer was cancelled with its queue: it would wait for ever."""
        self._check_at = time.monotonic() + CONSUMER_CHECK_S
        for each in self._subscribed.values():
            if each.channel.is_closed or each.tag not in each.underlay.consumers:
                raise BrokerAway(f"the consumer of {each.queue} was cancelled")

    def opened(self, channel: Any) -> None:
        """Accept messages of this channel from now on."""
        self._owed[channel] = {}

    def lost(self, channel: Any) -> None:
        """Drop the messages of this channel: RabbitMQ delivers them again, to its next consumer."""
        self._owed.pop(channel, None)

    def holds(self, delivery: RabbitDelivery) -> bool:
        """Return whether no other consumer can have the message by now, as far as this process knows."""
        return delivery.channel in self._owed

    async def arrived(self, message: AbstractIncomingMessage) -> None:
        """Queue a message that RabbitMQ delivered."""
        try:
            channel = message.channel
        except AWAY:
            return  # the channel was closed meanwhile
        if (owed := self._owed.get(channel)) is None:
            return
        assert message.delivery_tag is not None
        owed[message.delivery_tag] = None
        self._arrived.append(RabbitDelivery(self, message, channel))
        self._awake.set()

    async def retry(self, delivery: RabbitDelivery) -> None:
        """Have a message return to its queue after its delay; raises BrokerAway."""
        queues = {each.underlay: each.queue for each in self._subscribed.values()}
        if (queue := queues.get(delivery.channel)) is None:
            return  # it is delivered again anyway
        await self._publish_retry(delivery, queue)
        await self.done([delivery])

    async def done(self, deliveries: Sequence[Delivery]) -> None:
        """Ack these, with a single ack of each channel for messages behind which nothing older is unacked."""
        here: dict[Any, dict[int, Any]] = {}
        for each in deliveries:
            assert isinstance(each, RabbitDelivery)
            here.setdefault(each.channel, {})[each.message.delivery_tag or 0] = each.message
        for channel, messages in here.items():
            if (owed := self._owed.get(channel)) is not None:
                await _ack(owed, messages)

    async def take(self, most: int, within_s: float | None = None) -> list[Delivery]:
        """Wait for a message, then return all that are there; partitions change hands here, between batches."""
        end = math.inf if within_s is None else time.monotonic() + within_s
        while True:
            self._awake.clear()
            await self._adjust()
            raise_if_cancelled()
            if taken := self._next(most):
                return taken
            left_s = end - time.monotonic()
            if left_s <= 0:
                return []
            try:
                async with asyncio.timeout(min(CONSUMER_CHECK_S, left_s)):
                    await self._awake.wait()
            except TimeoutError:
                pass

    def _next(self, most: int) -> list[Delivery]:
        taken: list[Delivery] = []
        while self._arrived and len(taken) < most:
            each = self._arrived.popleft()
            if each.held:
                taken.append(each)
        return taken


async def _close(channel: Any) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await channel.close()
    except AWAY:
        pass  # the connection is gone, and the deliveries with it


async def _ack(owed: dict[int, None], messages: dict[int, Any]) -> None:
    for tag in messages:
        owed.pop(tag, None)
    oldest = next(iter(owed), math.inf)
    together = max((tag for tag in messages if tag < oldest), default=0)
    try:
        if together:
            await messages[together].ack(multiple=True)
        for tag, message in messages.items():
            if tag > oldest:
                await message.ack()
    except AWAY:
        log.info("acks lost with their channel; the messages come again", messages=len(messages))
