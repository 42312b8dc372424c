"""The document store: the only module that imports motor, with its transactions and failures."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pymongo
from bson import CodecOptions
from bson.errors import InvalidDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import DeleteMany
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, NetworkTimeout, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from social.contracts.problems import Unavailable
from social.infra.settings import StartError
from social.infra.store import store_metrics
from social.infra.store.errors import AWAY, DUPLICATE_KEY, already, translate_errors, write_errors
from social.infra.store.group_commit import Conflict, GroupCommit
from social.infra.store.loaders import MOST_IDS, Loaders
from social.infra.store.newest import Newest
from social.infra.store.pipelined import PipelinedReads
from social.infra.store.rows import LEASES, Collection, Document, Row
from social.infra.store.sealing import Seals
from social.infra.store.store_transaction import DURABLE
from social.infra.store.strides import Strides
from social.infra.store.transaction import AlreadyExists, Fields, Reader, Sort, Transaction, Where
from social.infra.store.ttl_cache import TtlCache

__all__ = ["AWAY", "AlreadyExists", "Document", "Fields", "InvalidDocument", "Mongo", "Reader", "Sort"]
__all__ += ["Transaction", "Where", "translate_errors"]

T = TypeVar("T")

CODECS: CodecOptions[Document] = CodecOptions(tz_aware=True)
CLOSE_S = 0.5
# A write may become visible so long after its stamp by the store's clock: a transaction ends within 30 s, and where
# another member of the replica set took over, its clock may be 15 s behind.
OVERLAP = timedelta(seconds=60)
ALONE_AFTER = 2  # refusals a transaction is committed alone


class Mongo:
    """A connection to the store and its one database; each operation has a deadline."""

    def __init__(self, url: str, database: str, *, timeout_s: float = 5.0) -> None:
        self.memory = TtlCache()
        self.newest = Newest(self)
        self.strides = Strides(self)
        self.seals = Seals(self)
        self.long_walks = asyncio.Semaphore(1)  # along lists with many hidden rows
        self.loaders = Loaders(self._by_id)
        self._majority_loaders = Loaders(self._by_id_of_majority)
        try:
            self._client: Any = AsyncIOMotorClient(
                url,
                tz_aware=True,
                appname="plaza",
                event_listeners=[*store_metrics.LISTENERS],
                timeoutMS=round(timeout_s * 1000),
                serverSelectionTimeoutMS=round(timeout_s * 400),
                connectTimeoutMS=2_000,
            )
        except (PyMongoError, ValueError):  # whose message may hold the password
            raise StartError("MONGO_URL is wrong: it is no URL; are user and password percent-encoded?") from None
        self.database: Any = self._client.get_database(database, codec_options=CODECS, write_concern=DURABLE)
        self.commits = GroupCommit(self._client, self.database)
        self._reads = PipelinedReads(self._client.delegate, database, CODECS, timeout_s)

    async def ping(self, timeout_s: float | None = None) -> None:
        """Raise Unavailable when the store does not answer within `timeout_s`, by default the usual timeout."""
        async with translate_errors():
            with pymongo.timeout(timeout_s) if timeout_s else contextlib.nullcontext():
                await self.database.command("ping")

    async def now(self) -> datetime:
        """Return the current time by the store's own clock."""
        async with translate_errors():
            at: datetime = (await self.database.command("hello", codec_options=CODECS))["localTime"]
            return at

    async def takes_writes(self) -> bool:
        """Return whether the store answers and accepts a write."""
        try:
            await self.update(LEASES, {"_id": "probe"}, {"$currentDate": {"at": True}}, upsert=True)
        except (Unavailable, StartError, PyMongoError):
            return False
        return True

    async def one(self, collection: Collection[Row], where: Where, fields: Where | None = None) -> Row | None:
        """Return the document that matches, or None."""
        async with translate_errors():
            found: Row | None = await self.database[collection].find_one(where, fields)
            return found

    async def get(self, collection: Collection[Row], id_: str, fields: Fields | None = None) -> Row | None:
        """Return the document with this id, or None; reads of the moment share a command. `fields`: what to read."""
        return await self.loaders.of(collection, fields).get(id_)

    def get_many(
        self, collection: Collection[Row], ids: Iterable[str], fields: Fields | None = None
    ) -> Awaitable[dict[str, Row]]:
        """Begin to read the documents with these ids as `get` does; return those that exist, by id, in their order."""
        return self.loaders.of(collection, fields).get_many(ids)

    async def get_of_majority(self, collection: Collection[Row], id_: str, fields: Fields | None = None) -> Row | None:
        """Return the document with this id as `majority` has it, or None; reads of the moment share a command."""
        return await self._majority_loaders.of(collection, fields).get(id_)

    async def _by_id_of_majority(
        self, collection: str, ids: Sequence[str], fields: Sequence[str] | None
    ) -> list[Document]:
        return await self._by_id(collection, ids, fields, ReadConcern("majority"))

    async def _by_id(
        self, collection: str, ids: Sequence[str], fields: Sequence[str] | None, concern: ReadConcern | None = None
    ) -> list[Document]:
        """Read documents by id, in one message with whatever else is read by id at this moment."""
        find: Document = {"find": collection, "filter": {"_id": ids[0] if len(ids) == 1 else {"$in": [*ids]}}}
        if fields:
            find["projection"] = dict.fromkeys(fields, 1)
        if concern:
            find["readConcern"] = concern.document
        deadline = self._reads.deadline()
        async with translate_errors():
            try:
                cursor = (await self._reads.read(find, deadline))["cursor"]
            except NetworkTimeout:
                raise
            except AutoReconnect:  # a connection was closed: the driver retries only its own reads
                cursor = (await self._reads.read(find, deadline))["cursor"]
            found: list[Document] = cursor["firstBatch"]
            while cursor["id"]:  # large documents: an answer has at most 16 MB
                more = {"getMore": cursor["id"], "collection": collection}
                cursor = (await self._reads.read(more, deadline))["cursor"]
                found += cursor["nextBatch"]
            return found

    async def many(
        self,
        collection: Collection[Row],
        where: Where,
        *,
        fields: Where | None = None,
        sort: Sort | None = None,
        limit: int = 0,
    ) -> list[Row]:
        """Return all documents that match, in one cursor."""
        async with translate_errors():
            cursor = self.database[collection].find(where, fields, sort=sort, limit=limit, batch_size=limit or 1_000)
            found: list[Row] = await cursor.to_list(None)
            return found

    async def aggregate(self, collection: Collection[Any], pipeline: Sequence[Where]) -> list[Any]:
        """Run a pipeline over a collection, in one round trip; the caller annotates the type of the results."""
        async with translate_errors():
            found: list[Any] = await self.database[collection].aggregate(pipeline).to_list(None)
            return found

    async def count(self, collection: Collection[Any], where: Where, *, limit: int) -> int:
        """Return how many documents match, counted up to `limit`."""
        async with translate_errors():
            return int(await self.database[collection].count_documents(where, limit=limit))

    async def insert(self, collection: Collection[Row], document: Row) -> None:
        """Insert a document outside of a transaction; raises AlreadyExists."""
        try:
            async with translate_errors():
                await self.database[collection].insert_one(document)
        except DuplicateKeyError as error:
            raise already(error) from None

    async def insert_missing(self, collection: Collection[Row], documents: Sequence[Row]) -> None:
        """Insert the documents whose id is not taken: for writes that may be repeated."""
        if not documents:
            return
        try:
            async with translate_errors():
                await self.database[collection].insert_many(documents, ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            if details.get("writeConcernErrors"):  # written, but a new primary may not have it: not durable yet
                raise Unavailable from error
            if any(each["code"] != DUPLICATE_KEY for each in write_errors(error)):
                raise

    async def update(self, collection: Collection[Any], where: Where, change: Any, *, upsert: bool = False) -> int:
        """Change at most one document; return how many were changed or inserted."""
        try:
            async with translate_errors():
                result = await self.database[collection].update_one(where, change, upsert=upsert)
        except DuplicateKeyError as error:
            raise already(error) from None
        return int(result.modified_count) + (result.upserted_id is not None)

    async def update_all(self, collection: Collection[Any], where: Where, change: Any) -> int:
        """Change all documents that match, each atomically; return how many were changed."""
        async with translate_errors():
            return int((await self.database[collection].update_many(where, change)).modified_count)

    async def delete(self, collection: Collection[Any], where: Where, *, durable: bool = True) -> int:
        """Delete all documents that match; return how many. `durable=False` where a failover may bring them back."""
        concern = DURABLE if durable else WriteConcern(w=1)
        async with translate_errors():
            documents = self.database[collection].with_options(write_concern=concern)
            return int((await documents.delete_many(where)).deleted_count)

    async def delete_by_ids(self, collection: Collection[Any], ids: Sequence[str], *, durable: bool = True) -> None:
        """Delete these documents in one command; `durable=False` where a failover may bring them back."""
        if not ids:
            return
        concern = DURABLE if durable else WriteConcern(w=1)
        some = [DeleteMany({"_id": {"$in": list(ids[at : at + MOST_IDS])}}) for at in range(0, len(ids), MOST_IDS)]
        async with translate_errors():
            await self.database[collection].with_options(write_concern=concern).bulk_write(some, ordered=False)

    def majority(self, collection: Collection[Any]) -> Any:
        """Return a collection as a majority of the replica set has it, without writes that may still be rolled back."""
        return self.database[collection].with_options(read_concern=ReadConcern("majority"))

    async def transact(
        self, verb: Callable[["Transaction"], Awaitable[T]], *, timeout_s: float = 5.0
    ) -> tuple[T, "Transaction"]:
        """Run a verb and commit its writes with those of others at the moment; return its result and transaction.

        `verb` runs anew where a unique index or a condition refused its writes, so it may only read and hand over
        writes. Raises Unavailable when the store is away or the deadline passes.
        """
        conflict: str | None = None
        try:
            async with asyncio.timeout(timeout_s):
                for attempt in itertools.count():
                    tx = Transaction(self, attempt=attempt, conflict=conflict)
                    result = await verb(tx)
                    if not tx.writes and not tx.recorded:
                        break
                    try:
                        await self.commits.commit(tx, alone=attempt >= ALONE_AFTER, timeout_s=timeout_s)
                        break
                    except Conflict as refused:
                        conflict = refused.on
                    finally:  # a commit without an answer may have taken effect
                        self.memory.forget(tx.stale)
                    if attempt:  # the documents are contended
                        await asyncio.sleep(random.uniform(0, min(0.2, 0.002 * 2**attempt)))  # noqa: S311 - jitter
        except TimeoutError as error:
            raise Unavailable from error
        return result, tx

    def close(self) -> None:
        """Close the connections; does not look for a store that is away, only to end sessions there."""
        self._reads.close()
        with pymongo.timeout(CLOSE_S):
            self._client.close()
