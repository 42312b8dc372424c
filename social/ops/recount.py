"""Counts that repair themselves: what was folded is compared with what is there, and set right where they differ.

Events are folded later than they commit, so a difference may be one that is still on its way. A count is held to be
wrong when neither it nor what it counts has changed for half a minute; setting it right also writes until when it now
holds everything (`recounted_at`, the middle of that time), and an event from before that is not folded any more. So a
count stays right whether its events come late, are retried for a quarter of an hour, or are parked and sent again next
month. It takes for granted that clocks agree within 15 s and that no transaction commits 15 s after it recorded.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from social.contracts.events import Recounted
from social.infra import clock
from social.infra.observe import metrics
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Mongo, Reader, Transaction
from social.infra.store.rows import Collection
from social.people.counters import Counter
from social.posts.counters import COUNTERS

COUNTS_SETTLE = timedelta(seconds=30)  # by then the events of a write have been counted, unless a queue is behind
BATCH = 200  # documents whose counts are compared at once
TIMEOUT_S = 60.0  # for a comparison by hand: as long as a transaction may take


for _collection, _counters in COUNTERS.items():
    for _counter in _counters:  # from the start at 0: Prometheus sees no increase in a number it had not seen before
        metrics.COUNTS_DRIFT.labels(collection=_collection, counter=_counter)


class Doubt(NamedTuple):
    """A person, post or comment whose counts differ from what is there."""

    collection: Collection[Any]
    id: str
    counts: dict[str, int]
    true: dict[str, int]
    version: int
    since: datetime

    @property
    def drift(self) -> dict[str, int]:
        """The counters that are wrong, and by how much they are too high."""
        return {name: self.counts[name] - n for name, n in self.true.items() if self.counts[name] != n}

    def same(self, other: "Doubt") -> bool:
        """Return whether nothing has happened between these two."""
        return (self.version, self.counts, self.true) == (other.version, other.counts, other.true)


async def doubts(reader: Reader, collection: Collection[Any], ids: Iterable[str]) -> list[Doubt]:
    """Return which of these, up to 200, have counts that differ from what is there; most are just on their way."""
    since, counters, wanted = clock.now(), COUNTERS[collection], list(ids)
    fields = dict.fromkeys([*counters, "version"], 1)
    found = await reader.many(collection, {"_id": {"$in": wanted}}, fields=fields)
    there = {name: await _tally(reader, counter, wanted) for name, counter in counters.items()}
    compared = [
        Doubt(
            collection,
            each["_id"],
            {name: each.get(name, 0) for name in counters},
            {name: there[name].get(each["_id"], 0) for name in counters},
            each.get("version", 0),
            since,
        )
        for each in found
        if not each["_id"].startswith("@")  # the stones of deleted accounts count nothing
    ]
    return [each for each in compared if each.drift]


async def repair(mongo: Mongo, doubt: Doubt) -> dict[str, int] | None:
    """Repair counts that are still wrong after half a minute; return by how much they were, None while they change."""
    found, _ = await mongo.transact(lambda tx: _repair(tx, doubt), timeout_s=TIMEOUT_S)
    for name, drift in (found or {}).items():
        metrics.COUNTS_DRIFT.labels(collection=doubt.collection, counter=name).inc(abs(drift))
    return found


async def _repair(tx: Transaction, doubt: Doubt) -> dict[str, int] | None:
    again = await doubts(tx, doubt.collection, [doubt.id])
    if not again:
        return {}
    if not again[0].same(doubt):
        return None
    until = doubt.since + (again[0].since - doubt.since) / 2
    change = {"$set": {**doubt.true, "recounted_at": until}, "$inc": {"version": 1}}
    tx.update(doubt.collection, {"_id": doubt.id, "version": doubt.version}, change)
    tx.record(Recounted(collection=doubt.collection, id=doubt.id))
    return doubt.drift


def settled(found: Sequence[Doubt]) -> list[Doubt]:
    """Return the doubts that are old enough to be rechecked."""
    now = clock.now()
    return [each for each in found if each.since <= now - COUNTS_SETTLE]


async def recounted_at(
    tx: Transaction, collection: Collection[Any], ids: Iterable[str], oldest: datetime
) -> dict[str, datetime]:
    """Return until when which of these hold everything that happened; only those where that is after `oldest`."""
    where = {"_id": {"$in": list(ids)}, "recounted_at": {"$gte": oldest}}
    return {each["_id"]: each["recounted_at"] for each in await tx.many(collection, where, fields={"recounted_at": 1})}


async def everything(mongo: Mongo) -> AsyncIterator[tuple[Collection[Any], list[str]]]:
    """Yield all that has counters, in batches, by id."""
    for collection in COUNTERS:
        after = ""
        while True:
            where = {"_id": {"$gt": after}}
            rows = await mongo.many(collection, where, fields={"_id": 1}, sort=[("_id", 1)], limit=BATCH)
            if not rows:
                break
            after = rows[-1]["_id"]
            yield collection, [row["_id"] for row in rows]


async def named(mongo: Mongo, ids: Sequence[str]) -> AsyncIterator[tuple[Collection[Any], list[str]]]:
    """Yield these ids by collection: an id is in one collection only."""
    for collection in COUNTERS:
        for at in range(0, len(ids), BATCH):
            there = await mongo.many(collection, {"_id": {"$in": list(ids[at : at + BATCH])}}, fields={"_id": 1})
            if there:
                yield collection, [each["_id"] for each in there]


class Sampler:
    """A sweep that compares a few counts, drawn by lot, each time, and repairs those found wrong before."""

    SIZE = 20  # of each collection

    def __init__(self) -> None:
        self._doubts: list[Doubt] = []

    async def sweep(self, plaza: Plaza) -> int:
        """Compare some counts and repair earlier doubts; return how many were repaired."""
        mongo, due = plaza.mongo, settled(self._doubts)
        self._doubts = [each for each in self._doubts if each not in due]
        repaired = [await repair(mongo, each) for each in due]
        for collection in COUNTERS:
            drawn = await mongo.aggregate(collection, [{"$sample": {"size": self.SIZE}}, {"$project": {"_id": 1}}])
            self._doubts += await doubts(mongo, collection, [each["_id"] for each in drawn])
            metrics.COUNTS_COMPARED.labels(collection=collection).inc(len(drawn))
        return sum(map(bool, repaired))


async def _tally(reader: Reader, counter: Counter, ids: Sequence[str]) -> dict[str, int]:
    match = {"$match": {counter.field: {"$in": ids}, **counter.where}}
    group = {"$group": {"_id": f"${counter.field}", "n": {"$sum": 1}}}
    return {each["_id"]: each["n"] for each in await reader.aggregate(counter.counted, [match, group])}
