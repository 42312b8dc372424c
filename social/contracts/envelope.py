"""The envelope an event travels in, from the outbox to its consumers."""

from datetime import datetime
from typing import Any

from social.contracts.base import Contract, Id
from social.contracts.events import EVENTS, Event, Group


class UnknownEvent(ValueError):
    """An event type, or a version of one, that this release cannot read: parked, never crashed on."""


class Envelope(Contract):
    """An event on its way: the outbox row and the AMQP body."""

    id: Id
    type: str
    v: int
    key: str
    at: datetime
    trace: str | None = None
    data: dict[str, Any]

    def event(self) -> Event:
        """The event inside; raises UnknownEvent, or pydantic's ValidationError for a malformed one."""
        kind = EVENTS.get(self.type)
        if kind is None or self.v > kind.v:
            raise UnknownEvent(f"{self.type} v{self.v}")
        return kind.model_validate(self.data)

    def groups(self) -> tuple[Group, ...]:
        """Who consumes it; nobody, when this release does not know the type."""
        kind = EVENTS.get(self.type)
        return kind.groups if kind else ()
