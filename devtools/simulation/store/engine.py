"""The documents of the simulated store, its commands, and its transactions.

A transaction sees the documents as they were at its first command. A document that another transaction has written and
not committed, or committed since then, is a write conflict, as in MongoDB. Each command takes effect at one instant.
"""

import datetime as dates
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import bson
from bson import CodecOptions

from devtools.simulation.network import Again
from devtools.simulation.store.changes import changed
from devtools.simulation.store.matching import MISSING, Document, Where, in_order, matches, values
from devtools.simulation.store.pipelines import aggregated
from social.infra.store.schema import INDEXES

CODECS: CodecOptions[Document] = CodecOptions(tz_aware=True)
DUPLICATE_KEY, WRITE_CONFLICT, NO_SUCH_TRANSACTION = 11000, 112, 251
OPEN_FOR_S = 5.0  # the most that a transaction may be open; a real server is told so by its configuration

Collections = dict[str, dict[str, Document]]
UNIQUE: dict[str, list[Document]] = {
    str(name): [each.document for each in indexes if each.document.get("unique")] for name, indexes in INDEXES.items()
}


class Refused(Exception):
    """A command that failed: the answer that says so."""

    def __init__(self, code: int, name: str, *labels: str) -> None:
        super().__init__(name)
        self.answer = {"ok": 0.0, "code": code, "codeName": name, "errmsg": name, "errorLabels": list(labels)}


class Duplicate(Exception):
    """A document whose key in a unique index another document has; `keys` are the fields of the index."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(",".join(keys))
        self.keys = keys


class OpenTransaction:
    """A transaction that is not committed: its documents, and what it wrote."""

    def __init__(self, collections: Collections, began: float) -> None:
        self.view: Collections = {name: dict(documents) for name, documents in collections.items()}
        self.written: dict[tuple[str, str], Document | None] = {}
        self.began = began
        self.over = False
        self.committed = False


class Engine:
    """A store of one database."""

    def __init__(self, time: Callable[[], float], now: Callable[[], dates.datetime]) -> None:
        self.collections: Collections = {str(name): {} for name in INDEXES}
        self.commits = 0
        self._time = time
        self._now = now
        self._open: list[OpenTransaction] = []
        self._locks: dict[tuple[str, str], OpenTransaction] = {}

    # Transactions

    def begin(self) -> OpenTransaction:
        """Begin a transaction, which sees what is there now."""
        self._end_old()
        transaction = OpenTransaction(self.collections, self._time())
        self._open.append(transaction)
        return transaction

    def commit(self, transaction: OpenTransaction) -> None:
        """Make the writes of a transaction visible; a second time it changes nothing. Raises Refused."""
        if transaction.committed:
            return
        if transaction.over:
            raise Refused(NO_SUCH_TRANSACTION, "NoSuchTransaction", "TransientTransactionError")
        self._end(transaction)
        transaction.committed = True
        self.commits += 1
        for (name, id_), document in transaction.written.items():
            if document is None:
                self.collections[name].pop(id_, None)
            else:
                self.collections[name][id_] = document

    def abort(self, transaction: OpenTransaction) -> None:
        """Drop a transaction that was not committed."""
        if not transaction.over:
            self._end(transaction)

    def _end(self, transaction: OpenTransaction) -> None:
        transaction.over = True
        self._open.remove(transaction)
        self._locks = {key: holder for key, holder in self._locks.items() if holder is not transaction}

    def _end_old(self) -> None:
        for each in [each for each in self._open if self._time() - each.began > OPEN_FOR_S]:
            self._end(each)

    # Commands

    def run(self, command: Mapping[str, Any], transaction: OpenTransaction | None = None) -> Document:
        """Run a command as it comes over the wire, and return its answer, also one that says that it failed."""
        if transaction is not None and transaction.over:
            return Refused(NO_SUCH_TRANSACTION, "NoSuchTransaction", "TransientTransactionError").answer
        verb = next(iter(command))
        try:
            answer = getattr(self, f"_run_{verb}")(command, command[verb], transaction)
        except Refused as refused:
            if transaction is not None:
                self._end(transaction)
            return refused.answer
        if transaction is not None and answer.get("writeErrors"):
            self._end(transaction)
        return {"ok": 1.0, **answer}

    def find(
        self,
        name: str,
        where: Where,
        *,
        fields: Mapping[str, Any] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        transaction: OpenTransaction | None = None,
    ) -> list[Document]:
        """Return copies of the documents that match."""
        found = [*self._matching(name, where, transaction)]
        if sort:
            found = in_order(found, sort)
        return [_projected(each, fields) for each in (found[:limit] if limit else found)]

    def aggregate(self, name: str, pipeline: Sequence[Mapping[str, Any]]) -> list[Document]:
        """Return the results of a pipeline over a collection."""
        documents = [bson.decode(bson.encode(each), CODECS) for each in self.collections[name].values()]
        return aggregated(documents, pipeline, self.find)

    def _run_find(self, command: Mapping[str, Any], name: str, transaction: OpenTransaction | None) -> Document:
        fields = command.get("projection")
        found = self.find(name, command.get("filter", {}), fields=fields, transaction=transaction)
        return {"cursor": {"id": 0, "ns": name, "firstBatch": found}}

    def _run_insert(self, command: Mapping[str, Any], name: str, transaction: OpenTransaction | None) -> Document:
        n, errors = 0, []
        for index, document in enumerate(command["documents"]):
            try:
                self._put(name, document, transaction, new=True)
                n += 1
            except Duplicate as duplicate:
                errors.append(_error(index, duplicate))
                if command.get("ordered", True):
                    break
        return {"n": n, **({"writeErrors": errors} if errors else {})}

    def _run_update(self, command: Mapping[str, Any], name: str, transaction: OpenTransaction | None) -> Document:
        n = modified = 0
        upserted: list[Document] = []
        for index, statement in enumerate(command["updates"]):
            found = [*self._matching(name, statement["q"], transaction)]
            try:
                for document in found if statement.get("multi") else found[:1]:
                    after = changed(document, statement["u"], self._now())
                    n += 1
                    if after != document:
                        modified += 1
                        self._put(name, after, transaction)
                if not found and statement.get("upsert"):
                    document = self._upserted(statement)
                    self._put(name, document, transaction, new=True)
                    n += 1
                    upserted.append({"index": index, "_id": document["_id"]})
            except Duplicate as duplicate:
                return {"n": n, "nModified": modified, "writeErrors": [_error(index, duplicate)]}
        return {"n": n, "nModified": modified, "upserted": upserted}

    def _run_delete(self, command: Mapping[str, Any], name: str, transaction: OpenTransaction | None) -> Document:
        n = 0
        for statement in command["deletes"]:
            found = [*self._matching(name, statement["q"], transaction)]
            for document in found[:1] if statement["limit"] == 1 else found:
                self._write(name, document["_id"], None, transaction)
                n += 1
        return {"n": n}

    def _upserted(self, statement: Mapping[str, Any]) -> Document:
        plain = {name: value for name, value in statement["q"].items() if not isinstance(value, Mapping)}
        known = {name: value for name, value in plain.items() if not name.startswith("$")}
        return changed(known, statement["u"], self._now(), inserted=True)

    def _matching(self, name: str, where: Where, transaction: OpenTransaction | None) -> Iterator[Document]:
        documents = (transaction.view if transaction else self.collections)[name]
        asked = where.get("_id")
        if isinstance(asked, str):
            candidates = [documents[asked]] if asked in documents else []
        elif isinstance(asked, Mapping) and "$in" in asked:
            candidates = [documents[each] for each in dict.fromkeys(asked["$in"]) if each in documents]
        else:
            candidates = [*documents.values()]
        return (each for each in candidates if matches(each, where))

    def _put(
        self, name: str, document: Mapping[str, Any], transaction: OpenTransaction | None, *, new: bool = False
    ) -> None:
        kept: Document = bson.decode(bson.encode(document), CODECS)
        documents = (transaction.view if transaction else self.collections)[name]
        if new and kept["_id"] in documents:
            raise Duplicate(["_id"])
        self._check_unique(name, kept, documents, transaction)
        self._write(name, kept["_id"], kept, transaction)

    def _check_unique(
        self, name: str, document: Document, documents: Mapping[str, Document], transaction: OpenTransaction | None
    ) -> None:
        for index in UNIQUE[name]:
            if (key := _key(index, document)) is None:
                continue
            if any(_key(index, each) == key for id_, each in documents.items() if id_ != document["_id"]):
                raise Duplicate([*index["key"]])
            for other in self._open:
                if other is not transaction and any(
                    collection == name and each is not None and _key(index, each) == key
                    for (collection, _), each in other.written.items()
                ):
                    self._conflict(transaction)

    def _write(self, name: str, id_: str, document: Document | None, transaction: OpenTransaction | None) -> None:
        self._end_old()
        holder = self._locks.get((name, id_))
        if holder is not None and holder is not transaction:
            self._conflict(transaction)
        if transaction is None:
            self._replace(self.collections[name], id_, document)
            return
        if (name, id_) not in transaction.written:
            if self.collections[name].get(id_) is not transaction.view[name].get(id_):
                self._conflict(transaction)
            self._locks[name, id_] = transaction
        transaction.written[name, id_] = document
        self._replace(transaction.view[name], id_, document)

    @staticmethod
    def _replace(documents: dict[str, Document], id_: str, document: Document | None) -> None:
        if document is None:
            documents.pop(id_, None)
        else:
            documents[id_] = document

    @staticmethod
    def _conflict(transaction: OpenTransaction | None) -> None:
        """Refuse a write in a transaction; one outside of any waits until the other transaction has ended."""
        if transaction is None:
            raise Again
        raise Refused(WRITE_CONFLICT, "WriteConflict", "TransientTransactionError")


def _key(index: Document, document: Document) -> tuple[Any, ...] | None:
    partial = index.get("partialFilterExpression")
    if partial is not None and not matches(document, partial):
        return None
    found = [next(values(document, name)) for name in index["key"]]
    if index.get("sparse") and all(each is MISSING for each in found):
        return None
    return tuple(None if each is MISSING else each for each in found)


def _error(index: int, duplicate: Duplicate) -> Document:
    keys = dict.fromkeys(duplicate.keys, 1)
    return {"index": index, "code": DUPLICATE_KEY, "errmsg": f"duplicate key: {duplicate}", "keyPattern": keys}


def _projected(document: Document, fields: Mapping[str, Any] | None) -> Document:
    if not fields:
        return {name: _copied(value) for name, value in document.items()}
    if not all(fields.values()):  # such as {"password": 0}
        return {name: _copied(value) for name, value in document.items() if name not in fields}
    kept: Document = {"_id": document["_id"]}
    for path in fields:
        name, _, rest = path.partition(".")
        if name not in document:
            continue
        if not rest:
            kept[name] = _copied(document[name])
        elif isinstance(document[name], dict) and rest in document[name]:
            kept.setdefault(name, {})[rest] = _copied(document[name][rest])
    return kept


def _copied(value: Any) -> Any:
    """Return a copy of a stored value: of all that documents hold only these two kinds can be changed."""
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value
