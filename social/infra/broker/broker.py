"""What the system asks of a message broker; RabbitMQ in production, the outbox itself when embedded."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.infra.store.members import Members

RETRY_DELAYS_S = (5, 30, 120, 600)  # after the last one a message is parked


class BrokerAway(Exception):
    """The broker did not take responsibility; the outbox row still has it."""


class BrokerRefuses(BrokerAway):
    """The broker is there and does not take us: what we are told of it is wrong."""


class Delivery(ABC):
    """One message of one group, owned by its consumer until it is acked or retried."""

    attempt: int  # earlier attempts that failed
    redelivered: bool

    @property
    def held(self) -> bool:
        """Whether it is still this consumer's; one that is not comes again, here or elsewhere, and its ack is void."""
        return True

    @abstractmethod
    def envelope(self) -> Envelope:
        """The event in its envelope; raises ValueError for what is not one."""

    @abstractmethod
    def raw(self) -> bytes:
        """The message as it came, for parking."""

    @abstractmethod
    async def ack(self, *others: "Delivery") -> None:
        """Done, with others of its group: the broker may forget them. A lost connection only means they come again."""

    @abstractmethod
    async def retry(self) -> None:
        """Give it back to be delivered again after this attempt's delay; raises BrokerAway."""


class Deliveries(Protocol):
    """One group's incoming messages."""

    async def take(self, most: int, within_s: float | None = None) -> list[Delivery]:
        """Wait for one, then take what is already there; nothing where none comes within so many seconds."""
        ...


class Broker(Protocol):
    """Durable hand-over from the outbox to consumer groups: at least once.

    Events with one key are handled one after another, and in their order, but for those that are tried again.
    """

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Take responsibility for events and, once they are safe, forget their outbox rows; raises BrokerAway."""
        ...

    def consume(self, group: Group, ahead: int, members: Members) -> AbstractAsyncContextManager[Deliveries]:
        """Be a consumer of a group, whose partitions are shared among all there are; each has one that is active.

        Holds about so many messages that are not acked.
        """
        ...

    async def ping(self) -> None:
        """Raises BrokerAway when it cannot be reached."""
        ...

    async def close(self) -> None:
        """Let go; what was not acked is delivered again."""
        ...
