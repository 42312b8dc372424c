"""Edges: how one person stands to another. An ordered pair has one document: one write decides, one read answers.

A block is written on both: `blocks_at` on the blocker's edge, `blocked_at` on the other one.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from social.contracts.people import Relationship
from social.infra import clock
from social.infra.store.mongo import Document, Mongo, Reader, Transaction
from social.infra.store.pairs import get_pairs
from social.infra.store.rows import EDGES, EdgeRow

EVER = {"$gt": clock.EPOCH}  # what the partial indexes hold: a time that is there
MOST_HIDDEN = 20_000


@dataclass(frozen=True, slots=True)
class Edge:
    """The relations from one person to another, and since when each holds."""

    source: str
    target: str
    follows_at: datetime | None = None
    requested_at: datetime | None = None  # asked to follow a private account
    blocks_at: datetime | None = None
    blocked_at: datetime | None = None  # by the target
    mutes_at: datetime | None = None

    @property
    def id(self) -> str:
        """The key of its document."""
        return self.source + self.target

    @property
    def apart(self) -> bool:
        """Whether a block, in either direction, hides each from the other."""
        return bool(self.blocks_at or self.blocked_at)

    @property
    def hides(self) -> bool:
        """Whether the source does not hear of what the target does."""
        return self.apart or bool(self.mutes_at)


def relationship(out: Edge, back: Edge) -> Relationship:
    """Return how two people stand to each other, as far as the person at whom `out` starts may know it."""
    return Relationship.model_construct(
        following=bool(out.follows_at),
        followed_by=bool(back.follows_at),
        requested=bool(out.requested_at),
        blocking=bool(out.blocks_at),
        muting=bool(out.mutes_at),
    )


async def between(reader: Reader, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Edge]:
    """Return the edges of these (source, target) pairs, those too that nothing is known of."""
    edges = {pair: Edge(*pair) for pair in pairs}
    for row in (await get_pairs(reader, EDGES, edges)).values():
        edges[row["from"], row["to"]] = of(row)
    return edges


async def both(reader: Reader, one: str, other: str) -> tuple[Edge, Edge]:
    """Return the edge from one person to another, and the one back."""
    found = await between(reader, [(one, other), (other, one)])
    return found[one, other], found[other, one]


def write(tx: Transaction, before: Edge, after: Edge) -> Edge:
    """Change an edge from `before` to `after` and return it; where it is not `before` any more, the verb runs anew."""
    tx.update(EDGES, {"_id": before.id, **_times(before)}, _change(after), upsert=True)
    return after


async def hidden_from(mongo: Mongo, user_id: str) -> frozenset[str] | None:
    """Return the people whom a person does not hear of: blocked, muted, or blocking them; None for more than 20,000."""
    rows = await mongo.many(EDGES, {"from": user_id, "hides": True}, fields={"to": 1}, limit=MOST_HIDDEN + 1)
    return frozenset(row["to"] for row in rows) if len(rows) <= MOST_HIDDEN else None


def of(row: EdgeRow) -> Edge:
    """Return the edge that a document keeps."""
    return Edge(
        row["from"],
        row["to"],
        row.get("follows_at"),
        row.get("requested_at"),
        row.get("blocks_at"),
        row.get("blocked_at"),
        row.get("mutes_at"),
    )


def _times(edge: Edge) -> Document:
    return {name: at for name, at in asdict(edge).items() if name.endswith("_at")}


def _change(edge: Edge) -> Document:
    times = _times(edge)
    kept = {name: at for name, at in times.items() if at is not None} | ({"hides": True} if edge.hides else {})
    gone = {*times, "hides"} - set(kept)
    return {"$set": {"from": edge.source, "to": edge.target, **kept}, "$unset": dict.fromkeys(gone, "")}
