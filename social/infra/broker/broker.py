"""The interface of a message broker: RabbitMQ or SQS in production, the outbox itself when embedded."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.infra.store.members import Members

RETRY_DELAYS_S = (5, 30, 120, 600)  # after the last delay a message is parked (a dead letter)


class BrokerAway(Exception):
    """The broker did not accept an event; the outbox row still has it."""


class PartlyAccepted(BrokerAway):
    """The broker accepted some of the events, or some of their groups; outbox rows still have the others."""


class BrokerRefuses(BrokerAway):
    """The broker answers and rejects the connection: the setting that names it is wrong."""


class Delivery(ABC):
    """A message of a group, owned by its consumer until it is acked or retried."""

    attempt: int  # earlier attempts that failed
    redelivered: bool

    @property
    def held(self) -> bool:
        """Return whether it is still this consumer's; otherwise it is delivered again and its ack has no effect."""
        return True

    @abstractmethod
    def envelope(self) -> Envelope:
        """Return the event in its envelope; raises ValueError for a message that is none."""

    @abstractmethod
    def raw(self) -> bytes:
        """Return the message as it arrived, for parking."""

    @abstractmethod
    async def ack(self, *others: "Delivery") -> None:
        """Ack it, with others of its group: the broker forgets them, unless the connection is lost before."""

    @abstractmethod
    async def retry(self) -> None:
        """Give it back, to be delivered again after this attempt's delay; raises BrokerAway."""


class Deliveries(Protocol):
    """The incoming messages of a group."""

    async def take(self, most: int, within_s: float | None = None) -> list[Delivery]:
        """Wait for a message, then return all that are there; an empty list where none comes within `within_s`."""
        ...


class Broker(Protocol):
    """Durable delivery from the outbox to consumer groups, at least once.

    Events with the same key are handled one after another and in their order, except for those that are retried. SQS
    keeps that order mostly: no effect may depend on it.
    """

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Accept events and, once they are durable, delete their outbox rows; raises BrokerAway."""
        ...

    def fits(self, envelope: Envelope) -> bool:
        """Return whether an event is small enough for a message."""
        ...

    def consume(self, group: Group, ahead: int, members: Members) -> AbstractAsyncContextManager[Deliveries]:
        """Consume a group, whose partitions are shared among its consumers; each partition has one active consumer.

        Holds about `ahead` messages that are not acked.
        """
        ...

    async def ping(self) -> None:
        """Raise BrokerAway when the broker cannot be reached."""
        ...

    async def close(self) -> None:
        """Close the connections; messages that were not acked are delivered again."""
        ...


def raise_if_cancelled() -> None:
    """Raise CancelledError if this task is to end: a driver may have turned its cancellation into another error.

    aiormq does, when a cancellation meets a channel that closes. The task would go on, and its process never stop.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
