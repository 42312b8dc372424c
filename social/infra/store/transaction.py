"""A transaction: the writes that a verb hands over to be committed together, and the events it records.

A verb reads first, outside of any store transaction, and hands over inserts, updates and deletes with the conditions
they rely on. `group_commit.py` writes the transactions of many verbs in one store transaction; where a unique index or
a condition refuses one of them, its verb runs anew on the state that is there then.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict, cast

from social.contracts.envelope import Envelope
from social.contracts.events import Event
from social.infra import clock
from social.infra.observe.logs import current_trace
from social.infra.store.rows import OUTBOX, Collection, Row
from social.infra.store.ttl_cache import TtlCache

Where = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]
Fields = tuple[str, ...]


class AlreadyExists(Exception):
    """The refusal of an insert by a unique index; `index` has its keys, separated by commas."""

    def __init__(self, index: str) -> None:
        super().__init__(index)
        self.index = index


class Reader(Protocol):
    """The reads that the store and a transaction both offer."""

    memory: TtlCache

    async def get(self, collection: Collection[Row], id_: str, fields: Fields | None = None) -> Row | None: ...

    def get_many(
        self, collection: Collection[Row], ids: Iterable[str], fields: Fields | None = None
    ) -> Awaitable[dict[str, Row]]: ...

    async def one(self, collection: Collection[Row], where: Where, fields: Where | None = None) -> Row | None: ...

    async def many(
        self,
        collection: Collection[Row],
        where: Where,
        *,
        fields: Where | None = None,
        sort: Sort | None = None,
        limit: int = 0,
    ) -> list[Row]: ...

    async def aggregate(self, collection: Collection[Any], pipeline: Sequence[Where]) -> list[Any]: ...

    async def count(self, collection: Collection[Any], where: Where, *, limit: int) -> int: ...


Kind = Literal["insert", "update", "replace", "touch", "delete", "clear"]


class Replacement(TypedDict):
    """A document that takes the place of the one with its `_id`, and the fields that this must still have."""

    document: Mapping[str, Any]
    unchanged: Mapping[str, Any]


@dataclass(slots=True)
class Write:
    """A write: `update`, `replace` and `delete` must find their document, `touch` and `clear` change what matches."""

    kind: Kind
    collection: str
    statement: Mapping[
        str, Any
    ]  # the document of an insert, a Replacement, else a statement of the wire's `update` or `delete` command
    key: str | None  # the id that no other transaction may write meanwhile, where the write relies on what was read

    @property
    def size(self) -> int:
        """Return about how many bytes it has: exact enough to bound a group."""
        if self.kind not in ("insert", "replace"):
            return 300
        document = self.statement if self.kind == "insert" else self.statement["document"]
        return 100 + sum(len(each) if isinstance(each, str | list) else 16 for each in document.values())


class Transaction:
    """The reads of a verb and the writes that it hands over; nothing is written before the verb returns.

    `conflict` is None the first time a verb runs. Afterwards it names what refused the previous attempt: the keys of a
    unique index, or "" for a condition that did not hold.
    """

    def __init__(self, reader: Reader, *, attempt: int = 0, conflict: str | None = None) -> None:
        self.memory = reader.memory
        self.attempt = attempt
        self.conflict = conflict
        self.writes: list[Write] = []
        self.recorded: list[Envelope] = []
        self.stale: list[str] = []  # keys of cached documents that all processes read anew after the commit
        self.lines: list[str] = []  # owners of timelines whose newest lines this transaction changes
        self._reader = reader

    # Reads outside of any store transaction: `get` and `get_many` share commands with concurrent reads.

    async def get(self, collection: Collection[Row], id_: str, fields: Fields | None = None) -> Row | None:
        """Return the document with this id, or None."""
        return await self._reader.get(collection, id_, fields)

    def get_many(
        self, collection: Collection[Row], ids: Iterable[str], fields: Fields | None = None
    ) -> Awaitable[dict[str, Row]]:
        """Begin to read the documents with these ids; return those that exist, by id."""
        return self._reader.get_many(collection, ids, fields)

    async def one(self, collection: Collection[Row], where: Where, fields: Where | None = None) -> Row | None:
        """Return the document that matches, or None."""
        return await self._reader.one(collection, where, fields)

    async def many(
        self,
        collection: Collection[Row],
        where: Where,
        *,
        fields: Where | None = None,
        sort: Sort | None = None,
        limit: int = 0,
    ) -> list[Row]:
        """Return all documents that match, or the first `limit` of them."""
        return await self._reader.many(collection, where, fields=fields, sort=sort, limit=limit)

    async def aggregate(self, collection: Collection[Any], pipeline: Sequence[Where]) -> list[Any]:
        """Run a pipeline over a collection; the caller annotates the type of the results."""
        return await self._reader.aggregate(collection, pipeline)

    async def count(self, collection: Collection[Any], where: Where, *, limit: int) -> int:
        """Return how many documents match, counted up to `limit`."""
        return await self._reader.count(collection, where, limit=limit)

    # Writes, which commit together or not at all.

    def insert(self, collection: Collection[Row], *documents: Row) -> None:
        """Insert documents; where a unique index refuses one, the verb runs anew with its name in `conflict`."""
        self.writes += [Write("insert", collection, each, each["_id"]) for each in documents]

    def update(self, collection: Collection[Any], where: Where, change: Any, *, upsert: bool = False) -> None:
        """Change the document that matches `where`, which has its `_id`; where none does, the verb runs anew.

        With `upsert` it is inserted where no document has the `_id`; one that has it must match.
        """
        self.writes.append(Write("update", collection, {"q": where, "u": change, "upsert": upsert}, where["_id"]))

    def replace(self, collection: Collection[Row], document: Row, *, unchanged: Where) -> None:
        """Replace the document with this `_id`, which was read whole; the verb runs anew where a field differs.

        `unchanged`: fields as they were read, which are compared at the commit. For documents with several indexes
        this costs the embedded store half of what a conditional `update` does.
        """
        statement: Replacement = {"document": cast("Mapping[str, Any]", document), "unchanged": unchanged}
        self.writes.append(Write("replace", collection, cast("Mapping[str, Any]", statement), document["_id"]))

    def touch(self, collection: Collection[Any], where: Where, change: Any, *, upsert: bool = False) -> None:
        """Change at most one document, where it matches; a condition that does not hold is no conflict."""
        self.writes.append(Write("touch", collection, {"q": where, "u": change, "upsert": upsert}, None))

    def touch_all(self, collection: Collection[Any], where: Where, change: Any) -> None:
        """Change all documents that match at the commit."""
        self.writes.append(Write("touch", collection, {"q": where, "u": change, "multi": True}, None))

    def delete(self, collection: Collection[Any], where: Where) -> None:
        """Delete the document that matches `where`, which has its `_id`; where none does, the verb runs anew."""
        self.writes.append(Write("delete", collection, {"q": where, "limit": 1}, where["_id"]))

    def clear(self, collection: Collection[Any], where: Where) -> None:
        """Delete all documents that match at the commit."""
        self.writes.append(Write("clear", collection, {"q": where, "limit": 0}, None))

    def record(self, *events: Event) -> None:
        """Record events of what this transaction makes true; they are published only if it commits."""
        for event in events:
            if event.groups:
                self.recorded.append(
                    Envelope(
                        id=clock.new_id(),
                        type=type(event).__name__,
                        v=event.v,
                        key=event.key,
                        at=clock.now(),
                        trace=current_trace(),
                        data=event.model_dump(mode="json"),
                    )
                )

    def all_writes(self) -> list[Write]:
        """Return the writes, followed by an outbox row for each event."""
        rows = ({"_id": each.id, **each.model_dump(exclude={"id"})} for each in self.recorded)
        return [*self.writes, *(Write("insert", OUTBOX, row, None) for row in rows)]
