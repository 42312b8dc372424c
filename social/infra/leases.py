"""Leases: at most one holder at a time, given up by time alone."""

from datetime import timedelta

from social.infra import clock, metrics
from social.infra.mongo import AlreadyExists, Mongo


class Lease:
    """A named lease in the document store; renew it well before `lasts` is over."""

    def __init__(self, mongo: Mongo, name: str, lasts: timedelta) -> None:
        self._mongo = mongo
        self._name = name
        self._lasts = lasts
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
        now = clock.now()
        mine_or_over = {"_id": self._name, "$or": [{"holder": self._holder}, {"until": {"$lt": now}}]}
        claim = {"$set": {"holder": self._holder, "until": now + self._lasts}}
        try:
            return await self._mongo.update("leases", mine_or_over, claim, upsert=True) == 1
        except AlreadyExists:
            return False

    async def give_up(self) -> None:
        """Let the next one have it at once."""
        metrics.LEASE_HELD.labels(lease=self._name).set(0)
        await self._mongo.delete("leases", {"_id": self._name, "holder": self._holder})
