"""The backlog: events for the broker, notifications that are due, parked messages, and deletions to finish."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, NamedTuple

from social.infra import clock
from social.infra.store.mongo import Mongo, Where
from social.infra.store.rows import DELETIONS, NOTIFICATIONS, OUTBOX, PARKED, Collection

MOST = 100_000  # counted no further


class Waiting(NamedTuple):
    """A queue: how many wait in it, and since when the first does."""

    what: str
    rows: int
    since: timedelta


QUEUES: tuple[tuple[str, Collection[Any], str, Where], ...] = (
    ("events in the outbox", OUTBOX, "at", {}),
    ("notifications due", NOTIFICATIONS, "due_at", {"due_at": {"$gt": clock.EPOCH}}),
    ("messages parked", PARKED, "at", {}),
    ("deletions to be finished", DELETIONS, "at", {}),
)


async def all_of_it(mongo: Mongo) -> AsyncIterator[Waiting]:
    """Yield the backlog of each of the store's queues; a broker has its own."""
    now = clock.now()
    for what, collection, field, where in QUEUES:
        rows = await mongo.count(collection, where, limit=MOST)
        first = await mongo.many(collection, where, fields={field: 1}, sort=[(field, 1)], limit=1) if rows else []
        yield Waiting(what, rows, now - first[0][field] if first else timedelta(0))
