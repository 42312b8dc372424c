"""Parked messages: what a consumer could not digest, kept where a person can look at it and send it again."""

from typing import Any

from social.contracts.events import Group
from social.contracts.problems import NotFound
from social.infra import clock, metrics
from social.infra.broker import Delivery
from social.infra.mongo import Document, Mongo


async def park(mongo: Mongo, group: Group, delivery: Delivery, error: BaseException) -> None:
    """Keep a message that failed for good; the caller acks it after this."""
    row: Document = {"group": group, "at": clock.now(), "attempts": delivery.attempt + 1, "error": repr(error)[:2_000]}
    try:
        envelope = delivery.envelope()
        row |= {"_id": f"{group}:{envelope.id}", "type": envelope.type, "envelope": envelope.model_dump()}
    except ValueError:
        row |= {"_id": f"{group}:{clock.new_id()}", "type": None, "raw": delivery.raw().decode("utf-8", "replace")}
    row_id = row.pop("_id")
    await mongo.update("parked", {"_id": row_id}, {"$set": row}, upsert=True)
    metrics.EVENTS_CONSUMED.labels(group=group, outcome="parked").inc()


async def listed(mongo: Mongo) -> list[Document]:
    """All parked messages, oldest first."""
    return await mongo.many("parked", {}, sort=[("at", 1)])


async def shown(mongo: Mongo, parked_id: str) -> Document:
    """One of them; raises NotFound."""
    row = await mongo.one("parked", {"_id": parked_id})
    if row is None:
        raise NotFound
    return row


async def replay(mongo: Mongo, parked_id: str) -> None:
    """Put its event back into the outbox: groups that have seen it skip it, the one that failed tries again."""
    row = await shown(mongo, parked_id)
    envelope: dict[str, Any] | None = row.get("envelope")
    if envelope is None:
        raise NotFound("This message is not an event; it can only be discarded")
    await mongo.insert_missing("outbox", [{"_id": envelope.pop("id"), **envelope}])
    await discard(mongo, parked_id)


async def discard(mongo: Mongo, parked_id: str) -> None:
    """Forget it."""
    await mongo.delete("parked", {"_id": parked_id})
