"""Home timelines as they are kept: whose, how far down, and who is merged into them when they are read."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from social.contracts.events import TimelineWanted
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.rows import FEED_ENTRIES, TIMELINES, TimelineRow

CAP = 800  # entries: 40 pages, further down than nearly anybody scrolls
ACTIVE = timedelta(days=30)  # since it was read last; after that nobody writes to it until its owner returns
LATE = timedelta(days=1)  # how much longer it is written to: a clock may be behind, and a post wait in a queue
DROPPED = 20  # timelines in one go
TOUCHED = timedelta(days=1)  # how often a read says that its owner is active

ALL = "0"  # the floor of a timeline that is kept whole: below every id
NOTHING = "g"  # the floor of one that is yet to be built: above every id


class Timeline(NamedTuple):
    """A timeline: its entries are complete from the place `floor` upwards, without the authors that are `merged`."""

    owner: str
    active_at: datetime
    floor: str
    merged: list[str]

    @classmethod
    def of(cls, row: TimelineRow) -> "Timeline":
        """Return the timeline that a document keeps."""
        return cls(row["_id"], row["active_at"], row["floor"], row["merged"])

    @property
    def kept(self) -> bool:
        """Whether posts have been put into it all the time, so that reading it is enough."""
        return self.floor != NOTHING and self.active_at > clock.now() - ACTIVE


def new(owner: str) -> TimelineRow:
    """Return the timeline of a new account: nothing is missing in it."""
    return {"_id": owner, "active_at": clock.now(), "floor": ALL, "merged": []}


async def of(mongo: Mongo, owner: str) -> Timeline | None:
    """Return a person's timeline, or None where none is kept."""
    row = await mongo.get(TIMELINES, owner)
    return Timeline.of(row) if row else None


async def touch(mongo: Mongo, timeline: Timeline) -> None:
    """Write that the owner of a timeline is active, at most once a day."""
    now = clock.now()
    if timeline.kept and timeline.active_at < now - TOUCHED:
        unchanged = {"_id": timeline.owner, "active_at": timeline.active_at}
        await mongo.update(TIMELINES, unchanged, {"$set": {"active_at": now}})


async def want(tx: Transaction, owner: str) -> None:
    """Keep the timeline of an owner who is back: posts are put into it from now on, and the workers build the rest."""
    now = clock.now()
    row = await tx.one(TIMELINES, {"_id": owner}, {"active_at": 1})
    if row is None or row["active_at"] <= now - ACTIVE:
        empty = {"active_at": now, "floor": NOTHING, "merged": []}
        unchanged = {"_id": owner, "active_at": row and row["active_at"]}
        tx.update(TIMELINES, unchanged, {"$set": empty}, upsert=True)
        tx.record(TimelineWanted(user_id=owner))


async def drop_some(plaza: Plaza) -> int:
    """Drop some timelines of people long away, each in a transaction, should they return now; return how many."""
    over = clock.now() - ACTIVE - 2 * LATE
    rows = await plaza.mongo.many(TIMELINES, {"active_at": {"$lt": over}}, fields={"active_at": 1}, limit=DROPPED)
    for row in rows:
        await plaza.mongo.transact(partial(_drop, unchanged=row))
    return len(rows)


async def _drop(tx: Transaction, unchanged: TimelineRow) -> None:
    if await tx.one(TIMELINES, unchanged, {"_id": 1}):
        tx.delete(TIMELINES, unchanged)
        tx.clear(FEED_ENTRIES, {"owner": unchanged["_id"]})


async def merge(mongo: Mongo, owners: Iterable[str], author_id: str) -> None:
    """Merge an author's posts into these timelines when they are read, if they are kept."""
    where = {"_id": {"$in": list(owners)}}
    await mongo.update_all(TIMELINES, where, {"$addToSet": {"merged": author_id}})


async def part(mongo: Mongo, owner: str, author_id: str) -> None:
    """Merge an author's posts into a timeline no longer."""
    await mongo.update(TIMELINES, {"_id": owner}, {"$pull": {"merged": author_id}})


async def trim(mongo: Mongo, owner: str) -> None:
    """Keep the newest entries. The floor rises first: a reader meanwhile looks elsewhere for what is cut off."""
    lowest = await mongo.aggregate(
        FEED_ENTRIES,
        [
            {"$match": {"owner": owner}},
            {"$sort": {"place": -1}},
            {"$skip": CAP - 1},
            {"$limit": 2},
            {"$project": {"place": 1}},
        ],
    )
    if len(lowest) == 2:
        await cut(mongo, owner, lowest[0]["place"])


async def cut(mongo: Mongo, owner: str, floor: str) -> None:
    """Delete all entries below a place."""
    await mongo.update(TIMELINES, {"_id": owner, "floor": {"$lt": floor}}, {"$set": {"floor": floor}})
    await mongo.delete(FEED_ENTRIES, {"owner": owner, "place": {"$lt": floor}})
