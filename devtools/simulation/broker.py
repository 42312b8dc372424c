"""A RabbitMQ in memory: exchanges, quorum queues with a single active consumer, confirms, and connections that end."""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devtools.simulation.loop import Process
from devtools.simulation.network import Network, Server


@dataclass(eq=False)
class Message:
    """A message in a queue; `order` keeps its place when it comes back."""

    order: int
    body: bytes
    message_id: str
    headers: dict[str, Any]
    redelivered: bool = False


@dataclass(eq=False)
class Queue:
    """A queue, its consumers in the order of their coming, and what the first of them has not acked."""

    name: str
    arguments: dict[str, Any]
    messages: deque[Message] = field(default_factory=deque)
    consumers: list["Consumer"] = field(default_factory=list)


@dataclass(eq=False)
class Consumer:
    """A consumer of a queue, on a channel of its own."""

    queue: Queue
    connection: "ServerConnection"
    prefetch: int
    deliver: Callable[[int, Message, bool], None]
    unacked: dict[int, Message] = field(default_factory=dict)
    tags: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


@dataclass(eq=False)
class ServerConnection:
    """A connection as the server sees it: messages of each direction keep their order."""

    process: Process
    lost: Callable[[], None]  # called in the client's process
    open: bool = True
    consumers: list[Consumer] = field(default_factory=list)
    there_at: float = 0.0
    here_at: float = 0.0


class BrokerServer(Server):
    """The server; what it confirmed it keeps, whatever happens to it."""

    def __init__(self, network: Network) -> None:
        super().__init__(network, "broker")
        self.queues: dict[str, Queue] = {}
        self.confirms_late = 0.0  # probability
        self.latest_s = 0.0  # that a confirm may take then
        self._exchanges: dict[str, dict[tuple[str, str], None]] = {}  # bindings: the key and the taker
        self._routes: dict[tuple[str, str], list[str]] = {}
        self._connections: list[ServerConnection] = []
        self._order = itertools.count()

    # Connections

    def connect(self, process: Process, lost: Callable[[], None]) -> ServerConnection:
        """Open a connection."""
        connection = ServerConnection(process, lost)
        self._connections.append(connection)
        return connection

    def disconnect(self, connection: ServerConnection, *, noticed: bool = False) -> None:
        """End a connection: what it has not acked is in its queues again. `noticed`: its client is told."""
        if not connection.open:
            return
        connection.open = False
        self._connections.remove(connection)
        for consumer in [*connection.consumers]:
            self.cancel(consumer)
        if noticed:
            self.loop.call_in(connection.process, self.network.latency(), connection.lost)

    def lose_connections(self, of: Callable[[Process], bool] = lambda process: True) -> None:
        """End connections, as a broken network or a restart does."""
        for connection in [each for each in self._connections if of(each.process)]:
            self.disconnect(connection, noticed=True)

    def request(self, connection: ServerConnection, work: Callable[[], None]) -> None:
        """Do something at the server behind what this connection asked before, unless the connection has ended."""
        loop = self.loop
        connection.there_at = max(connection.there_at, loop.time() + self.network.latency())
        loop.call_in(self.process, connection.there_at - loop.time(), _if_open, connection, work)

    def respond(self, connection: ServerConnection, call: Callable[..., object], *arguments: Any) -> None:
        """Call something in the client's process, behind what this connection was sent before."""
        if connection.open:
            loop = self.loop
            connection.here_at = max(connection.here_at, loop.time() + self.network.latency())
            loop.call_in(connection.process, connection.here_at - loop.time(), call, *arguments)

    # Topology

    def declare_exchange(self, name: str) -> None:
        """Declare an exchange."""
        self._exchanges.setdefault(name, {})

    def declare_queue(self, name: str, arguments: dict[str, Any]) -> None:
        """Declare a queue."""
        self.queues.setdefault(name, Queue(name, arguments))

    def bind(self, exchange: str, taker: str, routing_key: str) -> None:
        """Bind a queue or another exchange to an exchange."""
        bindings = self._exchanges[exchange]
        if (routing_key, taker) not in bindings:
            bindings[routing_key, taker] = None
            self._routes.clear()

    # Messages

    def publish(self, exchange: str, routing_key: str, body: bytes, message_id: str, headers: dict[str, Any]) -> bool:
        """Put a message into the queues that it is for; return False where there are none."""
        names = self._route(exchange, routing_key)
        for name in names:
            self._enqueue(self.queues[name], Message(next(self._order), body, message_id, headers), routing_key)
        return bool(names)

    def confirm_later_s(self) -> float:
        """Return how much later than usual a publish is confirmed."""
        chance = self.network.chance
        return chance.random() * self.latest_s if chance.random() < self.confirms_late else 0.0

    def consume(self, consumer: Consumer) -> None:
        """Add a consumer: the first of a queue gets its messages, the others wait for its end."""
        consumer.queue.consumers.append(consumer)
        consumer.connection.consumers.append(consumer)
        self._deliver(consumer.queue)

    def cancel(self, consumer: Consumer) -> None:
        """End a consumer: what it has not acked goes back to its place."""
        if consumer not in consumer.queue.consumers:
            return
        consumer.queue.consumers.remove(consumer)
        consumer.connection.consumers.remove(consumer)
        for each in consumer.unacked.values():
            each.redelivered = True
        back = sorted([*consumer.unacked.values(), *consumer.queue.messages], key=lambda each: each.order)
        consumer.queue.messages = deque(back)
        consumer.unacked.clear()
        self._deliver(consumer.queue)

    def ack(self, consumer: Consumer, tag: int, *, multiple: bool) -> None:
        """Forget messages that were handled."""
        if consumer in consumer.queue.consumers:
            for each in [each for each in consumer.unacked if each == tag or (multiple and each < tag)]:
                del consumer.unacked[each]
            self._deliver(consumer.queue)

    def messages(self, beginning: tuple[str, ...]) -> int:
        """Return how many messages are in the queues whose names begin so, delivered or not."""
        consumed = [queue for queue in self.queues.values() if queue.name.startswith(beginning)]
        waiting = sum(len(queue.messages) for queue in consumed)
        return waiting + sum(len(each.unacked) for queue in consumed for each in queue.consumers)

    def _route(self, exchange: str, routing_key: str) -> list[str]:
        if exchange == "":
            return [routing_key] if routing_key in self.queues else []
        found = self._routes.get((exchange, routing_key))
        if found is None:
            takers = [taker for key, taker in self._exchanges.get(exchange, {}) if _fits(key, routing_key)]
            if exchange in self.queues:  # a delay: all that comes to its exchange
                takers = [exchange]
            queues = [[each] if each in self.queues else self._route(each, routing_key) for each in takers]
            found = self._routes[exchange, routing_key] = [*dict.fromkeys(itertools.chain(*queues))]
        return found

    def _enqueue(self, queue: Queue, message: Message, routing_key: str) -> None:
        if (ttl_ms := queue.arguments.get("x-message-ttl")) is not None:
            again = self.publish, "", routing_key, message.body, message.message_id, message.headers
            self.loop.call_in(self.process, ttl_ms / 1000, *again)
            return
        queue.messages.append(message)
        self._deliver(queue)

    def _deliver(self, queue: Queue) -> None:
        while queue.messages and queue.consumers:
            consumer = queue.consumers[0]
            if len(consumer.unacked) >= consumer.prefetch:
                return
            message, tag = queue.messages.popleft(), next(consumer.tags)
            consumer.unacked[tag] = message
            self.respond(consumer.connection, consumer.deliver, tag, message, message.redelivered)


def _if_open(connection: ServerConnection, work: Callable[[], None]) -> None:
    if connection.open:
        work()


def _fits(pattern: str, key: str) -> bool:
    """Return whether a routing key fits the pattern of a topic: `*` is a word, `#` at the beginning any words."""
    wanted, words = pattern.split("."), key.split(".")
    if wanted[0] == "#":
        return words[len(words) - len(wanted) + 1 :] == wanted[1:]
    return len(wanted) == len(words) and all(each in ("*", word) for each, word in zip(wanted, words, strict=True))
