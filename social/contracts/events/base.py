"""Consumer groups, and the bases of all domain events."""

from enum import StrEnum
from typing import ClassVar

from social.contracts.base import Contract, Id


class Group(StrEnum):
    """A consumer group: durable queues by the key of events, each with one active consumer."""

    NOTIFICATIONS = "notifications"
    FEEDS = "feeds"
    COUNTERS = "counters"
    MAIL = "mail"
    ACCOUNTS = "accounts"
    ACTIVITY = "activity"


class Event(Contract):
    """Base of all events; a new field has a default one release before anything relies on it."""

    routing_key: ClassVar[str]
    groups: ClassVar[tuple[Group, ...]]
    v: ClassVar[int] = 1

    @property
    def key(self) -> str:
        """Return what the event is about; the envelope carries it for the log and for partitioning."""
        raise NotImplementedError


class AboutPost(Event):
    post_id: Id
    author_id: Id

    @property
    def key(self) -> str:
        return f"post:{self.post_id}"


class AboutUser(Event):
    user_id: Id

    @property
    def key(self) -> str:
        return f"user:{self.user_id}"
