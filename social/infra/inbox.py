"""The inbox: a consumer group's memory of the events it has taken effect of, kept in the same transaction."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from social.contracts.events import Event, Group
from social.infra import clock
from social.infra.mongo import Transaction
from social.infra.wiring import Social


class Happened(NamedTuple):
    """An event as consumers see it."""

    id: str
    at: datetime
    event: Event


Record = Callable[[Transaction, Sequence[Happened]], Awaitable[None]]


async def once(social: Social, group: Group, happened: Sequence[Happened], record: Record) -> None:
    """Record the effect of the events this group has not seen, in one transaction; of the others nothing."""

    async def work(tx: Transaction) -> None:
        ids = {f"{group}:{each.id}": each for each in happened}
        seen = {row["_id"] for row in await tx.many("inbox", {"_id": {"$in": list(ids)}}, {"_id": 1})}
        new = {row_id: each for row_id, each in ids.items() if row_id not in seen}
        if new:
            now = clock.now()
            await tx.insert("inbox", *({"_id": row_id, "at": now} for row_id in new))
            await record(tx, list(new.values()))

    _, tx = await social.mongo.transact(work, timeout_s=30)
    social.publisher.offer(tx.recorded)
