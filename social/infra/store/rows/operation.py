"""Documents that processes keep for themselves: events under way, leases, keys and progress."""

from datetime import datetime
from typing import Any, NotRequired, TypedDict

from social.infra.store.rows.collection import Collection


class OutboxRow(TypedDict):
    """An event that waits for the broker; see `social/contracts/envelope.py`."""

    _id: str
    type: str
    v: int
    key: str
    at: datetime
    trace: NotRequired[str | None]
    data: dict[str, Any]  # the fields of the event, which its type names
    retries: NotRequired[dict[str, Any]]


class InboxRow(TypedDict):
    """An event that a consumer group has taken effect of."""

    _id: str  # group and event
    at: datetime


class IdempotencyRow(TypedDict):
    """The answer to a write under an idempotency key."""

    _id: str  # person and key
    fingerprint: str
    body: bytes
    at: datetime


class ParkedRow(TypedDict):
    """A dead letter: a message that no consumer could process."""

    _id: str  # group and event
    group: str
    type: str | None  # None where not even that could be read
    attempts: int
    error: str
    effect: NotRequired[bool]  # the group had taken effect of it
    at: datetime
    raw: str
    size: int


class LeaseRow(TypedDict):
    """A right that one process has at a time."""

    _id: str
    holder: NotRequired[str]
    until: NotRequired[datetime]
    turns: NotRequired[int]
    at: NotRequired[datetime]  # of a probe that only tests whether the store takes writes


class CursorKeyRow(TypedDict):
    """A key that cursors are sealed with."""

    _id: int
    key: bytes
    at: datetime


class MigrationRow(TypedDict):
    """The progress of a change of stored documents."""

    _id: str
    at: str  # the id of the last document


class Work(TypedDict):
    """A kind of work that a process shares, and its places in the lines for the parts of it."""

    name: str
    places: dict[str, int]


class WorkerRow(TypedDict):
    """A worker process that lives; in the row `partitions` the highest number of them that was published to."""

    _id: str
    beat: NotRequired[int]
    works: NotRequired[dict[str, Work]]
    at: NotRequired[datetime]
    most: NotRequired[int]


OUTBOX = Collection[OutboxRow]("outbox")
INBOX = Collection[InboxRow]("inbox")
IDEMPOTENCY = Collection[IdempotencyRow]("idempotency")
PARKED = Collection[ParkedRow]("parked")
LEASES = Collection[LeaseRow]("leases")
CURSOR_KEYS = Collection[CursorKeyRow]("cursor_keys")
MIGRATIONS = Collection[MigrationRow]("migrations")
WORKERS = Collection[WorkerRow]("workers")
