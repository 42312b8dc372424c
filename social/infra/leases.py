"""Leases: at most one holder at a time, given up by time alone."""

from datetime import timedelta

from social.infra import clock
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
        now = clock.now()
        mine_or_over = {"_id": self._name, "$or": [{"holder": self._holder}, {"until": {"$lt": now}}]}
        claim = {"$set": {"holder": self._holder, "until": now + self._lasts}}
        try:
            return await self._mongo.update("leases", mine_or_over, claim, upsert=True) == 1
        except AlreadyExists:
            return False

    async def give_up(self) -> None:
        """Let the next one have it at once."""
        await self._mongo.delete("leases", {"_id": self._name, "holder": self._holder})
