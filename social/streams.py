"""A person's stream: the numbered list of what they were told, and the truth behind every resume."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from social.contracts.pushes import offset, parse_offset
from social.infra import clock
from social.infra.mongo import Document, Mongo, reachable

WINDOW = 256  # items kept; a client that missed more fetches again


class Item(NamedTuple):
    """A reference: its seq, what it is about (`k`), that thing's revision, and the event's name."""

    s: int
    k: str
    rev: int
    e: str


class Position(NamedTuple):
    """Where a stream stands."""

    epoch: str
    seq: int

    @property
    def offset(self) -> str:
        """As clients carry it."""
        return offset(self.epoch, self.seq)


class Missed(NamedTuple):
    """What a stream holds after an offset; `recovered` is False where that cannot be said without a hole."""

    recovered: bool
    items: list[Item]
    position: Position


def new(user_id: str) -> Document:
    """An empty stream, created with its person."""
    return {"_id": user_id, "epoch": clock.new_epoch(), "seq": 0, "items": []}


async def append(mongo: Mongo, user_id: str, k: str, rev: int, e: str) -> tuple[Position, Item] | None:
    """Number an item and keep it, in one atomic step; None when this revision, or a later one, is there already.

    The stream stays contiguous and never goes backwards, whoever appends and however often.
    """
    seq = {"$add": ["$seq", 1]}
    item = {"s": seq, "k": {"$literal": k}, "rev": rev, "e": {"$literal": e}}
    newest = {"$slice": [{"$concatArrays": ["$items", [item]]}, -WINDOW]}
    appended = await mongo.update(
        "streams",
        {"_id": user_id, "items": {"$not": {"$elemMatch": {"k": k, "rev": {"$gte": rev}}}}},
        [{"$set": {"seq": seq, "items": newest}}],
    )
    return await find(mongo, user_id, k, rev) if appended else None


async def find(mongo: Mongo, user_id: str, k: str, rev: int) -> tuple[Position, Item] | None:
    """The item of this revision, with the stream's epoch; None when it is not in the window."""
    row = await mongo.one("streams", {"_id": user_id}, {"epoch": 1, "items": {"$elemMatch": {"k": k, "rev": rev}}})
    if row is None or not row.get("items"):
        return None
    item = _item(row["items"][0])
    return Position(row["epoch"], item.s), item


async def position(mongo: Mongo, user_id: str) -> Position:
    """Where the stream stands, as a majority of the store has it."""
    async with reachable():
        row = await mongo.majority("streams").find_one({"_id": user_id}, {"epoch": 1, "seq": 1})
    return Position(row["epoch"], row["seq"]) if row else Position("00000000", 0)


async def positions(mongo: Mongo, user_ids: Sequence[str]) -> dict[str, Position]:
    """Where many streams stand."""
    async with reachable():
        cursor = mongo.majority("streams").find({"_id": {"$in": list(user_ids)}}, {"epoch": 1, "seq": 1})
        rows = await cursor.to_list(None)
    return {row["_id"]: Position(row["epoch"], row["seq"]) for row in rows}


async def since(mongo: Mongo, user_id: str, after: object) -> Missed:
    """What was told after an offset. A malformed offset, another epoch's, or one outside the window: not recovered."""
    async with reachable():
        row = await mongo.majority("streams").find_one({"_id": user_id})
    if row is None:
        return Missed(False, [], Position("00000000", 0))
    head = Position(row["epoch"], row["seq"])
    at = parse_offset(after)
    if at is None or at[0] != head.epoch or at[1] > head.seq or at[1] < head.seq - len(row["items"]):
        return Missed(False, [], head)
    return Missed(True, [_item(each) for each in row["items"] if each["s"] > at[1]], head)


def _item(row: dict[str, Any]) -> Item:
    return Item(row["s"], row["k"], row["rev"], row["e"])
