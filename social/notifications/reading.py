"""Notifications of a person: listed, rendered, and marked as read."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from social.contracts.events import NotificationsRead
from social.contracts.notifications import Notification, Notifications, Read, Target, Unread
from social.contracts.people import UserRef
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Document, Mongo, Reader, Transaction
from social.infra.store.paging import Asked, Listing
from social.infra.store.rows import NOTIFICATIONS, NotificationRow
from social.notifications import group_state, streams
from social.people import edges, users
from social.people.edges import Edge

MOST_ACTORS = 8
MOST_COUNTED = 1_000
READ_AT_ONCE = 500

OF_RECIPIENT = Listing("notifications", NOTIFICATIONS, "updated_at", "_id")


async def due(mongo: Mongo, most: int) -> list[NotificationRow]:
    """Return groups that changed since their recipients were notified, those due first at the front."""
    return await mongo.many(NOTIFICATIONS, {"due_at": {"$gt": clock.EPOCH}}, sort=[("due_at", 1)], limit=most)


def mark_notified(tx: Transaction, group: NotificationRow, *, shown: bool) -> None:
    """Write that the recipient was notified of this group; where it changed since it was read, the verb runs anew.

    A group that nobody can be seen in is `hidden`, and not counted until somebody can be seen in it.
    """
    hidden = not shown and group["removed_at"] is None
    kept, gone = {"told": group["rev"]}, dict.fromkeys(group_state.DUE, "")
    change = (
        {"$set": kept | {"hidden": True}, "$unset": gone} if hidden else {"$set": kept, "$unset": gone | {"hidden": ""}}
    )
    tx.update(NOTIFICATIONS, {"_id": group["_id"], "rev": group["rev"], "due_at": group["due_at"]}, change)


def postpone(tx: Transaction, group: NotificationRow, by: timedelta) -> None:
    """Notify of this group later."""
    tx.touch(NOTIFICATIONS, {"_id": group["_id"], "rev": group["rev"]}, {"$set": {"due_at": clock.now() + by}})


async def render(
    reader: Reader,
    documents: Sequence[NotificationRow],
    *,
    known: Mapping[tuple[str, str], Edge] | None = None,
) -> list[Notification | None]:
    """Return notifications with the people in them; None where nobody is left whom the recipient may see.

    `known`: edges that were just read.
    """
    pairs = {(each["recipient"], actor) for each in documents for actor in each["actors"]}
    people, found = await asyncio.gather(
        users.cards(reader, {actor for _, actor in pairs}),
        edges.between(reader, pairs - (known or {}).keys()),
    )
    found |= known or {}
    rendered: list[Notification | None] = []
    for each in documents:
        seen = [actor for actor in each["actors"] if actor in people and not found[each["recipient"], actor].apart]
        actors = [users.ref(people[actor]) for actor in seen[:MOST_ACTORS]]
        rendered.append(_notification(each, actors) if seen else None)
    return rendered


async def page(mongo: Mongo, *, recipient: str, cursor: str | None, limit: int) -> Notifications:
    """Return a person's notifications, last changed first, with the stream position they correspond to."""
    position = await streams.position(mongo, recipient)  # before the list: what comes after it is replayed, not lost
    where = {"recipient": recipient, "removed_at": None}

    async def show(groups: list[NotificationRow]) -> list[Notification | None]:
        return await render(mongo, groups)

    found, left = await asyncio.gather(
        OF_RECIPIENT.filled(mongo, where, show, Asked(recipient, cursor, limit)), unread(mongo, recipient)
    )
    return Notifications(
        items=found.items,
        next=found.next,
        prev=found.prev,
        offset=position.offset,
        unread=left.unread,
    )


async def unread(reader: Reader, recipient: str) -> Unread:
    """Return how many groups are unread, counted no further than 1,000."""
    return Unread(unread=await reader.count(NOTIFICATIONS, _unread(recipient), limit=MOST_COUNTED))


async def read(plaza: Plaza, ask: Read, *, by: str) -> Unread:
    """Mark notifications as read, some in each transaction; return how many are left unread."""
    first = True
    while True:
        unread, more = await plaza.commit(_read_some, ask, by=by, first=first)
        if not more:
            return unread
        first = False


async def _read_some(tx: Transaction, ask: Read, *, by: str, first: bool) -> tuple[Unread, bool]:
    """Mark some as read; return how many are left once it was all, and whether there are more.

    The reader's other devices hear of the first and the last.
    """
    ids = ask.ids
    which: Document = {"_id": {"$in": ids}} if ids is not None else {}
    unread = group_state.unread(by)
    unread |= {} if ids is not None else {"updated_at": {"$lte": ask.all_until}}
    others: Document = {"_id": {"$nin": ids}} if ids is not None else {"updated_at": {"$gt": ask.all_until}}
    found = await tx.many(NOTIFICATIONS, which | unread, fields={"_id": 1}, limit=READ_AT_ONCE + 1)
    some, more = [each["_id"] for each in found[:READ_AT_ONCE]], len(found) > READ_AT_ONCE
    left = 0 if more else await tx.count(NOTIFICATIONS, {**_unread(by), **others}, limit=MOST_COUNTED)
    if some:
        read_at = {"$set": {"read_at": clock.now()}, "$unset": {"open": "", "slot": ""}}
        tx.touch_all(NOTIFICATIONS, {"_id": {"$in": some}} | unread, read_at)
        if first or not more:
            tx.record(NotificationsRead(user_id=by, ids=ids, all_until=ask.all_until))
    return Unread(unread=left), more


def _unread(recipient: str) -> Document:
    return {**group_state.unread(recipient), "hidden": None}


def _notification(document: NotificationRow, actors: list[UserRef]) -> Notification:
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
