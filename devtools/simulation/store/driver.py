"""The driver of the simulated store: the calls of motor and of `pipelined.exchange` that the product makes.

All that is above these calls is the product's own: loaders, pipelined reads, group commits, and the store transaction
with its commits that are asked for again.
"""

import contextvars
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from bson import CodecOptions
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError

from devtools.simulation.network import Lost, Server
from devtools.simulation.store.engine import DUPLICATE_KEY, Engine, OpenTransaction, Refused
from devtools.simulation.store.matching import Document, Where
from social.infra import clock
from social.infra.store.pipelined import check

UNKNOWN, TRANSIENT = "UnknownTransactionCommitResult", "TransientTransactionError"


def _lost(error: Lost, *labels: str) -> AutoReconnect:
    gone = AutoReconnect(str(error))
    for label in labels:
        gone._add_error_label(label)
    return gone


class Client:
    """A process's client of the store, in place of `AsyncIOMotorClient`."""

    def __init__(self, server: Server, engine: Engine) -> None:
        self.server, self.engine = server, engine
        self.delegate = self

    def get_database(self, name: str, **_: Any) -> "Database":
        """Return the only database."""
        return Database(self, name)

    def start_session(self) -> "Session":
        """Return a session, as the blocking driver does."""
        return Session(self)

    def exchange(self, commands: Sequence[Document], session: "Session | None") -> list[Document]:
        """Send commands in one message and return the answers to all, as `pipelined.exchange` does; blocks."""

        def work() -> list[Document]:
            if session is None:
                return [self.engine.run(each) for each in commands]
            session.transaction = session.transaction or self.engine.begin()
            return [self.engine.run(each, session.transaction) for each in commands]

        try:
            return self.server.ask_blocking(work)
        except Lost as error:
            raise _lost(error, *([TRANSIENT] if session else [])) from error

    def close(self) -> None:
        """Close the client."""


class Session:
    """A session of the blocking driver, with at most one transaction."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.transaction: OpenTransaction | None = None
        self._sent = False

    def start_transaction(self, **_: Any) -> None:
        """Begin a transaction with the next command."""

    def commit_transaction(self) -> None:
        """Commit; raises an error with a label where it is unknown whether it took effect."""
        assert self.transaction is not None
        open_one, engine, self._sent = self.transaction, self._client.engine, True

        def work() -> Document:
            try:
                engine.commit(open_one)
            except Refused as refused:
                return refused.answer
            return {"ok": 1.0}

        try:
            answer = self._client.server.ask_blocking(work)
        except Lost as error:
            raise _lost(error, UNKNOWN) from error
        check(answer)

    def end_session(self) -> None:
        """Abort a transaction that was not to be committed, without waiting for the answer."""
        if self.transaction is not None and not self._sent:
            server, engine, open_one = self._client.server, self._client.engine, self.transaction
            server.loop.call_in(server.process, server.network.latency(), engine.abort, open_one)


def exchange(
    client: Client,
    database: str,
    commands: Sequence[Document],
    codecs: CodecOptions[Any],
    *,
    session: Session | None = None,
    contexts: Sequence[contextvars.Context] = (),
) -> list[Document]:
    """Stand in for `pipelined.exchange`."""
    return client.exchange(commands, session)


class Database:
    """A database, as motor shows it."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self.name = client, name
        self.delegate = SimpleNamespace(name=name, codec_options=None)

    def __getitem__(self, name: str) -> "Collection":
        return Collection(self._client, str(name))

    async def command(self, name: str, **_: Any) -> Document:
        """Answer `ping` and `hello`."""
        answer: Document = await asked(self._client, lambda: {"ok": 1.0, "localTime": clock.now()})
        return answer


async def asked(client: Client, work: Callable[[], Any]) -> Any:
    """Ask the store, and raise the driver's errors."""
    try:
        return await client.server.ask(work)
    except Lost as error:
        raise _lost(error) from error


class Collection:
    """A collection, as motor shows it."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._engine, self._name = client, client.engine, name

    def with_options(self, **_: Any) -> "Collection":
        """Return the collection: every write is durable here, and every read one of a majority."""
        return self

    async def find_one(self, where: Where, fields: Mapping[str, Any] | None = None) -> Document | None:
        """Return a document that matches."""
        found = await self.find(where, fields, limit=1).to_list(None)
        return found[0] if found else None

    def find(
        self,
        where: Where,
        fields: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        batch_size: int = 0,
    ) -> "Cursor":
        """Return a cursor of the documents that match."""
        read = {"fields": fields, "sort": sort or (), "limit": limit}
        return Cursor(self._client, lambda: self._engine.find(self._name, where, **read))  # type: ignore[arg-type]

    def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> "Cursor":
        """Return a cursor of a pipeline's results."""
        return Cursor(self._client, lambda: self._engine.aggregate(self._name, pipeline))

    async def count_documents(self, where: Where, *, limit: int) -> int:
        """Return how many documents match, up to `limit`."""
        return len(await self.find(where, limit=limit).to_list(None))

    async def estimated_document_count(self) -> int:
        """Return how many documents there are."""
        return int(await asked(self._client, lambda: len(self._engine.collections[self._name])))

    async def insert_one(self, document: Document) -> None:
        """Insert a document."""
        answer = await self._write({"insert": self._name, "documents": [document]})
        if errors := answer.get("writeErrors"):
            raise DuplicateKeyError(errors[0]["errmsg"], DUPLICATE_KEY, errors[0])

    async def insert_many(self, documents: Sequence[Document], *, ordered: bool = True) -> None:
        """Insert documents."""
        answer = await self._write({"insert": self._name, "documents": documents, "ordered": ordered})
        if errors := answer.get("writeErrors"):
            raise BulkWriteError({"writeErrors": errors, "nInserted": answer["n"]})

    async def update_one(self, where: Where, change: Any, *, upsert: bool = False) -> Any:
        """Change a document."""
        return await self._update({"q": where, "u": change, "upsert": upsert})

    async def update_many(self, where: Where, change: Any) -> Any:
        """Change all documents that match."""
        return await self._update({"q": where, "u": change, "multi": True})

    async def delete_many(self, where: Where) -> Any:
        """Delete all documents that match."""
        answer = await self._write({"delete": self._name, "deletes": [{"q": where, "limit": 0}]})
        return SimpleNamespace(deleted_count=answer["n"])

    async def bulk_write(self, writes: Sequence[Any], *, ordered: bool = True) -> None:
        """Delete what matches any of these, which are `DeleteMany`."""
        await self._write({"delete": self._name, "deletes": [{"q": each._filter, "limit": 0} for each in writes]})

    async def _update(self, statement: Document) -> Any:
        answer = await self._write({"update": self._name, "updates": [statement]})
        if errors := answer.get("writeErrors"):
            raise DuplicateKeyError(errors[0]["errmsg"], DUPLICATE_KEY, errors[0])
        upserted = answer["upserted"]
        return SimpleNamespace(modified_count=answer["nModified"], upserted_id=upserted[0]["_id"] if upserted else None)

    async def _write(self, command: Document) -> Document:
        answer: Document = await asked(self._client, lambda: self._engine.run(command))
        check(answer)
        return answer


class Cursor:
    """A cursor whose results are read at once."""

    def __init__(self, client: Client, read: Callable[[], list[Document]]) -> None:
        self._client, self._read = client, read

    async def to_list(self, _: int | None) -> list[Document]:
        """Return all results."""
        found: list[Document] = await asked(self._client, self._read)
        return found
