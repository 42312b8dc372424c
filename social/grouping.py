"""What people are told is kept as facts, one a cause, however often it happens, in groups, one while it is unread."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from social import streams, users
from social.contracts.notifications import NotificationType
from social.infra import clock, logs
from social.infra.mongo import Document, InsertOne, Reader, Transaction, UpdateOne, Where

KEPT_ACTORS = 32  # the newest, of whom some may be hidden, or leave, before the facts are asked who else there is
ANEW = ("follow_request", "follow_accepted")  # told again when they happen again; all else was told once for good
REPEATED = ("comment", "reply")  # of which one person may have several in a group

Facts = Mapping[str, Document]


class Cause(NamedTuple):
    """Somebody did something that concerns somebody else."""

    type: NotificationType
    kind: str  # of the target
    target_id: str
    actor: str
    recipient: str
    post_id: str | None
    comment_id: str = ""  # by which it happened
    trace: str | None = None  # the request it comes from

    @property
    def fact_id(self) -> str:
        """The same for like, unlike, like."""
        parts = f"{self.type}|{self.target_id}|{self.actor}|{self.recipient}|{self.comment_id}"
        return hashlib.sha256(parts.encode()).hexdigest()

    @property
    def group(self) -> tuple[str, str, str]:
        """What is told together while it is unread."""
        return self.recipient, self.type, self.target_id


async def facts(tx: Transaction, causes: Collection[Cause]) -> Facts:
    """What was told, or told and taken back, of these causes; by fact id."""
    if not causes:
        return {}
    found = await tx.many("notification_facts", {"_id": {"$in": [cause.fact_id for cause in causes]}})
    return {fact["_id"]: fact for fact in found}


def live(fact: Document | None) -> bool:
    """Whether it was told and not taken back."""
    return fact is not None and fact.get("withdrawn_at") is None


async def tell(tx: Transaction, causes: Sequence[Cause]) -> None:
    """Add causes to the open groups of their recipients, or open new ones; what is a fact already changes nothing."""
    await change(tx, await facts(tx, causes), told=causes, untold=())


async def withdraw(tx: Transaction, where: Where, *, most: int) -> int:
    """Take these facts back, at most so many: they leave their groups, and a group that nothing is left of is removed.

    How many it were.
    """
    found = await tx.many("notification_facts", {**where, "withdrawn_at": None}, limit=most)
    await change(tx, {fact["_id"]: fact for fact in found}, told=(), untold=[fact["_id"] for fact in found])
    return len(found)


async def change(
    tx: Transaction, known: Facts, *, told: Sequence[Cause], untold: Collection[str], at: datetime | None = None
) -> None:
    """Have these causes be told, and these facts not, each group written once; `at`: when the first of it happened."""
    fresh = {cause.fact_id: cause for cause in told if not live(known.get(cause.fact_id))}
    leaving = [known[fact_id] for fact_id in untold if live(known.get(fact_id))]
    if not fresh and not leaving:
        return
    groups = await _Groups.of(tx, fresh.values(), [*leaving, *(known[each] for each in fresh if each in known)])
    now = clock.now()
    new: list[Document] = []
    changed: list[UpdateOne] = [UpdateOne({"_id": fact["_id"]}, {"$set": {"withdrawn_at": now}}) for fact in leaving]
    for fact_id, cause in fresh.items():
        told_in = {"group": groups.join(cause, known.get(fact_id), now), "at": now, "withdrawn_at": None}
        if fact_id in known:
            changed.append(UpdateOne({"_id": fact_id}, {"$set": told_in}))
        else:
            new.append({"_id": fact_id, **told_in, "recipient": cause.recipient, "actor": cause.actor})
    await tx.insert("notification_facts", *new)
    await tx.bulk("notification_facts", changed)
    await groups.leave(tx, leaving, now)
    await groups.write(tx, at or now)


async def remove(tx: Transaction, where: Where, *, most: int, at: datetime) -> bool:
    """Remove groups whose target is gone, at most so many; whether there may be more."""
    found = await tx.many("notifications", {**where, "removed_at": None}, limit=most)
    groups = _Groups(found)
    for group in found:
        groups.remove(group, clock.now())
    await groups.write(tx, at)
    return len(found) == most


async def tell_anew(tx: Transaction, actor: str, after: str, *, most: int, at: datetime) -> str | None:
    """Tell again of groups that name somebody and that nobody can be seen in any more, or again; at most so many.

    After which to go on, if there may be more.
    """
    rows = await tx.aggregate(
        "notification_facts",
        [
            {"$match": {"actor": actor, "group": {"$gt": after}}},
            {"$sort": {"group": 1}},
            {"$limit": most},
            {"$project": {"group": 1}},
        ],
    )
    found = await tx.many("notifications", {"_id": {"$in": [row["group"] for row in rows]}, "removed_at": None})
    named = {actor for group in found for actor in group["actors"]}
    here = {each["_id"] for each in await tx.many("users", {"_id": {"$in": list(named)}, **users.HERE}, {"_id": 1})}
    groups = _Groups(found)
    for group in found:
        if group.get("hidden", False) == (not here.isdisjoint(group["actors"])):
            groups.tell(group)
    await groups.write(tx, at)
    return rows[-1]["group"] if len(rows) == most else None


async def mentioned_in(reader: Reader, target_ids: Collection[str]) -> list[tuple[str, str]]:
    """Whom these posts and comments were told to mention, as (target, person), also where that was taken back."""
    where = {"target.id": {"$in": list(target_ids)}, "type": "mention"}
    found = await reader.many("notifications", where, fields={"target.id": 1, "recipient": 1}) if target_ids else []
    return [(group["target"]["id"], group["recipient"]) for group in found]


class _Groups:
    """The groups a transaction changes: read once, written once, each with one revision more."""

    def __init__(self, found: Sequence[Document]) -> None:
        self._by_id = {group["_id"]: group for group in found}
        self._open = {_key(group): group for group in found if group.get("open")}
        self._changed: dict[str, Document] = {}

    @classmethod
    async def of(cls, tx: Transaction, causes: Collection[Cause], known: Sequence[Document]) -> "_Groups":
        """The open groups that causes belong to, and those that facts are or were in."""
        found: list[Document] = []
        if causes:
            recipients, targets = {cause.recipient for cause in causes}, {cause.target_id for cause in causes}
            where = {"recipient": {"$in": list(recipients)}, "target.id": {"$in": list(targets)}, "open": True}
            found += await tx.many("notifications", where)
        missing = {fact["group"] for fact in known} - {group["_id"] for group in found}
        if missing:
            found += await tx.many("notifications", {"_id": {"$in": list(missing)}})
        return cls(found)

    def join(self, cause: Cause, fact: Document | None, now: datetime) -> str:
        """Put a cause where it was told before, else into what is open, else into a group of its own; its id."""
        before = self._by_id.get(fact["group"]) if fact and cause.type not in ANEW else None
        if before is not None and before["removed_at"] is None:
            self._add(before, cause)
            return str(before["_id"])
        if (group := self._open.get(cause.group)) is not None:
            self._add(group, cause)
            group["updated_at"] = now
        elif before is not None:  # whoever is back is not news, so the group comes back as it was: read or unread
            group = before
            group |= {"removed_at": None, "open": group["read_at"] is None, "actors": [], "count": 0}
            self._add(group, cause)
        else:
            group = _new(cause, now)
            self._add(group, cause)
        if group.get("open"):
            self._open[cause.group] = group
        return str(group["_id"])

    async def leave(self, tx: Transaction, left: Sequence[Document], now: datetime) -> None:
        """Take facts, which are withdrawn by now, out of the names and counts of their groups."""
        by_group: dict[str, list[str]] = defaultdict(list)
        for fact in left:
            by_group[fact["group"]].append(fact["actor"])
        for group_id, actors in by_group.items():
            group = self._by_id.get(group_id)
            if group is None or group["removed_at"] is not None:
                continue
            self._changed[group_id] = group
            group["count"] -= len(actors)
            if group["count"] <= 0:
                self.remove(group, now)
                continue
            gone = set(actors)
            if group["type"] in REPEATED:
                gone -= await _still_in(tx, group, gone)
            group["actors"] = [actor for actor in group["actors"] if actor not in gone]
            group["actors"] = group["actors"] or await _newest_in(tx, group_id)

    def tell(self, group: Document) -> None:
        """Whoever is in it, it looks different now."""
        self._changed[group["_id"]] = group

    def remove(self, group: Document, now: datetime) -> None:
        """Nothing is left of it."""
        group |= {"removed_at": now, "open": False, "count": 0, "actors": []}
        self._open.pop(_key(group), None)
        self._changed[group["_id"]] = group

    async def write(self, tx: Transaction, at: datetime) -> None:
        """Write what changed; when it is due to be told is kept with it, until it was."""
        if not self._changed:
            return
        now = clock.now()
        resting = await streams.resting(tx, {group["recipient"] for group in self._changed.values()}, now)
        writes: list[InsertOne[Document] | UpdateOne] = []
        for group in self._changed.values():
            due_at = resting.get(group["recipient"], now)
            group["rev"] += 1
            group["due_at"] = min(due_at, group.get("due_at") or due_at)
            group["since"] = group.get("since") or at
            group["trace"] = group.get("trace") or logs.current_trace()
            writes.append(InsertOne(group) if group["rev"] == 1 else _update(group))
        await tx.bulk("notifications", writes)

    def _add(self, group: Document, cause: Cause) -> None:
        others = [actor for actor in group["actors"] if actor != cause.actor]
        group["actors"] = [cause.actor, *others][:KEPT_ACTORS]
        group["count"] += 1
        group["trace"] = group.get("trace") or cause.trace
        self._changed[group["_id"]] = group


def _key(group: Document) -> tuple[str, str, str]:
    return group["recipient"], group["type"], group["target"]["id"]


def _new(cause: Cause, now: datetime) -> Document:
    return {
        "_id": clock.new_id(),
        "recipient": cause.recipient,
        "type": cause.type,
        "target": {"kind": cause.kind, "id": cause.target_id},
        "post_id": cause.post_id,
        "actors": [],
        "count": 0,
        "rev": 0,
        "told": 0,
        "created_at": now,
        "updated_at": now,
        "read_at": None,
        "removed_at": None,
        "open": True,
    }


def _update(group: Document) -> UpdateOne:
    written = ("actors", "count", "rev", "updated_at", "removed_at", "due_at", "since", "trace")
    change: Document = {"$set": {name: group[name] for name in written}}
    if group.get("open"):
        change["$set"]["open"] = True
    else:
        change["$unset"] = {"open": ""}
    return UpdateOne({"_id": group["_id"]}, change)


async def _still_in(tx: Transaction, group: Document, actors: Collection[str]) -> set[str]:
    """Those of these people of whom something else is told in a group."""
    between = {"recipient": group["recipient"], "actor": {"$in": list(actors)}}
    found = await tx.many("notification_facts", {**between, "group": group["_id"], "withdrawn_at": None}, {"actor": 1})
    return {fact["actor"] for fact in found}


async def _newest_in(tx: Transaction, group_id: str) -> list[str]:
    """Who is told of in a group, newest first, of the facts themselves."""
    found = await tx.aggregate(
        "notification_facts",
        [
            {"$match": {"group": group_id, "withdrawn_at": None}},
            {"$sort": {"at": -1}},
            {"$limit": KEPT_ACTORS},
            {"$project": {"actor": 1}},
        ],
    )
    return list(dict.fromkeys(fact["actor"] for fact in found))
