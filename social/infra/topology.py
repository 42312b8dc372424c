"""What RabbitMQ is told to keep: exchanges, quorum queues and their bindings, all from one prefix."""

from typing import Any, NamedTuple

import aio_pika

from social.contracts.events import EVENTS, Group
from social.infra.broker import RETRY_DELAYS_S

NO_LIMIT = 2**31 - 1  # -1 says so too, but not to RabbitMQ 3


class Binding(NamedTuple):
    """What a queue takes of an exchange."""

    exchange: str
    queue: str
    routing_key: str


class Topology:
    """Names of the exchange and queues, all from one prefix."""

    def __init__(self, prefix: str) -> None:
        self.events = f"{prefix}.events"
        self._prefix = prefix

    def queue(self, group: Group) -> str:
        """A group's queue."""
        return f"{self._prefix}.{group}"

    def delay(self, attempt: int) -> tuple[str, int]:
        """The retry exchange (and queue) after this many failed attempts, and its delay in seconds."""
        seconds = RETRY_DELAYS_S[min(attempt, len(RETRY_DELAYS_S) - 1)]
        return (
            f"{self._prefix}.retry.{seconds // 60}m" if seconds >= 60 else f"{self._prefix}.retry.{seconds}s",
            seconds,
        )

    def queues(self) -> dict[str, dict[str, Any]]:
        """Every queue, with the arguments it is declared with."""
        group: dict[str, Any] = {
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
        return {self.queue(each): group for each in Group} | {
            name: delay | {"x-message-ttl": seconds * 1000} for name, seconds in delays.items()
        }

    def exchanges(self) -> dict[str, aio_pika.ExchangeType]:
        """Every exchange and its kind."""
        delays = {self.delay(attempt)[0]: aio_pika.ExchangeType.FANOUT for attempt in range(len(RETRY_DELAYS_S))}
        return {self.events: aio_pika.ExchangeType.TOPIC} | delays

    def bindings(self) -> set[Binding]:
        """Every binding: each event to the groups it names, each delay to its queue."""
        events = EVENTS.values()
        told = {
            Binding(self.events, self.queue(group), event.routing_key) for event in events for group in event.groups
        }
        names = [self.delay(attempt)[0] for attempt in range(len(RETRY_DELAYS_S))]
        return told | {Binding(name, name, name) for name in names}

    async def declare(self, channel: Any) -> dict[Group, Any]:
        """Declare all of it, idempotently: every process does, so nobody publishes into the void. The groups' queues.

        What a channel declared, and only that, it declares and consumes again after a reconnect or a deleted queue.
        """
        for name, kind in self.exchanges().items():
            await channel.declare_exchange(name, kind, durable=True)
        queues = {
            name: await channel.declare_queue(name, durable=True, arguments=arguments)
            for name, arguments in self.queues().items()
        }
        for binding in sorted(self.bindings()):
            await queues[binding.queue].bind(binding.exchange, binding.routing_key)
        return {group: queues[self.queue(group)] for group in Group}
