"""Writes that commit together, and what they are said in: the operations, what may stand in their way, and readers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pymongo import DeleteOne, InsertOne, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError

from social.contracts.envelope import Envelope
from social.contracts.events import Event
from social.infra import clock
from social.infra.logs import current_trace
from social.infra.memory import Memory

__all__ = ["DeleteOne", "InsertOne", "UpdateMany", "UpdateOne"]  # the write operations of `Transaction.bulk`

Document = dict[str, Any]
Where = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]

DUPLICATE_KEY = 11000
WRITES_EVERYWHERE = 25  # the wire version of MongoDB 8.0, whose `bulkWrite` takes several collections at once


class AlreadyExists(Exception):
    """A unique index refused an insert; `index` names what was taken."""

    def __init__(self, index: str) -> None:
        super().__init__(index)
        self.index = index


class Overtaken(Exception):
    """Somebody else inserted what this transaction was about to: it runs again and sees it."""


class Reader(Protocol):
    """What the store and a transaction are both read by."""

    memory: Memory

    async def get(self, collection: str, id_: str, fields: tuple[str, ...] | None = None) -> Document | None: ...

    async def get_many(
        self, collection: str, ids: Iterable[str], fields: tuple[str, ...] | None = None
    ) -> dict[str, Document]: ...

    async def one(self, collection: str, where: Where, fields: Where | None = None) -> Document | None: ...

    async def many(self, collection: str, where: Where, *, fields: Where | None = None) -> list[Document]: ...

    async def aggregate(self, collection: str, pipeline: Sequence[Where]) -> list[Document]: ...


class Transaction:
    """Writes that commit together with the events that tell of them."""

    def __init__(self, database: Any, session: Any, memory: Memory) -> None:
        self.memory = memory
        self._database = database
        self._session = session
        self._last: list[tuple[str, Document]] = []
        self.recorded: list[Envelope] = []
        self.refused = False

    def insert_last(self, collection: str, *documents: Document) -> None:
        """Insert right before the commit, together with the outbox: one round trip where the store knows how.

        For a transaction that has looked at something before: SecantusDB does not begin one with such a write. When
        somebody else was faster, it runs again and sees it.
        """
        self._last += [(collection, each) for each in documents]

    def record(self, *events: Event) -> None:
        """Tell of what this transaction makes true; nobody hears of it unless it commits."""
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

    async def get(self, collection: str, id_: str, fields: tuple[str, ...] | None = None) -> Document | None:
        """The document with this id, or None, as this transaction sees it."""
        return await self.one(collection, {"_id": id_}, dict.fromkeys(fields, 1) if fields else None)

    async def get_many(
        self, collection: str, ids: Iterable[str], fields: tuple[str, ...] | None = None
    ) -> dict[str, Document]:
        """The documents with these ids that exist, by id, as this transaction sees them."""
        wanted = list(dict.fromkeys(ids))
        where, kept = {"_id": {"$in": wanted}}, dict.fromkeys(fields, 1) if fields else None
        found = {row["_id"]: row for row in await self.many(collection, where, kept)} if wanted else {}
        return {id_: found[id_] for id_ in wanted if id_ in found}

    async def one(self, collection: str, where: Where, fields: Where | None = None) -> Document | None:
        """The document that matches, as this transaction sees it."""
        found: Document | None = await self._database[collection].find_one(where, fields, session=self._session)
        return found

    async def many(
        self, collection: str, where: Where, fields: Where | None = None, *, limit: int = 0
    ) -> list[Document]:
        """All documents that match, or so many of them, as this transaction sees them."""
        cursor = self._database[collection].find(where, fields, session=self._session, limit=limit, batch_size=1_000)
        found: list[Document] = await cursor.to_list(None)
        return found

    async def aggregate(self, collection: str, pipeline: Sequence[Where]) -> list[Document]:
        """What a pipeline makes of a collection, as this transaction sees it."""
        cursor = self._database[collection].aggregate(pipeline, session=self._session)
        found: list[Document] = await cursor.to_list(None)
        return found

    async def count(self, collection: str, where: Where, *, limit: int) -> int:
        """How many match, counted no further than `limit`."""
        return int(await self._database[collection].count_documents(where, limit=limit, session=self._session))

    async def insert(self, collection: str, *documents: Document) -> None:
        """Insert; raises AlreadyExists, after which this transaction can do nothing more."""
        try:
            if len(documents) == 1:
                await self._database[collection].insert_one(documents[0], session=self._session)
            elif documents:
                await self._database[collection].insert_many(documents, session=self._session)
        except (DuplicateKeyError, BulkWriteError) as error:
            self.refused = True
            raise already(error) from None

    async def update(self, collection: str, where: Where, change: Any) -> int:
        """Change at most one document; how many were."""
        result = await self._database[collection].update_one(where, change, session=self._session)
        return int(result.modified_count)

    async def update_all(self, collection: str, where: Where, change: Any) -> int:
        """Change all that match; how many were changed."""
        result = await self._database[collection].update_many(where, change, session=self._session)
        return int(result.modified_count)

    async def bulk(self, collection: str, operations: Sequence[Any]) -> None:
        """Many writes to one collection in one round trip; raises AlreadyExists."""
        if not operations:
            return
        try:
            await self._database[collection].bulk_write(operations, session=self._session)
        except BulkWriteError as error:
            self.refused = True
            raise already(error) from None

    async def put(self, collection: str, changes: Mapping[str, Any]) -> int:
        """Change the documents with these ids, or insert them, in one round trip; how many are different now."""
        operations = [UpdateOne({"_id": each}, change, upsert=True) for each, change in changes.items()]
        try:
            result = await self._database[collection].bulk_write(operations, session=self._session)
        except BulkWriteError as error:
            raise Overtaken from already(error)
        return int(result.modified_count) + len(result.upserted_ids)

    async def delete(self, collection: str, where: Where) -> int:
        """Delete all that match; how many there were."""
        result = await self._database[collection].delete_many(where, session=self._session)
        return int(result.deleted_count)

    async def write_outbox(self) -> None:
        """The last write before the commit: one row an event, and what was kept until now."""
        rows = [{"_id": each.id, **each.model_dump(exclude={"id"})} for each in self.recorded]
        documents: dict[str, list[Document]] = {}
        for collection, document in [*self._last, *(("outbox", row) for row in rows)]:
            documents.setdefault(collection, []).append(document)
        try:
            version = self._database.client.topology_description.common_wire_version  # None while the store is away
            if len(documents) > 1 and (version or 0) >= WRITES_EVERYWHERE:
                return await self._insert_everywhere(documents)
            for collection, some in documents.items():
                await self.insert(collection, *some)
        except AlreadyExists as error:
            raise Overtaken from error

    async def _insert_everywhere(self, documents: Mapping[str, Sequence[Document]]) -> None:
        said = await self._database.client.admin.command(
            "bulkWrite",
            1,
            ops=[{"insert": at, "document": each} for at, some in enumerate(documents.values()) for each in some],
            nsInfo=[{"ns": f"{self._database.name}.{collection}"} for collection in documents],
            errorsOnly=True,
            session=self._session,
        )
        for each in said["cursor"]["firstBatch"]:
            if each["code"] == DUPLICATE_KEY:
                raise AlreadyExists(",".join(each.get("keyPattern", ())))
            raise OperationFailure(each["errmsg"], each["code"], each)


def already(error: PyMongoError) -> AlreadyExists:
    """What a unique index said; raises the error itself where it is another one."""
    details: Mapping[str, Any] = getattr(error, "details", None) or {}
    for each in details.get("writeErrors", []):
        if each["code"] != DUPLICATE_KEY:
            raise error
        details = each
    pattern: Iterable[str] = details.get("keyPattern") or []
    return AlreadyExists(",".join(pattern) or str(details.get("errmsg", "")))


__all__ += ["AlreadyExists", "Document", "Overtaken", "Reader", "Sort", "Transaction", "Where", "already"]
