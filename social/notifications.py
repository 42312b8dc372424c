"""What people are told about, grouped while unread; one fact a cause, however often it happens."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from social import edges, streams, users
from social.contracts.events import NotificationsRead
from social.contracts.notifications import Notification, Notifications, NotificationType, Read, Target, Unread
from social.contracts.people import UserRef
from social.infra import clock
from social.infra.mongo import Document, InsertOne, Mongo, Transaction, UpdateOne, Where
from social.infra.paging import Listing

MOST_ACTORS = 8
MOST_COUNTED = 1_000

OF_RECIPIENT = Listing("notifications", "notifications", "updated_at", "_id")


class Cause(NamedTuple):
    """Somebody did something that concerns somebody else."""

    type: NotificationType
    kind: str  # of the target
    target_id: str
    actor: str
    recipient: str
    post_id: str | None
    instance: str = ""  # tells apart what the same actor may do again: comments, not likes

    @property
    def fact_id(self) -> str:
        """The same for like, unlike, like."""
        parts = f"{self.type}|{self.target_id}|{self.actor}|{self.recipient}|{self.instance}"
        return hashlib.sha256(parts.encode()).hexdigest()

    @property
    def group(self) -> tuple[str, str, str]:
        """What is told together while it is unread."""
        return self.recipient, self.type, self.target_id


async def tell(tx: Transaction, causes: Sequence[Cause]) -> None:
    """Add causes to the open groups of their recipients, or open new ones; what is a fact already changes nothing."""
    by_fact = {cause.fact_id: cause for cause in causes if cause.actor != cause.recipient}
    there = await tx.many("notification_facts", {"_id": {"$in": list(by_fact)}}, {"withdrawn_at": 1})
    known = {fact["_id"] for fact in there if fact.get("withdrawn_at") is None}
    fresh = {fact_id: cause for fact_id, cause in by_fact.items() if fact_id not in known}
    if not fresh:
        return
    wanted = {
        "recipient": {"$in": list({cause.recipient for cause in fresh.values()})},
        "target.id": {"$in": list({cause.target_id for cause in fresh.values()})},
        "open": True,
    }
    found = await tx.many("notifications", wanted)
    open_groups = {(each["recipient"], each["type"], each["target"]["id"]): each for each in found}
    joined: dict[tuple[str, str, str], list[tuple[str, Cause]]] = {}
    for fact_id, cause in fresh.items():
        joined.setdefault(cause.group, []).append((fact_id, cause))
    facts: dict[str, Document] = {}
    writes: list[InsertOne[Document] | UpdateOne] = []
    now = clock.now()
    for group, members in joined.items():
        document = _grown(open_groups.get(group), [cause for _, cause in members], now)
        for fact_id, cause in members:
            between = {"recipient": cause.recipient, "actor": cause.actor}
            facts[fact_id] = {"$set": {"group": document["_id"], "at": now, "withdrawn_at": None, **between}}
        if group in open_groups:
            change = {name: document[name] for name in ("actors", "count", "rev", "updated_at")}
            writes.append(UpdateOne({"_id": document["_id"]}, {"$set": change}))
        else:
            writes.append(InsertOne(document))
    await tx.put("notification_facts", facts)
    await tx.bulk("notifications", writes)


def _grown(group: Document | None, causes: Sequence[Cause], now: datetime) -> Document:
    newest_first = list(dict.fromkeys(cause.actor for cause in reversed(causes)))
    if group is not None:
        others = [actor for actor in group["actors"] if actor not in newest_first]
        return {
            **group,
            "actors": (newest_first + others)[:MOST_ACTORS],
            "count": group["count"] + len(causes),
            "rev": group["rev"] + 1,
            "updated_at": now,
        }
    first = causes[0]
    return {
        "_id": clock.new_id(),
        "recipient": first.recipient,
        "type": first.type,
        "target": {"kind": first.kind, "id": first.target_id},
        "post_id": first.post_id,
        "actors": newest_first[:MOST_ACTORS],
        "count": len(causes),
        "rev": 1,
        "created_at": now,
        "updated_at": now,
        "read_at": None,
        "removed_at": None,
        "open": True,
    }


async def withdraw(tx: Transaction, where: Where) -> None:
    """Take these facts back: they leave their groups, and a group that nothing is left of is removed."""
    now = clock.now()
    facts = await tx.many("notification_facts", {**where, "withdrawn_at": None}, {"group": 1, "actor": 1})
    gone: dict[str, list[str]] = {}
    for fact in facts:
        gone.setdefault(fact["group"], []).append(fact["actor"])
    if not gone:
        return
    writes = []
    for group in await tx.many("notifications", {"_id": {"$in": list(gone)}, "removed_at": None}):
        actors = gone[group["_id"]]
        change: Document = {"$inc": {"rev": 1, "count": -len(actors)}}
        if group["count"] > len(actors):
            change["$set"] = {"actors": [actor for actor in group["actors"] if actor not in actors]}
        else:
            change |= {"$set": {"removed_at": now}, "$unset": {"open": ""}}
        writes.append(UpdateOne({"_id": group["_id"]}, change))
    await tx.bulk("notifications", writes)
    await tx.update_all(
        "notification_facts", {"_id": {"$in": [fact["_id"] for fact in facts]}}, {"$set": {"withdrawn_at": now}}
    )


async def withdrawn(mongo: Mongo, where: Where) -> list[Document]:
    """The groups that these facts were in, as they are now."""
    return await _groups(mongo, {**where, "withdrawn_at": {"$gt": clock.EPOCH}})


async def remove_about(tx: Transaction, post_ids: Sequence[str]) -> None:
    """Withdraw what was told about posts that are gone."""
    await tx.update_all(
        "notifications",
        {"post_id": {"$in": list(post_ids)}, "removed_at": None},
        {"$set": {"removed_at": clock.now()}, "$inc": {"rev": 1}, "$unset": {"open": ""}},
    )


async def of_causes(mongo: Mongo, causes: Iterable[Cause]) -> list[Document]:
    """The groups that causes went into, as they are now."""
    return await _groups(mongo, {"_id": {"$in": [cause.fact_id for cause in causes if cause.actor != cause.recipient]}})


async def _groups(mongo: Mongo, facts: Where) -> list[Document]:
    found = await mongo.many("notification_facts", facts, fields={"group": 1})
    if not found:
        return []
    return await mongo.many("notifications", {"_id": {"$in": list({fact["group"] for fact in found})}})


async def existing(mongo: Mongo, ids: Iterable[str]) -> list[Document]:
    """The groups with these ids that are still there."""
    wanted = list(ids)
    return await mongo.many("notifications", {"_id": {"$in": wanted}}) if wanted else []


async def removed_about(mongo: Mongo, post_ids: Sequence[str]) -> list[Document]:
    """The groups withdrawn with these posts."""
    if not post_ids:
        return []
    return await mongo.many("notifications", {"post_id": {"$in": list(post_ids)}, "removed_at": {"$ne": None}})


async def render(mongo: Mongo, documents: Sequence[Document]) -> list[Notification | None]:
    """Notifications with the people in them; None where a block hides everybody who is."""
    pairs = {(each["recipient"], actor) for each in documents for actor in each["actors"]}
    people, found = await asyncio.gather(users.refs(mongo, {actor for _, actor in pairs}), edges.between(mongo, pairs))
    rendered: list[Notification | None] = []
    for each in documents:
        told = [actor for actor in each["actors"] if not found[each["recipient"], actor].apart]
        actors = [people[actor] for actor in told if actor in people]
        rendered.append(_notification(each, actors) if told or not each["actors"] else None)
    return rendered


async def page(mongo: Mongo, *, recipient: str, cursor: str | None, limit: int) -> Notifications:
    """A person's notifications, last changed first, with the stream position they correspond to."""
    position = await streams.position(mongo, recipient)  # before the list: what comes after it is replayed, not lost
    where = {"recipient": recipient, "removed_at": None}
    found = await OF_RECIPIENT.page(mongo, where, cursor=cursor, limit=limit)
    return Notifications(
        items=[each for each in await render(mongo, found.items) if each is not None],
        next=found.next,
        prev=found.prev,
        offset=position.offset,
        unread=(await unread(mongo, recipient)).unread,
    )


async def unread(mongo: Mongo, recipient: str) -> Unread:
    """How many groups are unread, counted no further than 1,000."""
    return Unread(unread=await mongo.count("notifications", {"recipient": recipient, "open": True}, limit=MOST_COUNTED))


async def read(tx: Transaction, ask: Read, *, by: str) -> Unread:
    """Mark as read; the reader's other devices hear of it. How many are left unread."""
    which: Document = {"_id": {"$in": ask.ids}} if ask.ids is not None else {"updated_at": {"$lte": ask.all_until}}
    changed = await tx.update_all(
        "notifications",
        {"recipient": by, "open": True, **which},
        {"$set": {"read_at": clock.now()}, "$unset": {"open": ""}},
    )
    if changed:
        tx.record(NotificationsRead(user_id=by, ids=ask.ids, all_until=ask.all_until))
    return Unread(unread=await tx.count("notifications", {"recipient": by, "open": True}, limit=MOST_COUNTED))


def _notification(document: Document, actors: list[UserRef]) -> Notification:
    return Notification.model_construct(
        id=document["_id"],
        type=document["type"],
        target=Target.model_construct(**document["target"]),
        post_id=document["post_id"],
        actors=actors,
        count=document["count"],
        rev=document["rev"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        read_at=document["read_at"],
    )
