"""What waits: events for the broker, notifications to be told, what is parked, and what is yet to be taken out."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import NamedTuple

from social.infra import clock
from social.infra.store.mongo import Mongo, Where

MOST = 100_000  # counted no further


class Waiting(NamedTuple):
    """So many of something, the first of them since so long."""

    what: str
    rows: int
    since: timedelta


QUEUES: tuple[tuple[str, str, str, Where], ...] = (
    ("events in the outbox", "outbox", "at", {}),
    ("notifications to be told", "notifications", "due_at", {"due_at": {"$gt": clock.EPOCH}}),
    ("messages parked", "parked", "at", {}),
    ("deletions to be finished", "deletions", "at", {}),
)


async def all_of_it(mongo: Mongo) -> AsyncIterator[Waiting]:
    """Each of the store's queues; RabbitMQ has its own."""
    now = clock.now()
    for what, collection, field, where in QUEUES:
        rows = await mongo.count(collection, where, limit=MOST)
        first = await mongo.many(collection, where, fields={field: 1}, sort=[(field, 1)], limit=1) if rows else []
        yield Waiting(what, rows, now - first[0][field] if first else timedelta(0))
