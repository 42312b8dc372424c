"""A person's stream: the numbered list of the last events pushed to them, and the truth behind every resume."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from social.contracts.pushes import offset, parse_offset
from social.infra import clock
from social.infra.store.mongo import Mongo, Reader, Transaction, translate_errors
from social.infra.store.rows import STREAMS, StreamRow

WINDOW = 256  # items kept; a client that missed more fetches again
EVERY = timedelta(milliseconds=100)  # what happens to one person more often than this is pushed together,
EVERY_WHEN_BUSY = timedelta(milliseconds=300)  # and while events wait for the consumer more often than this,
AT_ONCE = timedelta(milliseconds=900)  # after a few times at once
FURTHEST = timedelta(seconds=20)  # that pace can be ahead: with much at once, by a clock that is 15 s ahead
HEAD = ("epoch", "seq", "paced_until", "items")  # without the entries


class Item(NamedTuple):
    """A reference: its seq, what it is about (`k`), that thing's revision, and the event's name."""

    s: int
    k: str
    rev: int
    e: str

    @property
    def entry(self) -> str:
        """The item as it is stored: an append writes all of them, and a text costs the store a tenth of a document."""
        return f"{self.s}|{self.k}|{self.rev}|{self.e}"

    @classmethod
    def of_entry(cls, entry: str) -> "Item":
        """Return the item that an entry stores."""
        s, rest = entry.split("|", 1)
        k, rev, e = rest.rsplit("|", 2)
        return cls(int(s), k, int(rev), e)


class Entry(NamedTuple):
    """An entry to append: about what (`k`), of which revision, by which event."""

    k: str
    rev: int
    e: str


class Position(NamedTuple):
    """The position of a stream."""

    epoch: str
    seq: int

    @property
    def offset(self) -> str:
        """The position as clients carry it."""
        return offset(self.epoch, self.seq)


class Missed(NamedTuple):
    """The items of a stream after an offset; `recovered` is False where they would have a hole."""

    recovered: bool
    items: list[Item]
    position: Position


def new(user_id: str) -> StreamRow:
    """Return an empty stream, created with its person."""
    return {"_id": user_id, "epoch": clock.new_epoch(), "seq": 0, "items": []}


class Head(NamedTuple):
    """A stream as a verb reads it: what the next items are numbered after, and until when it is better left alone."""

    epoch: str
    seq: int
    paced_until: datetime
    items: Sequence[Item] = ()  # only where `whole` was asked for
    former: Sequence[Item] = ()  # those that an older release appended, which become entries with the next append

    def rests_until(self, now: datetime) -> datetime | None:
        """Return until when to push nothing more of a stream that moved much lately; None where it may move.

        A token bucket as one time (GCRA): each append moves it on by 100 ms, by 300 ms while the consumer is busy, and
        it may be 900 ms ahead.
        """
        until = clock.believed(self.paced_until, now, FURTHEST)
        return until - AT_ONCE if until > now + AT_ONCE else None


async def heads(reader: Reader, user_ids: Collection[str], *, whole: bool = False) -> dict[str, Head]:
    """Return the streams of these people; those who are gone are missing. `whole`: with the items that are kept."""
    rows = await reader.get_many(STREAMS, user_ids, None if whole else HEAD)
    return {
        user_id: Head(
            row["epoch"],
            row["seq"],
            row.get("paced_until", clock.EPOCH),
            items_of(row) if whole else (),
            _former(row),
        )
        for user_id, row in rows.items()
    }


def number(
    tx: Transaction, user_id: str, head: Head, entries: Sequence[Entry], *, every: timedelta = EVERY_WHEN_BUSY
) -> list[Item]:
    """Hand over entries to be appended in one step; return their items, each with its seq.

    `every`: how often the stream may move from now on.

    Where the stream moved since `head` was read, the verb runs anew. A revision among the items of `head` keeps the
    number it has, and one that a later revision superseded is left out: the stream stays contiguous and never goes
    backwards, however often something is appended.
    """
    there = {item.k: item for item in head.items}  # of several revisions the last, which is the highest
    new: list[Item] = []
    items: list[Item] = []
    for entry in entries:
        known = there.get(entry.k)
        if known is None or known.rev < entry.rev:
            known = Item(head.seq + len(new) + 1, *entry)
            there[entry.k] = known
            new.append(known)
        if known.rev == entry.rev:
            items.append(known)
    if new:
        newest = {"$each": [item.entry for item in (*head.former, *new)], "$slice": -WINDOW}
        now = clock.now()
        paced = max(clock.believed(head.paced_until, now, FURTHEST), now) + every
        moved = {"seq": new[-1].s, "paced_until": paced, **({"items": []} if head.former else {})}
        unchanged = {"_id": user_id, "seq": head.seq, "epoch": head.epoch}
        tx.update(STREAMS, unchanged, {"$set": moved, "$push": {"entries": newest}})
    return items


async def append(mongo: Mongo, user_id: str, entries: Sequence[Entry]) -> tuple[str, list[Item]]:
    """Append entries in a transaction of their own; return the stream's epoch and the entries' items."""

    async def verb(tx: Transaction) -> tuple[str, list[Item]]:
        head = (await heads(tx, [user_id], whole=True)).get(user_id)
        return (head.epoch, number(tx, user_id, head, entries)) if head else ("", [])  # the person is gone

    numbered, _ = await mongo.transact(verb)
    return numbered


async def renew(mongo: Mongo, user_ids: Collection[str], epoch: str) -> None:
    """Begin another epoch: no offset of before is a position any more. Raises Unavailable."""
    async with translate_errors():
        await mongo.database[STREAMS].update_many({"_id": {"$in": list(user_ids)}}, {"$set": {"epoch": epoch}})


async def position(mongo: Mongo, user_id: str) -> Position:
    """Return the position of a stream, as a majority of the store has it."""
    row = await mongo.get_of_majority(STREAMS, user_id, ("epoch", "seq"))
    return Position(row["epoch"], row["seq"]) if row else Position("00000000", 0)


async def positions(mongo: Mongo, user_ids: Sequence[str]) -> dict[str, Position]:
    """Return the positions of many streams."""
    async with translate_errors():
        cursor = mongo.majority(STREAMS).find({"_id": {"$in": list(user_ids)}}, {"epoch": 1, "seq": 1})
        rows: list[StreamRow] = await cursor.to_list(None)
    return {row["_id"]: Position(row["epoch"], row["seq"]) for row in rows}


async def since(mongo: Mongo, user_id: str, after: object) -> Missed:
    """Return the items after an offset; not recovered where it is malformed, of another epoch or outside the window."""
    row = await mongo.get_of_majority(STREAMS, user_id)
    if row is None:
        return Missed(False, [], Position("00000000", 0))
    head = Position(row["epoch"], row["seq"])
    at = parse_offset(after)
    items = items_of(row)
    if at is None or at[0] != head.epoch or at[1] > head.seq or at[1] < head.seq - len(items):
        return Missed(False, [], head)
    return Missed(True, [each for each in items if each.s > at[1]], head)


def items_of(row: StreamRow) -> list[Item]:
    """Return the items that a stream keeps, in order."""
    return [*map(Item.of_entry, row.get("entries", ())), *_former(row)]


def _former(row: StreamRow) -> list[Item]:
    return [Item(**each) for each in row["items"]]
