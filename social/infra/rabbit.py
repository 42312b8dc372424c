"""RabbitMQ behind the Broker interface: quorum queues, publisher confirms, retry by delay queues."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.connection import make_url
from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from social.contracts.codec import decode, encode
from social.contracts.envelope import Envelope
from social.contracts.events import EVENTS, Group
from social.infra import logs
from social.infra.broker import BrokerAway, BrokerRefuses, Delivery
from social.infra.outbox import Outbox
from social.infra.settings import StartError
from social.infra.topology import Topology

log = logs.get("broker")

CONFIRM_DEADLINE_S = 5.0
OPEN_DEADLINE_S = 5.0
CONSUMER_CHECK_S = 5.0  # while nothing arrives
AWAY = (AMQPError, ConnectionError, TimeoutError, asyncio.TimeoutError, RuntimeError, aio_pika.exceptions.AMQPException)
REFUSES = (AuthenticationError, ProbableAuthenticationError, ChannelAccessRefused, ConnectionNotAllowed)


class RabbitBroker:
    """One connection, reconnecting by itself; every publish is confirmed or fails within its deadline."""

    def __init__(self, url: str, prefix: str, outbox: Outbox) -> None:
        try:
            self._url = make_url(url)
        except ValueError:  # whose words may hold the password
            raise StartError("AMQP_URL is wrong: it is no URL; are user and password percent-encoded?") from None
        self._outbox = outbox
        self._topology = Topology(prefix)
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None
        self._events: Any = None
        self._opening: asyncio.Task[AbstractRobustConnection] | None = None

    async def _open(self) -> AbstractRobustConnection:
        """The one connection. Its opening is never cancelled: aio_pika would go on connecting for ever."""
        if self._opening is None or (self._opening.done() and self._connection is None):
            self._opening = asyncio.create_task(self._connect())
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())  # perhaps nobody asks
        return await asyncio.shield(self._opening)

    async def _connect(self) -> AbstractRobustConnection:
        connection = aio_pika.RobustConnection(self._url, reconnect_interval=1)
        try:
            await connection.connect(timeout=OPEN_DEADLINE_S)
            async with asyncio.timeout(OPEN_DEADLINE_S):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                await self._topology.declare(channel)
                self._events = await channel.get_exchange(self._topology.events, ensure=False)
        except REFUSES as error:
            await connection.close()
            raise BrokerRefuses(str(error) or type(error).__name__) from error
        except InvalidFrameError as error:  # a word that the protocol does not expect there, and aiormq does not read
            await connection.close()
            raise BrokerRefuses("its virtual host is not there, or not for this user") from error
        except AWAY:
            await connection.close()  # else it would reconnect for ever, beside the next one
            raise
        self._channel, self._connection = channel, connection
        log.info("broker connected")
        return connection

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Confirmed by a majority of the queue's replicas, then forgotten by the outbox; raises BrokerAway."""
        try:
            async with asyncio.timeout(CONFIRM_DEADLINE_S):
                await self._open()
        except AWAY as error:
            raise BrokerAway(str(error) or type(error).__name__) from error
        results = await asyncio.gather(*(self._publish(each) for each in envelopes), return_exceptions=True)
        done = [
            each.id for each, result in zip(envelopes, results, strict=True) if not isinstance(result, BaseException)
        ]
        self._outbox.forget_soon(done)
        for result in results:
            if isinstance(result, BaseException):
                raise BrokerAway(str(result) or type(result).__name__) from result

    async def _publish(self, envelope: Envelope) -> None:
        message = aio_pika.Message(
            encode(envelope),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=f"{envelope.id}.0",
            type=envelope.type,
        )
        kind = EVENTS.get(envelope.type)
        if kind is None:
            raise BrokerAway(f"this release does not know {envelope.type}")
        async with asyncio.timeout(CONFIRM_DEADLINE_S):  # each its own: what was confirmed is not sent again
            await self._events.publish(message, kind.routing_key, mandatory=True)

    @asynccontextmanager
    async def consume(self, group: Group, ahead: int) -> AsyncIterator["RabbitDeliveries"]:
        """Consume a group's queue; a second consumer waits until this one is gone."""
        try:
            connection = await self._open()
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.set_qos(prefetch_count=ahead)
            queue = (await self._topology.declare(channel))[group]
            deliveries = RabbitDeliveries(self, queue.name, channel)
            tag = deliveries.tag = await queue.consume(deliveries.arrived)
        except AWAY as error:
            raise BrokerAway(str(error) or type(error).__name__) from error
        try:
            yield deliveries
        finally:
            try:
                async with asyncio.timeout(2):
                    await queue.cancel(tag)
                    await channel.close()
            except AWAY:
                pass  # the connection is gone and the deliveries with it

    async def publish_retry(self, delivery: "RabbitDelivery", queue: str) -> None:
        """Put a copy into the queue of this attempt's delay; raises BrokerAway."""
        name, _ = self._topology.delay(delivery.attempt)
        message = aio_pika.Message(
            delivery.raw(),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=f"{(delivery.message.message_id or '').partition('.')[0]}.{delivery.attempt + 1}",
            headers={"x-attempt": delivery.attempt + 1},
        )
        try:
            assert self._channel is not None
            async with asyncio.timeout(CONFIRM_DEADLINE_S):
                exchange = await self._channel.get_exchange(name, ensure=False)
                await exchange.publish(message, queue, mandatory=True, timeout=CONFIRM_DEADLINE_S)
        except AWAY as error:
            raise BrokerAway(str(error) or type(error).__name__) from error

    async def ping(self) -> None:
        """Raises BrokerAway when the connection is down."""
        try:
            async with asyncio.timeout(2):
                connection = await self._open()
        except AWAY as error:
            raise BrokerAway(str(error) or type(error).__name__) from error
        if not connection.connected.is_set():
            raise BrokerAway("reconnecting")

    async def close(self) -> None:
        """Close the connection; what was not acked is delivered again."""
        if self._opening is not None:
            try:
                async with asyncio.timeout(2 * OPEN_DEADLINE_S):
                    await asyncio.shield(self._opening)
            except (*AWAY, BrokerRefuses):
                return  # it never came
        if self._connection is not None:
            try:
                async with asyncio.timeout(2):
                    await self._connection.close()
            except AWAY:
                log.warning("broker connection did not close in time")


class RabbitDelivery(Delivery):
    """One AMQP message."""

    def __init__(self, deliveries: "RabbitDeliveries", message: AbstractIncomingMessage) -> None:
        self._deliveries = deliveries
        self.message = message
        attempt = message.headers.get("x-attempt", 0)
        self.attempt = attempt if isinstance(attempt, int) else 0
        self.redelivered = bool(message.redelivered)
        self._envelope: Envelope | None = None

    def envelope(self) -> Envelope:
        if self._envelope is None:
            self._envelope = Envelope.model_validate(decode(self.message.body))
        return self._envelope

    def raw(self) -> bytes:
        return self.message.body

    async def ack(self, *others: Delivery) -> None:
        await self._deliveries.done([self, *others])

    async def retry(self) -> None:
        await self._deliveries.broker.publish_retry(self, self._deliveries.queue)
        await self.ack()


class RabbitDeliveries:
    """What RabbitMQ has pushed and nobody has taken yet: at most the prefetch."""

    def __init__(self, broker: RabbitBroker, queue: str, channel: Any) -> None:
        self.broker = broker
        self.queue = queue
        self.tag = ""
        self._channel = channel
        self._arrived: asyncio.Queue[RabbitDelivery] = asyncio.Queue()
        self._owed: dict[int, None] = {}  # tags of what is not acked, oldest first
        self._owed_on: Any = None  # the channel they are of: after a reconnect there is another one
        self._silent_since = time.monotonic()

    async def arrived(self, message: AbstractIncomingMessage) -> None:
        """RabbitMQ's callback."""
        if message.channel is not self._owed_on:
            self._owed_on, self._owed = message.channel, {}
        assert message.delivery_tag is not None
        self._owed[message.delivery_tag] = None
        self._arrived.put_nowait(RabbitDelivery(self, message))

    async def done(self, deliveries: Sequence[Delivery]) -> None:
        """Ack these; one word is enough for all that nothing older waits behind."""
        here = {
            each.message.delivery_tag or 0: each.message
            for each in deliveries
            if isinstance(each, RabbitDelivery) and each.message.channel is self._owed_on
        }
        for tag in here:
            self._owed.pop(tag, None)
        oldest = next(iter(self._owed), math.inf)
        together = max((tag for tag in here if tag < oldest), default=0)
        try:
            if together:
                await here[together].ack(multiple=True)
            for tag, message in here.items():
                if tag > oldest:
                    await message.ack()
        except AWAY:
            log.info("acks lost with their channel; the messages come again", messages=len(deliveries))

    async def take(self, most: int, within_s: float | None = None) -> list[Delivery]:
        first = await self._first(math.inf if within_s is None else within_s)
        taken: list[Delivery] = [first] if first else []
        while len(taken) < most and not self._arrived.empty():
            taken.append(self._arrived.get_nowait())
        return taken

    async def _first(self, within_s: float) -> Delivery | None:
        if not self._arrived.empty():
            self._silent_since = time.monotonic()
            return self._arrived.get_nowait()
        end = time.monotonic() + within_s
        while True:
            try:
                async with asyncio.timeout(min(CONSUMER_CHECK_S, max(0.0, end - time.monotonic()))):
                    delivery = await self._arrived.get()
                    self._silent_since = time.monotonic()
                    return delivery
            except TimeoutError:
                if time.monotonic() - self._silent_since >= CONSUMER_CHECK_S:
                    self._silent_since = time.monotonic()
                    await self._check()
                if time.monotonic() >= end:
                    return None

    async def _check(self) -> None:
        """A queue that was deleted cancels its consumer, which then would wait for ever; raises BrokerAway."""
        try:
            async with asyncio.timeout(CONSUMER_CHECK_S):
                channel = await self._channel.get_underlay_channel()
        except AWAY:
            return  # reconnecting: the consumer comes back with the connection
        if self.tag not in channel.consumers:
            raise BrokerAway(f"the consumer of {self.queue} was cancelled")
