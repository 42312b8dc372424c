"""The envelope of an event on its way from the outbox to its consumers."""

from datetime import datetime
from typing import Any

from social.contracts.base import Contract, Id
from social.contracts.events import EVENTS, Event, Group


class UnknownEvent(ValueError):
    """An event type, or a version of it, that this release cannot read: it is parked (a dead letter)."""


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
        """Return the event inside; raises UnknownEvent, or pydantic's ValidationError for a malformed one."""
        kind = EVENTS.get(self.type)
        if kind is None or self.v > kind.v:
            raise UnknownEvent(f"{self.type} v{self.v}")
        return kind.model_validate(self.data)

    def groups(self) -> tuple[Group, ...]:
        """Return the groups that consume it; none when this release does not know the type."""
        kind = EVENTS.get(self.type)
        return kind.groups if kind else ()
