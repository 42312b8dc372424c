"""The AMQP client of the simulated broker: the calls of aio_pika that the product makes."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import aio_pika
from aiormq.exceptions import ChannelInvalidStateError, DeliveryError

from devtools.simulation.broker import BrokerServer, Consumer, Message, ServerConnection

RECONNECT_S = 1.0


class Connection:
    """A connection that ends when it is lost, in place of `aio_pika.Connection`."""

    def __init__(self, server: BrokerServer) -> None:
        self.server = server
        self.connected = asyncio.Event()
        self.closed = False
        self.channels: list[Channel] = []
        self.there: ServerConnection | None = None
        self.process = server.loop.process

    async def connect(self, timeout: float | None = None) -> None:
        """Connect; raises ConnectionError where the broker is away."""
        await asyncio.sleep(self.server.network.latency())
        if self.server.away:
            raise ConnectionError("the broker is away")
        self.there = self.server.connect(self.process, self._lost)
        self.connected.set()

    def channel(self, *, publisher_confirms: bool = True, on_return_raises: bool = False) -> "Channel":
        """Return a channel, to be awaited or initialized."""
        channel = Channel(self, on_return_raises=on_return_raises)
        self.channels.append(channel)
        return channel

    async def close(self) -> None:
        """Close the connection and its channels."""
        self.closed = True
        self.connected.clear()
        for each in self.channels:
            each.end()
        if self.there is not None:
            there, self.there = self.there, None
            self.server.request(there, lambda: self.server.disconnect(there))
        await asyncio.sleep(0)

    def _lost(self) -> None:
        self.connected.clear()
        self.there = None
        for each in self.channels:
            each.end()


class NodesConnection(Connection):
    """A connection that connects again by itself, with its channels, in place of the product's `NodesConnection`."""

    def _lost(self) -> None:
        self.connected.clear()
        self.there = None
        for each in self.channels:
            each.fail_pending()
        if not self.closed:
            self.server.loop.create_task(self._reconnect(), name="amqp reconnect")

    async def _reconnect(self) -> None:
        while not self.closed:
            await asyncio.sleep(RECONNECT_S)
            try:
                await self.connect()
            except ConnectionError:
                continue
            return


class Channel:
    """A channel; also its own underlay, which messages name."""

    def __init__(self, connection: Connection, *, on_return_raises: bool) -> None:
        self.connection = connection
        self.on_return_raises = on_return_raises
        self.is_closed = False
        self.prefetch = 0
        self.consumers: dict[str, Consumer] = {}
        self.pending: dict[asyncio.Future[bool], None] = {}

    def __await__(self) -> Any:
        return self.initialize().__await__()

    async def initialize(self) -> "Channel":
        """Open the channel."""
        await asyncio.sleep(self.connection.server.network.latency())
        self.there()
        return self

    def there(self) -> ServerConnection:
        """Return the server's end; raises an error where it is lost."""
        if self.is_closed or self.connection.there is None:
            raise ChannelInvalidStateError("the channel is closed")
        return self.connection.there

    async def get_underlay_channel(self) -> "Channel":
        """Return what messages name as their channel."""
        return self

    async def set_qos(self, *, prefetch_count: int) -> None:
        """Set how many messages may be unacked."""
        self.prefetch = prefetch_count

    async def declare_exchange(self, name: str, kind: Any, *, durable: bool) -> "Exchange":
        """Declare an exchange."""
        self.there()
        self.connection.server.declare_exchange(name)
        return Exchange(self, name)

    async def declare_queue(self, name: str, *, durable: bool, arguments: dict[str, Any]) -> "ClientQueue":
        """Declare a queue."""
        self.there()
        self.connection.server.declare_queue(name, arguments)
        return ClientQueue(self, name)

    async def get_exchange(self, name: str, *, ensure: bool) -> "Exchange":
        """Return an exchange without a look whether it is there."""
        return Exchange(self, name)

    async def get_queue(self, name: str, *, ensure: bool) -> "ClientQueue":
        """Return a queue without a look whether it is there."""
        return ClientQueue(self, name)

    async def close(self) -> None:
        """Close the channel: the server puts back what was not acked."""
        there = self.there()
        self.end()
        done = asyncio.get_running_loop().create_future()

        def leave() -> None:
            for each in self.consumers.values():
                self.connection.server.cancel(each)
            self.connection.server.respond(there, _finish, done)

        self.connection.server.request(there, leave)
        await done

    def end(self) -> None:
        """Note that the channel is closed."""
        self.is_closed = True
        self.fail_pending()

    def fail_pending(self) -> None:
        """Fail what waits for a confirm."""
        for each in self.pending:
            if not each.done():
                each.set_exception(ChannelInvalidStateError("the connection was lost"))
        self.pending.clear()


class Exchange:
    """An exchange."""

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel, self._name = channel, name

    async def bind(self, exchange: str, routing_key: str) -> None:
        """Have messages of another exchange passed on to this one."""
        self._channel.connection.server.bind(exchange, self._name, routing_key)

    async def publish(
        self, message: aio_pika.Message, routing_key: str, *, mandatory: bool = True, timeout: float | None = None
    ) -> None:
        """Publish a message and wait for its confirm; raises DeliveryError for one that no queue takes."""
        channel, server = self._channel, self._channel.connection.server
        await channel.connection.connected.wait()
        there = channel.there()
        confirmed = asyncio.get_running_loop().create_future()
        channel.pending[confirmed] = None

        def set_confirmed(routed: bool) -> None:
            if not confirmed.done():
                confirmed.set_result(routed)

        def arrive() -> None:
            body, headers = bytes(message.body), dict(message.headers)
            routed = server.publish(self._name, routing_key, body, message.message_id or "", headers)
            late_s = server.confirm_later_s()
            server.loop.call_in(server.process, late_s, server.respond, there, set_confirmed, routed)

        server.request(there, arrive)
        try:
            routed = await confirmed
        finally:
            channel.pending.pop(confirmed, None)
        if not routed and mandatory and channel.on_return_raises:
            raise DeliveryError(None, None)


class ClientQueue:
    """A queue, as a channel sees it."""

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel, self._name = channel, name

    async def bind(self, exchange: str, routing_key: str) -> None:
        """Have messages of an exchange put into this queue."""
        self._channel.connection.server.bind(exchange, self._name, routing_key)

    async def consume(self, callback: Callable[[Any], Awaitable[None]]) -> str:
        """Consume the queue; return the consumer's tag."""
        channel, server, there = self._channel, self._channel.connection.server, self._channel.there()
        loop = server.loop

        def deliver(tag: int, message: Message, redelivered: bool) -> None:
            if not channel.is_closed:
                arrived: Any = callback(IncomingMessage(channel, consumer, tag, message, redelivered))
                loop.create_task(arrived, name="amqp message")

        consumer = Consumer(server.queues[self._name], there, channel.prefetch, deliver)
        channel.consumers[self._name] = consumer
        done = loop.create_future()

        def arrive() -> None:
            server.respond(there, _finish, done)
            server.consume(consumer)

        server.request(there, arrive)
        channel.pending[done] = None
        try:
            await done
        finally:
            channel.pending.pop(done, None)
        return self._name


class IncomingMessage:
    """A message that was delivered."""

    def __init__(self, channel: Channel, consumer: Consumer, tag: int, message: Message, redelivered: bool) -> None:
        self._channel, self._consumer = channel, consumer
        self.delivery_tag = tag
        self.body, self.headers, self.message_id = message.body, message.headers, message.message_id
        self.redelivered = redelivered

    @property
    def channel(self) -> Channel:
        """The channel it came by; raises an error where that is closed."""
        self._channel.there()
        return self._channel

    async def ack(self, *, multiple: bool = False) -> None:
        """Ack it, and with `multiple` all messages of its channel before it."""
        there, server = self._channel.there(), self._channel.connection.server
        server.request(there, lambda: server.ack(self._consumer, self.delivery_tag, multiple=multiple))
        await asyncio.sleep(0)


def _finish(done: "asyncio.Future[Any]") -> None:
    if not done.done():
        done.set_result(None)


def namespace(server: BrokerServer) -> SimpleNamespace:
    """Return what stands in for the module `aio_pika`."""
    return SimpleNamespace(
        Connection=lambda url: Connection(server),
        Message=aio_pika.Message,
        DeliveryMode=aio_pika.DeliveryMode,
        ExchangeType=aio_pika.ExchangeType,
        exceptions=aio_pika.exceptions,
    )
