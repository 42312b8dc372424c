"""A store transaction, from its start to its commit, as a single job of a thread.

Each command that the event loop awaits costs this process two thread switches and the driver's bookkeeping around
them; a transaction as one job costs that once. All its writes are sent before the first is answered: where the store
refuses one, those behind it fail as well, and nothing is committed. The commands are bare ones, since the driver's bulk
API builds the same at a higher price.
"""

import contextlib
import time
from collections.abc import Sequence
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

VERBS = {
    "insert": ("insert", "documents"),
    "update": ("update", "updates"),
    "touch": ("update", "updates"),
    "delete": ("delete", "deletes"),
    "clear": ("delete", "deletes"),
}


@dataclass(slots=True)
class Command:
    """Writes of a kind to a collection; `statements` are documents, or statements of the wire's commands."""

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
            answers = exchange(
                client, database.name, [*map(_message, commands)], database.codec_options, session=session
            )
            for at, (command, answer) in enumerate(zip(commands, answers, strict=True)):
                accept(command, answer, at)
            commit(session, until)
    finally:
        with contextlib.suppress(PyMongoError), pymongo.timeout(ABORT_S):
            session.end_session()  # which aborts an open transaction


def _message(command: Command) -> dict[str, Any]:
    verb, field = VERBS[command.kind]
    return {verb: command.collection, field: _merged(command), "ordered": True}


def accept(command: Command, answer: dict[str, Any], at: int) -> None:
    """Accept the answer to the command at this place of its transaction; raises Rejected, and errors of the driver."""
    check(answer)
    for error in answer.get("writeErrors", ()):
        if error["code"] == DUPLICATE_KEY:
            raise Rejected(at, error["index"], index_of(error))
        raise WriteError(error.get("errmsg", ""), error["code"], error)
    expected = len(command.statements) if command.kind in ("update", "delete") else 0
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
    """Return the statements as they are sent: deletes with one condition and different ids become one."""
    if command.kind != "delete":
        return command.statements
    asked = [dict(each["q"]) for each in command.statements]
    ids = [each.pop("_id") for each in asked]
    if any(each != asked[0] for each in asked):
        return command.statements
    # The ids come first: after an equality the embedded store does not use them.
    return [{"q": {"_id": {"$in": ids}, **asked[0]}, "limit": 0}]
