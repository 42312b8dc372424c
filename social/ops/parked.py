"""Parked messages (dead letters): kept where a person can look at them and send them again."""

from social.contracts.codec import decode, encode
from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.contracts.problems import NotFound, Unavailable, ValidationFailed
from social.infra import clock
from social.infra.broker import inbox
from social.infra.broker.broker import Delivery
from social.infra.observe import metrics
from social.infra.store import schema
from social.infra.store.mongo import Document, Mongo, Transaction
from social.infra.store.rows import INBOX, OUTBOX, PARKED, InboxRow, OutboxRow, ParkedRow

LONGEST_KEPT = 1024 * 1024  # bytes of a message; no event of ours comes near it


async def park(mongo: Mongo, group: Group, delivery: Delivery, error: BaseException) -> None:
    """Keep a message that failed for good, as the text it came as; the caller acks it after this."""
    try:
        envelope = delivery.envelope()
        event_id, kind = envelope.id, envelope.type[:100]
    except ValueError:
        event_id, kind = clock.new_id(), None
    row: Document = {"group": group, "type": kind, "attempts": delivery.attempt + 1, "error": repr(error)[:2_000]}
    row["effect"] = await mongo.one(INBOX, {"_id": inbox.row_id(group, event_id)}, {"_id": 1}) is not None
    await _keep(mongo, f"{group}:{event_id}", row, delivery.raw())


async def park_unpublished(mongo: Mongo, envelope: Envelope, reason: str) -> None:
    """Keep an event of the outbox that can never be published; the caller forgets its row after this."""
    row: Document = {"group": "outbox", "type": envelope.type[:100], "attempts": 0, "error": reason}
    await _keep(mongo, f"outbox:{envelope.id}", row, encode(envelope))


async def _keep(mongo: Mongo, parked_id: str, row: Document, raw: bytes) -> None:
    row |= {"at": clock.now(), "raw": raw[:LONGEST_KEPT].decode("utf-8", "replace"), "size": len(raw)}
    await mongo.update(PARKED, {"_id": parked_id}, {"$set": row}, upsert=True)
    metrics.EVENTS_CONSUMED.labels(group=row["group"], outcome="parked").inc()


async def listed(mongo: Mongo) -> list[ParkedRow]:
    """Return all parked messages, oldest first."""
    return await mongo.many(PARKED, {}, sort=[("at", 1)])


async def shown(mongo: Mongo, parked_id: str) -> ParkedRow:
    """Return a parked message; raises NotFound."""
    row = await mongo.one(PARKED, {"_id": parked_id})
    if row is None:
        raise NotFound
    return row


async def replay(mongo: Mongo, parked_id: str) -> None:
    """Put the event of a parked message back into the outbox: only the group that failed handles it again.

    Raises NotFound, ValidationFailed for what this release cannot read, Unavailable while another group still has it.
    """
    row = await shown(mongo, parked_id)
    try:
        envelope = Envelope.model_validate(decode(row["raw"]))
        envelope.event()
    except ValueError as error:
        raise ValidationFailed(f"This release cannot read it, only discard it: {error}") from None
    await mongo.transact(lambda tx: _put_back(tx, envelope, remembered=row["group"] != "outbox"))
    await discard(mongo, parked_id)


async def _put_back(tx: Transaction, envelope: Envelope, *, remembered: bool) -> None:
    """Insert the event's outbox row, and after a week, when inboxes forget, inbox rows of the other groups."""
    if await tx.get(OUTBOX, envelope.id, ("_id",)):
        raise Unavailable("Its event is still on its way to another consumer; try again after that")
    row: OutboxRow = {
        "_id": envelope.id,
        "type": envelope.type,
        "v": envelope.v,
        "key": envelope.key,
        "at": envelope.at,
        "trace": envelope.trace,
        "data": envelope.data,
        "retries": {},  # as retried: its age is no reason to refuse writes
    }
    tx.insert(OUTBOX, row)
    if not remembered or envelope.at > clock.now() - schema.INBOX_REMEMBERS:
        return
    parked = await tx.many(PARKED, {"_id": {"$in": [f"{group}:{envelope.id}" for group in envelope.groups()]}})
    owing = {each["group"] for each in parked if not each.get("effect")}
    done = [inbox.row_id(group, envelope.id) for group in envelope.groups() if group not in owing]
    known = await tx.get_many(INBOX, done, ("_id",))
    tx.insert(INBOX, *(InboxRow(_id=each, at=clock.now()) for each in done if each not in known))


async def discard(mongo: Mongo, parked_id: str) -> None:
    """Delete a parked message."""
    await mongo.delete(PARKED, {"_id": parked_id})
