"""A store transaction, from its start to its commit, as a single job of a thread.

Each command that the event loop awaits costs this process two thread switches and the driver's bookkeeping around
them; a transaction as one job costs that once. All its writes are sent before the first is answered: where the store
refuses one, those behind it fail as well, and nothing is committed. The commands are bare ones, since the driver's bulk
API builds the same at a higher price.
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pymongo
from pymongo.errors import PyMongoError, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from social.infra.store.errors import DUPLICATE_KEY, index_of
from social.infra.store.pipelined import check, exchange
from social.infra.store.transaction import Kind

DURABLE = WriteConcern(w="majority", j=True)
ASK_AGAIN_S = 0.05  # between two attempts to learn whether a commit took effect whose answer was lost
ABORT_S = 0.5  # others wait for the thread, and the store aborts an open transaction by its own deadline

GUARDED: frozenset[Kind] = frozenset({"update", "replace", "delete"})  # writes that must find their documents
VERBS = {
    "insert": ("insert", "documents"),
    "update": ("update", "updates"),
    "replace": ("update", "updates"),
    "touch": ("update", "updates"),
    "delete": ("delete", "deletes"),
    "clear": ("delete", "deletes"),
}


@dataclass(slots=True)
class Command:
    """Writes of a kind to a collection; `statements` are documents, replacements, or statements of the wire."""

    kind: Kind
    collection: str
    statements: list[Any]


class Rejected(Exception):
    """A refused command: the statement at `at` by the unique index `on`, or statements that found no document."""

    def __init__(self, command: int, at: int | None = None, on: str = "") -> None:
        super().__init__(on)
        self.command, self.at, self.on = command, at, on


def run(client: Any, database: Any, commands: Sequence[Command], within_s: float) -> None:
    """Write all commands in one transaction, which is durable when this returns; blocks, so a thread runs it.

    Raises Rejected, and errors of the driver; after any of them nothing is written, unless a commit was sent and not
    answered in time.
    """
    until = time.monotonic() + within_s
    session = client.start_session()
    try:
        with pymongo.timeout(within_s):
            session.start_transaction(read_concern=ReadConcern("local"), write_concern=DURABLE)
            sent = [message for command in commands for message in messages(command)]
            answers = iter(exchange(client, database.name, sent, database.codec_options, session=session))
            for at, command in enumerate(commands):
                if _compares(command):
                    _compare(command, next(answers), at)
                accept(command, next(answers), at)
            commit(session, until)
    finally:
        with contextlib.suppress(PyMongoError), pymongo.timeout(ABORT_S):
            session.end_session()  # which aborts an open transaction


def messages(command: Command) -> Iterator[dict[str, Any]]:
    """Yield the messages of a command: before several documents are replaced, those there are read in one snapshot.

    A document that somebody else changes after that snapshot is a write conflict.
    """
    if _compares(command):
        ids = [each["document"]["_id"] for each in command.statements]
        fields = dict.fromkeys((name for each in command.statements for name in each["unchanged"]), 1)
        compared = {"filter": {"_id": {"$in": ids}}, "projection": fields}
        yield {"find": command.collection, **compared, "batchSize": len(ids) + 1, "singleBatch": True}
    verb, field = VERBS[command.kind]
    yield {verb: command.collection, field: _merged(command), "ordered": True}


def _compares(command: Command) -> bool:
    """Return whether a read before the replacements compares; a single one has its fields as conditions instead."""
    return command.kind == "replace" and len(command.statements) > 1


def _compare(command: Command, answer: dict[str, Any], at: int) -> None:
    """Raise Rejected where a document that is to be replaced is gone, or has a field that is not as it was read."""
    check(answer)
    found = {each["_id"]: each for each in answer["cursor"]["firstBatch"]}
    for number, statement in enumerate(command.statements):
        there = found.get(statement["document"]["_id"])
        if there is None or any(there.get(name) != value for name, value in statement["unchanged"].items()):
            raise Rejected(at, number)


def accept(command: Command, answer: dict[str, Any], at: int) -> None:
    """Accept the answer to the command at this place of its transaction; raises Rejected, and errors of the driver."""
    check(answer)
    for error in answer.get("writeErrors", ()):
        if error["code"] == DUPLICATE_KEY:
            one_each = len(_merged(command)) == len(command.statements)
            raise Rejected(at, error["index"] if one_each else None, index_of(error))
        raise WriteError(error.get("errmsg", ""), error["code"], error)
    expected = len(command.statements) if command.kind in GUARDED else 0
    if expected and answer["n"] != expected:
        raise Rejected(at)


def commit(session: Any, until: float) -> None:
    """Commit; where the answer is lost, commit again: that is harmless and the only way to know."""
    while True:
        try:
            session.commit_transaction()
            return
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult") or time.monotonic() > until:
                raise
            time.sleep(ASK_AGAIN_S)


def _merged(command: Command) -> list[Any]:
    """Return the statements as they are sent; several that say the same of different ids become one."""
    match command.kind:
        case "replace":
            return _replacements(command)
        case "touch":
            return _merged_touches(command.statements)
        case "delete":
            return _merged_deletes(command.statements)
    return command.statements


def _replacements(command: Command) -> list[Any]:
    compared = _compares(command)
    return [
        {"q": {"_id": each["document"]["_id"], **({} if compared else each["unchanged"])}, "u": each["document"]}
        for each in command.statements
    ]


def _merged_deletes(statements: list[Any]) -> list[Any]:
    asked = [dict(each["q"]) for each in statements]
    ids = [each.pop("_id") for each in asked]
    if any(each != asked[0] for each in asked):
        return statements
    # The ids come first: after an equality the embedded store does not use them.
    return [{"q": {"_id": {"$in": ids}, **asked[0]}, "limit": 0}]


def _merged_touches(statements: list[Any]) -> list[Any]:
    """Merge equal changes of documents that are named by their ids alone, as counts of many posts by one are.

    A document that is named twice is changed twice, in order: then nothing is merged.
    """
    ids = [each["q"].get("_id") for each in statements]
    named = all(isinstance(id_, str) and len(each["q"]) == 1 for id_, each in zip(ids, statements, strict=True))
    if not named or len(set(ids)) < len(ids) or any(each.get("upsert") or each.get("multi") for each in statements):
        return statements
    alike: list[tuple[Any, list[str]]] = []
    for id_, each in zip(ids, statements, strict=True):
        same = next((those for change, those in alike if change == each["u"]), None)
        if same is None:
            alike.append((each["u"], [id_]))
        else:
            same.append(id_)
    return [{"q": {"_id": {"$in": those}}, "u": change, "multi": True} for change, those in alike]
