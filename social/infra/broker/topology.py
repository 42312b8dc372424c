"""What RabbitMQ is told to keep: exchanges, quorum queues and their bindings, all from one prefix.

Every event goes to one exchange, with a routing key that ends in the number of its partition, `post.liked.3`. Each
consumer group has an exchange of its own, which takes the events that name the group, and of it one queue a partition.
"""

import zlib
from collections.abc import Collection
from typing import Any, NamedTuple

import aio_pika

from social.contracts.envelope import Envelope
from social.contracts.events import EVENTS, Group
from social.infra.broker.broker import RETRY_DELAYS_S
from social.infra.settings import PARTITIONS

NO_LIMIT = 2**31 - 1  # -1 says so too, but not to RabbitMQ 3


class Binding(NamedTuple):
    """What a queue, or another exchange, takes of an exchange."""

    exchange: str
    taker: str
    routing_key: str


def partition(key: str, partitions: int) -> int:
    """The partition of the events with this key, in every process and release: their order is kept within it."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % partitions


class Topology:
    """Names of the exchanges and queues, all from one prefix, for so many partitions a group."""

    def __init__(self, prefix: str, partitions: int = PARTITIONS) -> None:
        self.events = f"{prefix}.events"
        self.partitions = partitions
        self._prefix = prefix

    def of(self, partitions: int) -> "Topology":
        """The same with another number of partitions."""
        return Topology(self._prefix, partitions)

    def exchange(self, group: Group) -> str:
        """A group's exchange: it takes what names the group, and hands it to the queue of the partition."""
        return f"{self._prefix}.{group}"

    def queue(self, group: Group, partition: int) -> str:
        """The queue of one of a group's partitions. The first has the name that the only queue of a group once had."""
        return f"{self._prefix}.{group}.{partition}" if partition else f"{self._prefix}.{group}"

    def routing_key(self, envelope: Envelope) -> str | None:
        """What an event is published with; None where this release does not know its type."""
        kind = EVENTS.get(envelope.type)
        return f"{kind.routing_key}.{partition(envelope.key, self.partitions)}" if kind else None

    def delay(self, attempt: int) -> tuple[str, int]:
        """The retry exchange (and queue) after this many failed attempts, and its delay in seconds."""
        seconds = RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S) - 1)]
        return (
            f"{self._prefix}.retry.{seconds // 60}m" if seconds >= 60 else f"{self._prefix}.retry.{seconds}s",
            seconds,
        )

    def queues_of(self, group: Group) -> list[str]:
        """A group's queues, by partition."""
        return [self.queue(group, each) for each in range(self.partitions)]

    def group_of(self, queue: str) -> Group | None:
        """Whose queue this is; None of a delay's."""
        return next((group for group in Group if queue in self.queues_of(group)), None)

    def queues(self, groups: Collection[Group] = tuple(Group)) -> dict[str, dict[str, Any]]:
        """The queues of these groups and of the delays, with the arguments they are declared with."""
        of_group: dict[str, Any] = {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": NO_LIMIT,  # RabbitMQ 4 drops a message at its 20th redelivery by default
        }
        delay: dict[str, Any] = {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": "",  # back to the queue named by the routing key
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",  # which at-least-once dead-lettering asks for
        }
        delays = dict(map(self.delay, range(len(RETRY_DELAYS_S))))
        return {name: of_group for group in groups for name in self.queues_of(group)} | {
            name: delay | {"x-message-ttl": seconds * 1000} for name, seconds in delays.items()
        }

    def exchanges(self, groups: Collection[Group] = tuple(Group)) -> dict[str, aio_pika.ExchangeType]:
        """Every exchange and its kind, those first that others take from."""
        topic, fanout = aio_pika.ExchangeType.TOPIC, aio_pika.ExchangeType.FANOUT
        delays = {self.delay(attempt)[0]: fanout for attempt in range(len(RETRY_DELAYS_S))}
        return {self.events: topic} | {self.exchange(group): topic for group in groups} | delays

    def bindings(self, groups: Collection[Group] = tuple(Group)) -> set[Binding]:
        """Every binding: each event to the groups it names, each partition to its queue, each delay to its own."""
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
        """Declare all of it, idempotently: every process does, so nobody publishes into the void.

        What a channel declared, and only that, it declares again after a reconnect.
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
