"""The document store: the only module that knows motor, its transactions and its failures."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pymongo
from bson import CodecOptions
from bson.errors import InvalidDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from social.contracts.problems import Unavailable
from social.infra import store_metrics
from social.infra.loaders import Loaders
from social.infra.memory import Memory
from social.infra.settings import StartError
from social.infra.transaction import (
    DUPLICATE_KEY,
    AlreadyExists,
    DeleteOne,
    Document,
    InsertOne,
    Overtaken,
    Reader,
    Sort,
    Transaction,
    UpdateMany,
    UpdateOne,
    Where,
    already,
)

__all__ = ["AWAY", "AlreadyExists", "DeleteOne", "Document", "InsertOne", "InvalidDocument", "Mongo", "Reader", "Sort"]
__all__ += ["Transaction", "UpdateMany", "UpdateOne", "Where", "reachable"]

T = TypeVar("T")

CONFLICTS = (112, 251)  # WriteConflict, NoSuchTransaction: retried whether or not the server labels them
CLOSE_S = 0.5
REFUSES = (13, 18, 8000)  # Unauthorized, AuthenticationFailed, and what Atlas calls both
AWAY = (ConnectionFailure, AutoReconnect, ExecutionTimeout, WaitQueueTimeoutError)


@asynccontextmanager
async def reachable() -> AsyncIterator[None]:
    """Turns a document store that is away into a 503 the caller may retry; raises StartError when it refuses us."""
    try:
        yield
    except AWAY as error:
        raise Unavailable from error
    except OperationFailure as error:
        if error.code in REFUSES:
            raise StartError(f"MONGO_URL is wrong: the server says {(error.details or {}).get('errmsg')}") from None
        if error.timeout or error.has_error_label("RetryableWriteError"):
            raise Unavailable from error
        raise


class Mongo:
    """A connection to the store and its one database; each operation has a deadline."""

    def __init__(self, url: str, database: str, *, timeout_s: float = 5.0) -> None:
        self.memory = Memory()
        self.loaders = Loaders(self._by_id)
        self._ending: set[asyncio.Future[None]] = set()
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
        except (PyMongoError, ValueError):  # whose words may hold the password
            raise StartError("MONGO_URL is wrong: it is no URL; are user and password percent-encoded?") from None
        self.database: Any = self._client.get_database(
            database, codec_options=CodecOptions(tz_aware=True), write_concern=WriteConcern(w="majority", j=True)
        )

    async def ping(self, timeout_s: float | None = None) -> None:
        """Raises Unavailable when the store does not answer, or not in so many seconds instead of the usual ones."""
        async with reachable():
            with pymongo.timeout(timeout_s) if timeout_s else contextlib.nullcontext():
                await self.database.command("ping")

    async def one(self, collection: str, where: Where, fields: Where | None = None) -> Document | None:
        """The document that matches, or None."""
        async with reachable():
            found: Document | None = await self.database[collection].find_one(where, fields)
            return found

    async def get(self, collection: str, id_: str, fields: tuple[str, ...] | None = None) -> Document | None:
        """The document with this id, or None, in a command shared with all who ask now; `fields` is what is read."""
        return await self.loaders.of(collection, fields).get(id_)

    async def get_many(
        self, collection: str, ids: Iterable[str], fields: tuple[str, ...] | None = None
    ) -> dict[str, Document]:
        """The documents with these ids that exist, by id and in their order, read as `get` reads them."""
        return await self.loaders.many(collection, ids, fields)

    async def _by_id(self, collection: str, ids: Sequence[str], fields: Sequence[str] | None) -> list[Document]:
        where: Where = {"_id": ids[0]} if len(ids) == 1 else {"_id": {"$in": list(ids)}}
        return await self.many(collection, where, fields=dict.fromkeys(fields, 1) if fields else None)

    async def many(
        self, collection: str, where: Where, *, fields: Where | None = None, sort: Sort | None = None, limit: int = 0
    ) -> list[Document]:
        """All documents that match, in one cursor."""
        async with reachable():
            cursor = self.database[collection].find(where, fields, sort=sort, limit=limit, batch_size=limit or 1_000)
            found: list[Document] = await cursor.to_list(None)
            return found

    async def aggregate(self, collection: str, pipeline: Sequence[Where]) -> list[Document]:
        """What a pipeline makes of a collection: a document with all that belongs to it, in one round trip."""
        async with reachable():
            found: list[Document] = await self.database[collection].aggregate(pipeline).to_list(None)
            return found

    async def count(self, collection: str, where: Where, *, limit: int) -> int:
        """How many match, counted no further than `limit`."""
        async with reachable():
            return int(await self.database[collection].count_documents(where, limit=limit))

    async def insert(self, collection: str, document: Document) -> None:
        """Insert one document on its own; raises AlreadyExists."""
        try:
            async with reachable():
                await self.database[collection].insert_one(document)
        except DuplicateKeyError as error:
            raise already(error) from None

    async def insert_missing(self, collection: str, documents: Sequence[Document]) -> None:
        """Insert those whose id is not taken: for writes that are the same when repeated."""
        if not documents:
            return
        try:
            async with reachable():
                await self.database[collection].insert_many(documents, ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            if details.get("writeConcernErrors"):  # written, but a new primary may not have it: not done yet
                raise Unavailable from error
            if any(each["code"] != DUPLICATE_KEY for each in details.get("writeErrors", [])):
                raise

    async def update(self, collection: str, where: Where, change: Any, *, upsert: bool = False) -> int:
        """Change at most one document; how many were changed (or inserted)."""
        try:
            async with reachable():
                result = await self.database[collection].update_one(where, change, upsert=upsert)
        except DuplicateKeyError as error:
            raise already(error) from None
        return int(result.modified_count) + (result.upserted_id is not None)

    async def delete(self, collection: str, where: Where) -> int:
        """Delete all that match; how many there were."""
        async with reachable():
            return int((await self.database[collection].delete_many(where)).deleted_count)

    def majority(self, collection: str) -> Any:
        """The collection as a majority of the replica set has it: never a write that can still be rolled back."""
        return self.database[collection].with_options(read_concern=ReadConcern("majority"))

    async def transact(
        self, work: Callable[["Transaction"], Awaitable[T]], *, timeout_s: float = 5.0
    ) -> tuple[T, "Transaction"]:
        """Run `work` in one transaction, again from its start after a conflict; its result and the transaction.

        `work` may run several times and must do nothing but write through the transaction. When a unique index
        refused an insert and `work` handled that, there is nothing to commit and the transaction is dropped.
        Raises Unavailable when the store is away or the deadline passes.
        """
        try:
            async with asyncio.timeout(timeout_s):
                attempt = 0
                while True:
                    try:
                        async with reachable():
                            return await self._attempt(work)
                    except Overtaken:
                        pass
                    except PyMongoError as error:
                        if not _transient(error):
                            raise
                    except Unavailable as error:
                        if not _transient(error.__cause__):
                            raise
                        if attempt > 2:  # the store itself is away: say so soon rather than late
                            raise
                    await asyncio.sleep(random.uniform(0, min(0.2, 0.002 * 2**attempt)))  # noqa: S311 - jitter
                    attempt += 1
        except TimeoutError as error:
            raise Unavailable from error

    async def _attempt(self, work: Callable[["Transaction"], Awaitable[T]]) -> tuple[T, "Transaction"]:
        session = await self._client.start_session()
        try:
            done = await self._commit(session, work)
        except asyncio.CancelledError:  # a deadline does not wait for a store that says nothing
            ending = asyncio.ensure_future(_end(session))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            raise
        except BaseException:
            await session.end_session()  # which aborts what is under way
            raise
        await session.end_session()
        return done

    async def _commit(self, session: Any, work: Callable[["Transaction"], Awaitable[T]]) -> tuple[T, "Transaction"]:
        session.start_transaction(
            read_concern=ReadConcern("snapshot"), write_concern=WriteConcern(w="majority", j=True)
        )
        tx = Transaction(self.database, session, self.memory)
        result = await work(tx)
        if tx.refused:
            await session.abort_transaction()
            tx.recorded.clear()
            return result, tx
        await tx.write_outbox()
        while True:
            try:
                await session.commit_transaction()
                return result, tx
            except PyMongoError as error:  # committing again is harmless and the only way to know
                if not error.has_error_label("UnknownTransactionCommitResult"):
                    raise
                await asyncio.sleep(0.05)

    def close(self) -> None:
        """Drop the connections; a store that is gone already is not looked for, only to end sessions there."""
        with pymongo.timeout(CLOSE_S):
            self._client.close()


async def _end(session: Any) -> None:
    with contextlib.suppress(PyMongoError):  # then the store ends it by itself, by its own deadline
        await session.end_session()


def _transient(error: BaseException | None) -> bool:
    """Whether a transaction that failed so may simply run again."""
    if not isinstance(error, PyMongoError):
        return False
    return error.has_error_label("TransientTransactionError") or getattr(error, "code", None) in CONFLICTS
