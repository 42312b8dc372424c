"""The outbox: events that committed with their write and wait for the broker to accept them."""

import asyncio
import contextvars
from collections.abc import Sequence
from datetime import timedelta

from social.contracts.envelope import Envelope
from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.observe import logs, metrics
from social.infra.store import members
from social.infra.store.mongo import Mongo, translate_errors
from social.infra.store.rows import OUTBOX, PARKED, OutboxRow

log = logs.get("outbox")

MOST_ROWS = 100_000  # above either of these, writes are refused: acknowledged events must be delivered in bounded time
MOST_AGE = timedelta(minutes=15)
SPARE_ROWS = 10_000  # above it optional events are not recorded, such as acts of unauthenticated clients
AHEAD = timedelta(seconds=20)  # more than clocks differ: a row further ahead is due now, not at its time
IN_FLIGHT = 1_000
TOGETHER_S = 0.05  # between two deletions of rows
SOON_S = 0.5  # until a deletion that nothing awaits: a quarter of the age at which the relay takes a row
WATCH_EVERY_S = 5.0


def envelope_of(row: OutboxRow) -> Envelope:
    """Return the event that a row keeps."""
    return Envelope(
        id=row["_id"],
        type=row["type"],
        v=row["v"],
        key=row["key"],
        at=row["at"],
        trace=row.get("trace"),
        data=row["data"],
    )


class Outbox:
    """The outbox rows, and how many of them wait."""

    def __init__(self, mongo: Mongo) -> None:
        self.mongo = mongo
        self._overloaded = False
        self._rows = 0
        self._confirmed: list[str] = []  # ids of rows to be deleted
        self._gone: asyncio.Future[None] | None = None  # done when these are deleted
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0  # when they will be deleted, by the loop's clock
        self._next_at = 0.0  # the earliest time of the next deletion, by the loop's clock
        self._deleting: set[asyncio.Task[None]] = set()

    async def due(self, older_than: timedelta, most: int, after: str = "") -> list[Envelope]:
        """Return the next rows that the fast path left behind, by id.

        Each sweep begins at the first row again, never at a high-water mark: a late commit has an early id.
        """
        now = clock.now()
        left = [{"at": {"$lt": now - older_than}}, {"at": {"$gt": now + AHEAD}}]
        where = {"_id": {"$gt": after}, "$or": left}
        async with translate_errors():  # of a majority: an event that a failover rolls back must not be published
            found = self.mongo.majority(OUTBOX).find(where, sort=[("_id", 1)], limit=most, batch_size=most)
            rows: list[OutboxRow] = await found.to_list(None)
        return [envelope_of(row) for row in rows]

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete the rows of events that the broker has; after a failure they are published twice.

        The first call deletes at once, later ones after a moment, with all that were confirmed meanwhile.
        """
        if ids:
            await asyncio.shield(self._delete_at(self._next_at, ids))

    def forget_soon(self, ids: Sequence[str]) -> None:
        """Delete these rows within half a second, with all others; nothing waits for it, which spares the store."""
        if ids:
            self._delete_at(asyncio.get_running_loop().time() + SOON_S, ids)

    async def finish(self, timeout_s: float) -> None:
        """Delete now the rows that were to be deleted soon; rows that are left are published twice."""
        if self._gone is not None:
            self._delete_at(0.0, ())
            await asyncio.sleep(0)  # until the deletion has begun
        waiting = [*self._deleting, *([self._gone] if self._gone else [])]
        if waiting:
            await asyncio.wait(waiting, timeout=timeout_s)

    def _delete_at(self, at: float, ids: Sequence[str]) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        self._confirmed += ids
        if self._gone is None:
            self._gone = loop.create_future()
        elif at >= self._at:
            return self._gone
        elif self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = loop.call_at(at, self._begin, context=contextvars.Context())
        return self._gone

    def _begin(self) -> None:
        (ids, self._confirmed), (gone, self._gone) = (self._confirmed, []), (self._gone, None)
        assert gone is not None
        self._next_at = asyncio.get_running_loop().time() + TOGETHER_S
        task = asyncio.create_task(self._delete(ids, gone), name="outbox")
        self._deleting.add(task)
        task.add_done_callback(self._deleting.discard)

    async def _delete(self, ids: Sequence[str], gone: "asyncio.Future[None]") -> None:
        try:
            await self.mongo.delete_by_ids(OUTBOX, ids, durable=False)
        except Unavailable:
            log.warning("outbox rows stay until the store is back", rows=len(ids))
        except Exception as error:
            log.error("outbox rows stay until they are published again", rows=len(ids), exc_info=error)
        finally:
            if not gone.done():
                gone.set_result(None)

    async def announce_partitions(self, partitions: int) -> None:
        """Announce to all workers up to which partition this process publishes; raises Unavailable."""
        await members.announce_partitions(self.mongo, partitions)

    def admit(self) -> None:
        """Raise Unavailable while too many events wait to be published."""
        if self._overloaded:
            raise Unavailable("Too many events wait to be delivered; try again later")

    @property
    def has_room(self) -> bool:
        """Return whether so few events wait that an optional event can be recorded too."""
        return not self._overloaded and self._rows < SPARE_ROWS

    async def _oldest_s(self) -> float:
        now = clock.now()
        made = {"_id": {"$lt": clock.first_id(now)}}  # ids grow with time: an index on it would cost every write
        found = await self.mongo.many(OUTBOX, made, fields={"at": 1}, sort=[("_id", 1)], limit=1)
        return (now - found[0]["at"]).total_seconds() if found else 0.0

    async def watch(self) -> None:
        """Measure every 5 s how many events wait, for `admit` and the metrics, as long as the process lives."""
        while True:
            try:
                rows = int(await self.mongo.database[OUTBOX].estimated_document_count())
                # Retries end by themselves.
                too_old = {"_id": {"$lt": clock.first_id(clock.now() - MOST_AGE)}, "retries": None}
                stuck = rows and await self.mongo.one(OUTBOX, too_old, {"_id": 1})
                self._rows, self._overloaded = rows, rows > MOST_ROWS or bool(stuck)
                metrics.OUTBOX_ROWS.set(rows)
                metrics.OUTBOX_OLDEST_S.set(await self._oldest_s() if rows else 0)
                metrics.PARKED_MESSAGES.set(await self.mongo.database[PARKED].estimated_document_count())
            except Exception as error:  # keep the last values; writes fail by themselves when the store is away
                log.debug("outbox not readable", error=str(error))
            await asyncio.sleep(WATCH_EVERY_S)
