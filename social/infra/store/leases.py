"""Leases: at most one holder at a time, given up by time alone, which is the store's; work in parts has one each."""

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

    When it is over is for the store's clock to say. An end that is further ahead than a lease lasts was written by
    another release, or before that clock was set back, and counts for nothing.
    """

    def __init__(self, mongo: Mongo, name: str, lasts: timedelta) -> None:
        self._mongo = mongo
        self._name = name
        self._lasts_ms = round(lasts.total_seconds() * 1000)
        self._holder = clock.new_id()
        self.held = False
        self._renew_at = 0.0

    async def take(self) -> bool:
        """Take it, or renew it where a third of its time is over; False while another holder has it."""
        began = time.monotonic()
        if self.held and began < self._renew_at:
            return True
        self.held = False
        try:
            self.held = await self._take()
        finally:  # without the store it is over soon, and nobody works on it meanwhile
            metrics.LEASE_HELD.labels(lease=self._name).set(self.held)
        self._renew_at = began + self._lasts_ms / 3000
        return self.held

    async def _take(self) -> bool:
        # Compared as milliseconds: an embedded store does not compare `$$NOW` with a date that is stored.
        now, until = {"$toLong": "$$NOW"}, {"$ifNull": [{"$toLong": "$until"}, 0]}
        longest = {"$add": [now, self._lasts_ms]}
        free = {"$or": [{"$lt": [until, now]}, {"$gt": [until, longest]}, {"$eq": ["$holder", self._holder]}]}
        ends = {"$add": ["$$NOW", self._lasts_ms]}
        claim = {"holder": self._holder, "until": ends, "turns": {"$add": [{"$ifNull": ["$turns", 0]}, 1]}}
        # Whoever may not have it writes what is there, which is no change.
        change: list[Any] = [
            {"$set": {"free": free}},
            {"$set": {name: {"$cond": ["$free", value, f"${name}"]} for name, value in claim.items()}},
            {"$unset": "free"},
        ]
        row = await self._mongo.one(LEASES, {"_id": self._name}, {"turns": 1})
        unchanged = {"_id": self._name, "turns": row.get("turns") if row else None}  # of two at once, one is refused
        try:
            return await self._mongo.update(LEASES, unchanged, change, upsert=True) == 1
        except AlreadyExists:
            return False

    async def give_up(self) -> None:
        """Let the next one have it at once."""
        self.held = False
        metrics.LEASE_HELD.labels(lease=self._name).set(0)
        await self._mongo.delete(LEASES, {"_id": self._name, "holder": self._holder})


class Parts:
    """The leases of the parts of one work, of which this process takes those that are its own by now."""

    def __init__(self, leases: Sequence[Lease]) -> None:
        self._leases = leases
        self._mine = set(range(len(leases)))  # until others are known of

    def share(self, owners: Owners) -> None:
        """Whose the parts are by now."""
        self._mine = {part for part, owner in owners.items() if owner is None}

    async def take(self) -> dict[int, Lease]:
        """Take or renew the leases of this process's parts, and give up the others; returns those it has.

        Raises Unavailable.
        """
        for part, lease in enumerate(self._leases):
            if lease.held and part not in self._mine:
                await lease.give_up()
        return {part: lease for part, lease in enumerate(self._leases) if part in self._mine and await lease.take()}

    async def give_up(self) -> None:
        """Let the others have all of it at once, if the store answers; else by and by."""
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

    Where the store or another server is `away`, the next attempt is made as usual. At the end all parts are given up.
    """
    parts = Parts(leases)
    try:
        with members.join(work, len(leases), parts.share):
            while True:
                try:
                    if held := await parts.take():
                        await do(held)
                except away as error:
                    logs.get(work).warning("waiting", error=repr(error))
                await asyncio.sleep(every_s)
    finally:
        await parts.give_up()
