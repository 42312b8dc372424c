"""Groups of notifications and the facts in them: a fact for each cause, a group for what is unread together."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from social.infra import clock
from social.infra.observe import logs
from social.infra.store.loaders import MOST_IDS
from social.infra.store.mongo import Reader, Transaction, Where
from social.infra.store.rows import NOTIFICATION_FACTS, NOTIFICATIONS, USERS, FactRow, NotificationRow, slot_of
from social.notifications import group_state
from social.notifications.group_state import Trigger, live
from social.people import users

ANEW = ("follow_request", "follow_accepted")  # notified of again when they happen again; of all else once for good
BEFORE_SLOTS = "recipient,type,target.id"  # the index by which the release before finds open groups
REPEATED = ("comment", "reply")  # of which one person may have several in a group

Facts = Mapping[str, FactRow]
NOTHING: Mapping[str, Any] = {}


async def mentioned_in(reader: Reader, post_of: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return whom these posts and comments mentioned in notifications, as (target, person), also where taken back.

    `post_of`: the post of each target.
    """
    where = {"post_id": {"$in": [*set(post_of.values())]}, "target.id": {"$in": [*post_of]}, "type": "mention"}
    found = await reader.many(NOTIFICATIONS, where, fields={"target.id": 1, "recipient": 1}) if post_of else []
    return [(group["target"]["id"], group["recipient"]) for group in found]


class GroupChanges:
    """The facts and groups one transaction changes: read once, changed here, and handed over once, by `write`.

    Later calls see what was changed here before.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._facts: dict[str, FactRow] = {}  # those that are different now, or new
        self._known: dict[str, FactRow] = {}  # those that are changed, as they were read
        self._groups: dict[str, NotificationRow] = {}
        self._read: dict[str, tuple[Any, ...]] = {}  # what a group was when it was read
        self._open: dict[str, NotificationRow] = {}
        self._changed: dict[str, NotificationRow] = {}
        self._looked: set[str] = set()  # whose open group was asked for already

    async def facts(self, causes: Collection[Trigger], *, new: Collection[str] = ()) -> Facts:
        """Return the facts of these causes, withdrawn ones too, by id; the groups open for them are read too.

        Facts that are held to be `new` are not read: where one is there, the verb runs anew.
        """
        ids = [trigger.fact_id for trigger in causes if trigger.fact_id not in new]
        found, _ = await asyncio.gather(self._tx.get_many(NOTIFICATION_FACTS, ids), self._look(causes))
        return found | {each: self._facts[each] for each in ids if each in self._facts}

    async def _look(self, causes: Collection[Trigger]) -> None:
        """Read the open groups that causes belong to, unless they were read before."""
        wanted = {trigger.slot: trigger for trigger in causes if trigger.slot not in self._looked}
        self._looked |= wanted.keys()
        slots = list(wanted)
        parts = [slots[at : at + MOST_IDS] for at in range(0, len(slots), MOST_IDS)]
        reads = [self._tx.many(NOTIFICATIONS, {"slot": {"$in": part}}) for part in parts]
        if wanted and self._tx.conflict == BEFORE_SLOTS:
            reads.append(
                self._tx.many(
                    NOTIFICATIONS, {"open": True, "target.id": {"$in": [each.target_id for each in wanted.values()]}}
                )
            )
        for group in [group for found in await asyncio.gather(*reads) for group in found]:
            if group.get("open") and slot_of(group) in wanted:
                self._keep(group)
            elif not group.get("open"):  # a process of the release before closed it
                self._tx.touch(NOTIFICATIONS, {"_id": group["_id"], "open": None}, {"$unset": {"slot": ""}})

    async def _load(self, where: Where, *, limit: int = 0) -> list[NotificationRow]:
        """Return groups that match in the store, as they are by now."""
        return [self._keep(group) for group in await self._tx.many(NOTIFICATIONS, where, limit=limit)]

    def _keep(self, group: NotificationRow) -> NotificationRow:
        known = self._groups.get(group["_id"])
        if known is not None:
            return known
        self._groups[group["_id"]] = group
        self._read[group["_id"]] = group["rev"], group["read_at"]
        if group.get("open"):
            self._open[slot_of(group)] = group
        return group

    async def withdraw(self, where: Where, *, most: int) -> int:
        """Take back up to `most` facts that match: they leave their groups, and an empty group is removed.

        Return how many there were.
        """
        found = await self._tx.many(NOTIFICATION_FACTS, {**where, "withdrawn_at": None}, limit=most)
        known = {fact["_id"]: self._facts.get(fact["_id"], fact) for fact in found}
        await self.change(known, notify=(), withdraw=known)
        return len(found)

    async def change(self, known: Facts, *, notify: Sequence[Trigger], withdraw: Collection[str]) -> None:
        """Make facts of the triggers in `notify`, and take back the facts in `withdraw`."""
        fresh = {trigger.fact_id: trigger for trigger in notify if not live(known.get(trigger.fact_id))}
        leaving = [known[fact_id] for fact_id in withdraw if live(known.get(fact_id))]
        if not fresh and not leaving:
            return
        await self._load_of(fresh.values(), [*leaving, *(known[each] for each in fresh if each in known)])
        now = clock.now()
        for fact in leaving:
            self._change_fact(known, {**fact, "withdrawn_at": now})
        for fact_id, trigger in fresh.items():
            before = known.get(fact_id)
            group = self._join(trigger, before, now)
            fact = {
                "_id": fact_id,
                "recipient": trigger.recipient,
                "actor": trigger.actor,
                "group": group,
                "at": now,
                "withdrawn_at": None,
            }
            self._change_fact(known, fact)
        await self._leave(leaving, now)

    async def remove(self, where: Where, *, most: int) -> bool:
        """Remove up to `most` groups whose target is gone; return whether there may be more."""
        found = await self._load({**where, "removed_at": None}, limit=most)
        for group in found:
            if group["removed_at"] is None:
                self._remove(group, clock.now())
        return len(found) == most

    async def renotify(self, actor: str, after: str, *, most: int) -> str | None:
        """Mark up to `most` groups with a person as changed, where now nobody can be seen in them, or somebody again.

        Return after which group to go on, if there may be more.
        """
        rows = await self._tx.aggregate(
            NOTIFICATION_FACTS,
            [
                {"$match": {"actor": actor, "group": {"$gt": after}}},
                {"$sort": {"group": 1}},
                {"$limit": most},
                {"$project": {"group": 1}},
            ],
        )
        found = await self._load({"_id": {"$in": [row["group"] for row in rows]}, "removed_at": None})
        named = {actor for group in found for actor in group["actors"]}
        people = await self._tx.many(USERS, {"_id": {"$in": list(named)}, **users.HERE}, fields={"_id": 1})
        here = {each["_id"] for each in people}
        for group in found:
            if group.get("hidden", False) == (not here.isdisjoint(group["actors"])):
                self._changed[group["_id"]] = group
        return rows[-1]["group"] if len(rows) == most else None

    def changed(self) -> list[NotificationRow]:
        """Return the groups that changed, as they are now, each with one revision more; to be called once."""
        for group in self._changed.values():
            group["rev"] += 1
        return list(self._changed.values())

    def write(
        self,
        changed: Sequence[NotificationRow],
        at: datetime,
        notified: Mapping[str, bool] = NOTHING,
        later: Mapping[str, datetime] = NOTHING,
    ) -> None:
        """Hand over the facts and the groups that changed, once; `at`: when the first of it happened.

        The same transaction notifies of the groups in `notified`: whether anybody is seen in them. The others keep when
        their recipients are due to be notified, until they were: the time in `later`, or now.
        """
        self._write_facts()
        now = clock.now()
        for group in changed:
            if (shown := notified.get(group["_id"])) is not None:
                group_state.mark_notified(group, shown=shown)
            else:
                due_at = later.get(group["_id"], now)
                group["due_at"] = min(due_at, group.get("due_at") or due_at)
                group["since"] = group.get("since") or at
                group["trace"] = group.get("trace") or logs.current_trace()
        # Known groups first: one that closes makes room for a new one. In turns each would be a command.
        for group in changed:
            if group["_id"] in self._read:
                rev, read_at = self._read[group["_id"]]
                unchanged = {"rev": rev, "read_at": read_at}
                self._tx.replace(NOTIFICATIONS, group_state.stored(group), unchanged=unchanged)
        self._tx.insert(NOTIFICATIONS, *(group for group in changed if group["_id"] not in self._read))

    def _write_facts(self) -> None:
        self._tx.insert(NOTIFICATION_FACTS, *(fact for each, fact in self._facts.items() if each not in self._known))
        for fact_id, before in self._known.items():
            change = {name: self._facts[fact_id].get(name) for name in ("group", "at", "withdrawn_at")}
            unchanged = {"_id": fact_id, "withdrawn_at": before.get("withdrawn_at")}
            self._tx.update(NOTIFICATION_FACTS, unchanged, {"$set": change})

    def _change_fact(self, known: Facts, fact: FactRow) -> None:
        if fact["_id"] not in self._facts and fact["_id"] in known:
            self._known[fact["_id"]] = known[fact["_id"]]
        self._facts[fact["_id"]] = fact

    async def _load_of(self, causes: Collection[Trigger], known: Sequence[FactRow]) -> None:
        """Read the open groups that causes belong to, and those that facts are or were in."""
        await self._look(causes)
        missing = {fact["group"] for fact in known} - self._groups.keys()
        for group in (await self._tx.get_many(NOTIFICATIONS, missing)).values():
            self._keep(group)

    def _join(self, trigger: Trigger, fact: FactRow | None, now: datetime) -> str:
        """Put a trigger into the group its fact was in, else the open group, else a new one; return the group's id."""
        before = self._groups.get(fact["group"]) if fact and trigger.type not in ANEW else None
        if before is not None and before["removed_at"] is None:
            self._add(before, trigger)
            return str(before["_id"])
        if (group := self._open.get(trigger.slot)) is not None:
            self._add(group, trigger)
            group["updated_at"] = now
        elif before is not None:  # whoever is back is not news, so the group comes back as it was: read or unread
            group = before
            group |= {"removed_at": None, "open": group["read_at"] is None, "actors": [], "count": 0}
            self._add(group, trigger)
        else:
            group = group_state.new(trigger, now)
            self._groups[group["_id"]] = group
            self._add(group, trigger)
        if group.get("open"):
            self._open[trigger.slot] = group
        return str(group["_id"])

    async def _leave(self, left: Sequence[FactRow], now: datetime) -> None:
        """Take facts, which are withdrawn by now, out of the names and counts of their groups."""
        by_group: dict[str, list[str]] = defaultdict(list)
        for fact in left:
            by_group[fact["group"]].append(fact["actor"])
        for group_id, actors in by_group.items():
            group = self._groups.get(group_id)
            if group is None or group["removed_at"] is not None:
                continue
            self._changed[group_id] = group
            group["count"] -= len(actors)
            if group["count"] <= 0:
                self._remove(group, now)
                continue
            gone = set(actors)
            if group["type"] in REPEATED:
                gone -= await self._still_in(group, gone)
            group["actors"] = [actor for actor in group["actors"] if actor not in gone]
            group["actors"] = group["actors"] or await self._newest_in(group_id)

    def _remove(self, group: NotificationRow, now: datetime) -> None:
        group |= {"removed_at": now, "open": False, "count": 0, "actors": []}
        self._open.pop(slot_of(group), None)
        self._changed[group["_id"]] = group

    def _add(self, group: NotificationRow, trigger: Trigger) -> None:
        group_state.add(group, trigger)
        self._changed[group["_id"]] = group

    async def _still_in(self, group: NotificationRow, actors: Collection[str]) -> set[str]:
        """Return which of these people have another live fact in a group."""
        between = {"recipient": group["recipient"], "actor": {"$in": list(actors)}, "group": group["_id"]}
        found = await self._tx.many(NOTIFICATION_FACTS, {**between, "withdrawn_at": None}, fields={"actor": 1})
        return {fact["actor"] for fact in self._by_now(found, group["_id"]) if fact["actor"] in actors}

    async def _newest_in(self, group_id: str) -> list[str]:
        """Return the people in a group, newest first, read from the facts themselves."""
        changed = len(self._facts)
        found = await self._tx.many(
            NOTIFICATION_FACTS,
            {"group": group_id, "withdrawn_at": None},
            fields={"actor": 1, "at": 1},
            sort=[("at", -1)],
            limit=group_state.KEPT_ACTORS + changed,
        )
        newest = sorted(self._by_now(found, group_id), key=lambda fact: fact["at"], reverse=True)
        return list(dict.fromkeys(fact["actor"] for fact in newest))[: group_state.KEPT_ACTORS]

    def _by_now(self, found: Sequence[FactRow], group_id: str) -> list[FactRow]:
        """Return the live facts of a group: those in the store that nothing changed here, and those from here."""
        here = [fact for fact in self._facts.values() if fact["group"] == group_id and live(fact)]
        return [*(fact for fact in found if fact["_id"] not in self._facts), *here]
