"""Leases: at most one holder at a time, given up by time alone, which is the store's."""

from datetime import timedelta
from typing import Any

from social.infra import clock, metrics
from social.infra.mongo import AlreadyExists, Mongo


class Lease:
    """A named lease in the document store; renew it well before `lasts` is over.

    When it is over is for the store's clock to say. An end that is further ahead than a lease lasts was written by
    another release, or before that clock was set back, and counts for nothing.
    """

    def __init__(self, mongo: Mongo, name: str, lasts: timedelta) -> None:
        self._mongo = mongo
        self._name = name
        self._lasts_ms = round(lasts.total_seconds() * 1000)
        self._holder = clock.new_id()

    async def take(self) -> bool:
        """Take or renew it; False while somebody else holds it."""
        held = False
        try:
            held = await self._take()
        finally:  # without the store it is over soon, and nobody works on it meanwhile
            metrics.LEASE_HELD.labels(lease=self._name).set(held)
        return held

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
        row = await self._mongo.one("leases", {"_id": self._name}, {"turns": 1}) or {}
        unchanged = {"_id": self._name, "turns": row.get("turns")}  # of two at once, one is refused
        try:
            return await self._mongo.update("leases", unchanged, change, upsert=True) == 1
        except AlreadyExists:
            return False

    async def give_up(self) -> None:
        """Let the next one have it at once."""
        metrics.LEASE_HELD.labels(lease=self._name).set(0)
        await self._mongo.delete("leases", {"_id": self._name, "holder": self._holder})
