"""RabbitMQ behind the Broker interface: quorum queues, publisher confirms, retries by delay queues."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractRobustChannel, AbstractRobustConnection
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from social.contracts.codec import encode
from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.contracts.problems import Unavailable
from social.infra.broker.broker import BrokerAway, BrokerRefuses, Deliveries
from social.infra.broker.outbox import Outbox
from social.infra.broker.rabbit_deliveries import AWAY, RabbitDeliveries, RabbitDelivery
from social.infra.broker.rabbit_nodes import Nodes, NodesConnection, any_of
from social.infra.broker.topology import Topology
from social.infra.observe import logs
from social.infra.settings import PARTITIONS, StartError
from social.infra.store.members import Members

__all__ = ["AWAY", "RabbitBroker"]

log = logs.get("broker")

CONFIRM_DEADLINE_S = 5.0
OPEN_DEADLINE_S = 5.0
DECLARE_DEADLINE_S = 60.0  # each attempt declares all of the topology: a slow broker must come to the end of one
REFUSES = (AuthenticationError, ProbableAuthenticationError, ChannelAccessRefused, ConnectionNotAllowed)


class RabbitBroker:
    """A connection that reconnects by itself, and another to consume; each publish is confirmed or fails in time."""

    def __init__(self, url: str, prefix: str, outbox: Outbox, partitions: int = PARTITIONS) -> None:
        try:
            self._nodes, self._consuming_nodes = Nodes(url), Nodes(url)
        except ValueError:  # whose message may hold the password
            raise StartError("BROKER_URL is wrong: it is no URL; are user and password percent-encoded?") from None
        self._outbox = outbox
        self._topology = Topology(prefix, partitions)
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractRobustChannel | None = None
        self._events: Any = None
        self._opening: asyncio.Task[AbstractRobustConnection] | None = None
        self._consuming: AbstractConnection | None = None
        self._consuming_opens = asyncio.Lock()
        self._announced = False

    async def _open(self) -> AbstractRobustConnection:
        """Return the connection. Its opening is never cancelled: aio_pika would go on connecting for ever."""
        if self._opening is None or (self._opening.done() and self._connection is None):
            self._opening = asyncio.create_task(any_of(self._nodes, self._connect))
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())  # nothing may await it
        return await asyncio.shield(self._opening)

    async def _connect(self) -> AbstractRobustConnection:
        connection = NodesConnection(self._nodes)
        try:
            await connection.connect(timeout=OPEN_DEADLINE_S)
            async with asyncio.timeout(DECLARE_DEADLINE_S):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                await self._topology.declare(channel)
                self._events = await channel.get_exchange(self._topology.events, ensure=False)
        except REFUSES as error:
            await connection.close()
            raise BrokerRefuses(str(error) or type(error).__name__) from error
        except InvalidFrameError as error:  # a frame that the protocol does not allow there and aiormq does not read
            await connection.close()
            raise BrokerRefuses("its virtual host is not there, or not for this user") from error
        except AWAY:
            await connection.close()  # otherwise it would reconnect for ever, beside the next connection
            raise
        self._channel, self._connection = channel, connection
        return connection

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Publish events, confirmed by a majority of replicas, and delete their outbox rows; raises BrokerAway."""
        try:
            async with asyncio.timeout(CONFIRM_DEADLINE_S):
                await self._open()
                if not self._announced:  # before the first message may be in a partition that no worker consumes yet
                    await self._outbox.announce_partitions(self._topology.partitions)
                    self._announced = True
        except (*AWAY, Unavailable) as error:
            raise BrokerAway(str(error) or type(error).__name__) from error
        results = await asyncio.gather(*(self._publish(each) for each in envelopes), return_exceptions=True)
        done = [
            each.id for each, result in zip(envelopes, results, strict=True) if not isinstance(result, BaseException)
        ]
        self._outbox.forget_soon(done)
        for result in results:
            if isinstance(result, BaseException):
                raise BrokerAway(str(result) or type(result).__name__) from result

    def fits(self, envelope: Envelope) -> bool:
        """Return True: its limit, 16 MiB and more, is far above what the store keeps of an event."""
        return True

    async def _publish(self, envelope: Envelope) -> None:
        message = aio_pika.Message(
            encode(envelope),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=f"{envelope.id}.0",
            type=envelope.type,
        )
        routing_key = self._topology.routing_key(envelope)
        if routing_key is None:
            raise BrokerAway(f"this release does not know {envelope.type}")
        async with asyncio.timeout(CONFIRM_DEADLINE_S):  # a deadline each: confirmed events are not sent again
            await self._events.publish(message, routing_key, mandatory=True)

    @asynccontextmanager
    async def consume(self, group: Group, ahead: int, members: Members) -> AsyncIterator[Deliveries]:
        """Consume a group's queues; a second consumer of a queue waits until the first ends or gives it up."""
        deliveries = RabbitDeliveries(self._publish_retry, group, ahead)
        try:
            await deliveries.open(await self._open_consuming(), self._topology)
        except AWAY as error:
            await deliveries.close()
            raise BrokerAway(str(error) or type(error).__name__) from error
        try:
            with members.join(group, self._topology.partitions, deliveries.share, places=deliveries.places, grows=True):
                yield deliveries
        finally:
            await deliveries.close()

    async def _open_consuming(self) -> AbstractConnection:
        """Return the consumers' connection: RabbitMQ blocks connections that publish when it is full.

        It does not reconnect by itself. Consumers notice and start again: messages delivered before are no longer
        theirs.
        """
        await self._open()
        async with self._consuming_opens:
            if self._consuming is None or not self._consuming.connected.is_set():
                lost, self._consuming = self._consuming, None
                if lost is not None:
                    await lost.close()
                self._consuming = await any_of(self._consuming_nodes, self._connect_consuming)
            return self._consuming

    async def _connect_consuming(self) -> AbstractConnection:
        connection = aio_pika.Connection(self._consuming_nodes.url)
        await connection.connect(timeout=OPEN_DEADLINE_S)
        return connection

    async def _publish_retry(self, delivery: RabbitDelivery, queue: str) -> None:
        """Put a copy into the queue of this attempt's delay, from where it returns to `queue`; raises BrokerAway."""
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
        """Raise BrokerAway when the connection is down."""
        try:
            async with asyncio.timeout(2):
                connection = await self._open()
        except AWAY as error:
            raise BrokerAway(str(error) or type(error).__name__) from error
        if not connection.connected.is_set():
            raise BrokerAway("reconnecting")

    async def close(self) -> None:
        """Close the connections; messages that were not acked are delivered again."""
        if self._opening is not None:
            try:
                async with asyncio.timeout(2 * OPEN_DEADLINE_S):
                    await asyncio.shield(self._opening)
            except (*AWAY, BrokerRefuses):
                return  # it never opened
        for connection in (self._consuming, self._connection):
            try:
                async with asyncio.timeout(2):
                    if connection is not None:
                        await connection.close()
            except AWAY:
                log.warning("broker connection did not close in time")
