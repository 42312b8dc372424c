"""Changes of who sees whom, kept for an hour and written with each change, so that every gateway can recheck."""

from datetime import datetime, timedelta

from social.infra import clock
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.rows import VISIBILITY_CHANGES, VisibilityChangeRow

REMEMBERED = timedelta(hours=1)  # by the index that lets them expire


def record(tx: Transaction, who: str, whom: str | None = None) -> None:
    """Have every gateway recheck: these two people, or all who watch `who`."""
    # As an update, for only that can be stamped by the store's clock: gateways look for what is new by that alone.
    change = {"$set": {"who": who, "whom": whom}, "$currentDate": {"at": True}}
    tx.touch(VISIBILITY_CHANGES, {"_id": clock.new_id()}, change, upsert=True)


async def since(mongo: Mongo, at: datetime) -> list[VisibilityChangeRow]:
    """Return the changes since then by the store's clock, each with whom it is about."""
    return await mongo.many(VISIBILITY_CHANGES, {"at": {"$gte": at}})
