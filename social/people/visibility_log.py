"""What changed of who sees whom, so that every gateway can look again: a short memory, written with each change."""

from datetime import datetime, timedelta

from social.infra import clock
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.rows import VISIBILITY_CHANGES, VisibilityChangeRow

REMEMBERED = timedelta(hours=1)  # by the index that lets them expire


def record(tx: Transaction, who: str, whom: str | None = None) -> None:
    """Have every gateway look again: at these two, or at all who watch one."""
    # As an update, for only that can be stamped by the store's clock: gateways look for what is new by that alone.
    change = {"$set": {"who": who, "whom": whom}, "$currentDate": {"at": True}}
    tx.touch(VISIBILITY_CHANGES, {"_id": clock.new_id()}, change, upsert=True)


async def since(mongo: Mongo, at: datetime) -> list[VisibilityChangeRow]:
    """The changes since then by the store's clock, each with whom it is about."""
    return await mongo.many(VISIBILITY_CHANGES, {"at": {"$gte": at}})
