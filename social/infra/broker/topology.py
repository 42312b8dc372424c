"""The exchanges, quorum queues and bindings in RabbitMQ, all named by one prefix.

Every event goes to one exchange, with a routing key that ends in the number of its partition, `post.liked.3`. Each
consumer group has its own exchange, which takes the events that name the group, with a queue for each partition.
"""

import zlib
from collections.abc import Collection
from typing import Any, NamedTuple

import aio_pika

from social.contracts.envelope import Envelope
from social.contracts.events import EVENTS, Group
from social.infra.broker.broker import RETRY_DELAYS_S
from social.infra.settings import PARTITIONS

NO_LIMIT = 2**31 - 1  # RabbitMQ 3 does not know -1


class Binding(NamedTuple):
    """A binding of a queue, or of another exchange, to an exchange."""

    exchange: str
    taker: str
    routing_key: str


def partition(key: str, partitions: int) -> int:
    """Return the partition of events with this key, equal in every process and release: it keeps their order."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % partitions


class Topology:
    """Names of the exchanges and queues for a prefix and a number of partitions."""

    def __init__(self, prefix: str, partitions: int = PARTITIONS) -> None:
        self.events = f"{prefix}.events"
        self.partitions = partitions
        self._prefix = prefix

    def of(self, partitions: int) -> "Topology":
        """Return the topology with another number of partitions."""
        return Topology(self._prefix, partitions)

    def exchange(self, group: Group) -> str:
        """Return the name of a group's exchange, which hands events to the queue of their partition."""
        return f"{self._prefix}.{group}"

    def queue(self, group: Group, partition: int) -> str:
        """Return the queue of a partition of a group; the first has the name that a group's only queue once had."""
        return f"{self._prefix}.{group}.{partition}" if partition else f"{self._prefix}.{group}"

    def routing_key(self, envelope: Envelope) -> str | None:
        """Return the routing key of an event, or None where this release does not know its type."""
        kind = EVENTS.get(envelope.type)
        return f"{kind.routing_key}.{partition(envelope.key, self.partitions)}" if kind else None

    def delay(self, attempt: int) -> tuple[str, int]:
        """Return the retry exchange (and queue) after this many failed attempts, and its delay in seconds."""
        seconds = RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S) - 1)]
        return (
            f"{self._prefix}.retry.{seconds // 60}m" if seconds >= 60 else f"{self._prefix}.retry.{seconds}s",
            seconds,
        )

    def queues_of(self, group: Group) -> list[str]:
        """Return a group's queues, by partition."""
        return [self.queue(group, each) for each in range(self.partitions)]

    def group_of(self, queue: str) -> Group | None:
        """Return the group of a queue, or None for a delay queue."""
        return next((group for group in Group if queue in self.queues_of(group)), None)

    def queues(self, groups: Collection[Group] = tuple(Group)) -> dict[str, dict[str, Any]]:
        """Return the queues of these groups and of the delays, with the arguments of their declaration."""
        of_group: dict[str, Any] = {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": NO_LIMIT,  # RabbitMQ 4 drops a message at its 20th redelivery by default
        }
        delay: dict[str, Any] = {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": "",  # back to the queue named by the routing key
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",  # required by at-least-once dead-lettering
        }
        delays = dict(map(self.delay, range(len(RETRY_DELAYS_S))))
        return {name: of_group for group in groups for name in self.queues_of(group)} | {
            name: delay | {"x-message-ttl": seconds * 1000} for name, seconds in delays.items()
        }

    def exchanges(self, groups: Collection[Group] = tuple(Group)) -> dict[str, aio_pika.ExchangeType]:
        """Return every exchange and its kind; those that others are bound to come first."""
        topic, fanout = aio_pika.ExchangeType.TOPIC, aio_pika.ExchangeType.FANOUT
        delays = {self.delay(attempt)[0]: fanout for attempt in range(len(RETRY_DELAYS_S))}
        return {self.events: topic} | {self.exchange(group): topic for group in groups} | delays

    def bindings(self, groups: Collection[Group] = tuple(Group)) -> set[Binding]:
        """Return every binding: an event to the groups it names, a partition to its queue, a delay to its own."""
        named = {
            Binding(self.events, self.exchange(group), f"{event.routing_key}.*")
            for event in EVENTS.values()
            for group in event.groups
            if group in groups
        }
        parts = {
            Binding(self.exchange(group), name, f"#.{number}")
            for group in groups
            for number, name in enumerate(self.queues_of(group))
        }
        names = [self.delay(attempt)[0] for attempt in range(len(RETRY_DELAYS_S))]
        return named | parts | {Binding(name, name, name) for name in names}

    async def declare(self, channel: Any, groups: Collection[Group] = tuple(Group)) -> None:
        """Declare all of it, idempotently: every process does, so no event is published to a missing exchange.

        After a reconnect a channel declares again what it declared before, and nothing else.
        """
        exchanges = {
            name: await channel.declare_exchange(name, kind, durable=True)
            for name, kind in self.exchanges(groups).items()
        }
        queues = {
            name: await channel.declare_queue(name, durable=True, arguments=arguments)
            for name, arguments in self.queues(groups).items()
        }
        for exchange, taker, routing_key in sorted(self.bindings(groups)):
            taking = exchanges[taker] if exchange == self.events else queues[taker]
            await taking.bind(exchange, routing_key)
