"""Leases: at most one holder at a time, which end by the store's clock; divided work has a lease for each part."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.observe import logs, metrics
from social.infra.store.members import Members, Owners
from social.infra.store.mongo import AlreadyExists, Mongo
from social.infra.store.rows import LEASES


class Lease:
    """A named lease in the document store; take it again well before `lasts` is over.

    The store's clock decides when it is over. An end that is further ahead than a lease lasts was written by another
    release, or before that clock was set back, and is ignored.
    """

    def __init__(self, mongo: Mongo, name: str, lasts: timedelta, *, measured: bool = True) -> None:
        self._mongo = mongo
        self._name = name
        self._measured = measured  # by a metric of its own
        self._lasts_ms = round(lasts.total_seconds() * 1000)
        self._holder = clock.new_id()
        self.held = False
        self._renew_at = 0.0
        self._ends_at = 0.0
        self._changing = asyncio.Lock()

    @property
    def is_over(self) -> bool:
        """Whether another process may have the lease by now, also where a renewal is under way or failed."""
        return time.monotonic() >= self._ends_at

    async def take(self) -> bool:
        """Take the lease, or renew it where a third of its time is over; False while another process holds it."""
        async with self._changing:
            return await self._take_or_renew()

    async def _take_or_renew(self) -> bool:
        began = time.monotonic()
        if self.held and began < self._renew_at:
            return True
        self.held = False
        try:
            self.held = await self._take()
        finally:  # without the store it is over soon, and this process does not work under it meanwhile
            self._show()
        self._renew_at = began + self._lasts_ms / 3000
        self._ends_at = began + self._lasts_ms / 1000 if self.held else 0.0
        return self.held

    async def _take(self) -> bool:
        # Compared as milliseconds: an embedded store does not compare `$$NOW` with a stored date.
        now, until = {"$toLong": "$$NOW"}, {"$ifNull": [{"$toLong": "$until"}, 0]}
        longest = {"$add": [now, self._lasts_ms]}
        free = {"$or": [{"$lt": [until, now]}, {"$gt": [until, longest]}, {"$eq": ["$holder", self._holder]}]}
        ends = {"$add": ["$$NOW", self._lasts_ms]}
        claim = {"holder": self._holder, "until": ends, "turns": {"$add": [{"$ifNull": ["$turns", 0]}, 1]}}
        # A process that may not have it writes the values that are there, which changes nothing.
        change: list[Any] = [
            {"$set": {"free": free}},
            {"$set": {name: {"$cond": ["$free", value, f"${name}"]} for name, value in claim.items()}},
            {"$unset": "free"},
        ]
        row = await self._mongo.one(LEASES, {"_id": self._name}, {"turns": 1})
        unchanged = {"_id": self._name, "turns": row.get("turns") if row else None}  # of two at once, one fails
        try:
            return await self._mongo.update(LEASES, unchanged, change, upsert=True) == 1
        except AlreadyExists:
            return False

    async def give_up(self) -> None:
        """Release the lease, so that another process can take it at once."""
        async with self._changing:  # after a renewal that is under way, which would take it again
            self.held, self._ends_at = False, 0.0
            self._show()
            await self._mongo.delete(LEASES, {"_id": self._name, "holder": self._holder})

    def _show(self) -> None:
        if self._measured:
            metrics.LEASE_HELD.labels(lease=self._name).set(self.held)


class Parts:
    """The leases of a work's parts, of which this process takes its share."""

    def __init__(self, leases: Sequence[Lease]) -> None:
        self._leases = leases
        self._mine = set(range(len(leases)))  # all, until other processes are known

    def share(self, owners: Owners) -> None:
        """Learn which parts are this process's."""
        self._mine = {part for part, owner in owners.items() if owner is None}

    async def take(self) -> dict[int, Lease]:
        """Take or renew the leases of this process's parts, and release the others; return those it holds.

        Raises Unavailable.
        """
        for part, lease in enumerate(self._leases):
            if lease.held and part not in self._mine:
                await lease.give_up()
        return {part: lease for part, lease in enumerate(self._leases) if part in self._mine and await lease.take()}

    async def give_up(self) -> None:
        """Release all leases at once, if the store answers; otherwise they expire."""
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(1):
                for lease in self._leases:
                    if lease.held:
                        await lease.give_up()


async def work_in_parts(
    members: Members,
    work: str,
    leases: Sequence[Lease],
    do: Callable[[Mapping[int, Lease]], Awaitable[None]],
    *,
    every_s: float,
    away: tuple[type[Exception], ...] = (Unavailable,),
) -> None:
    """Do a share of a work every `every_s` seconds, as long as the process lives: `do` gets the leases it holds.

    The first turn is after that time too: by then the process has started, and it knows its share of the parts.
    While the store or another server is `away` it keeps trying. At the end all leases are released.
    """
    parts = Parts(leases)
    try:
        with members.join(work, len(leases), parts.share):
            while True:
                await asyncio.sleep(every_s)
                try:
                    if held := await parts.take():
                        await do(held)
                except away as error:
                    logs.get(work).warning("waiting", error=repr(error))
    finally:
        await parts.give_up()
