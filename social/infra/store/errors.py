"""Failures of the document store by their meaning: it cannot now, it refuses the command, or a conflict."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pymongo.errors import (
    AutoReconnect,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
)

from social.contracts.problems import Unavailable
from social.infra.settings import StartError
from social.infra.store.transaction import AlreadyExists

DUPLICATE_KEY = 11000
CONFLICTS = (112, 251)  # WriteConflict, NoSuchTransaction: retried whether or not the server labels them
REFUSES = (13, 18, 8000)  # Unauthorized, AuthenticationFailed, and Atlas' code for both
FULL = (14031,)  # OutOfDiskSpace
NO_ROOM = ("no space left", "not enough disk space", "out of disk", "disk full")  # in the messages of other errors
# Codes of commands that the store would refuse again, since the command or a document is at fault:
# BadValue, FailedToParse, TypeMismatch, InvalidBSON, NamespaceNotFound, IndexNotFound, PathNotViable, a conflict of
# operators, NamespaceExists, names of fields, CommandNotFound, ImmutableField, InvalidOptions, InvalidNamespace,
# indexes that differ, DocumentValidationFailure, parallel arrays, documents and keys that are too large, duplicates.
OUR_FAULT = {2, 9, 14, 22, 26, 27, 28, 40, 48, 52, 56, 57, 59, 66, 72, 73, 85, 86, 121, 171}
OUR_FAULT |= {10003, 10334, 11000, 11001, 12582, 16389, 16755, 17280, 17419, 17420}
AWAY = (ConnectionFailure, AutoReconnect, ExecutionTimeout, WaitQueueTimeoutError)


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Turn an absent, full or failing store into Unavailable, a 503 that the caller may retry.

    Errors that are the command's fault are raised as they are. Raises StartError when the store rejects the
    credentials.
    """
    try:
        yield
    except AWAY as error:
        raise Unavailable from error
    except OperationFailure as error:
        if error.code in REFUSES:
            raise StartError(f"MONGO_URL is wrong: the server says {(error.details or {}).get('errmsg')}") from None
        if may_succeed_later(error):
            raise Unavailable from error
        raise


def may_succeed_later(error: OperationFailure) -> bool:
    """Return whether the command may succeed when it is retried; also true of an unknown error."""
    codes = {each["code"] for each in write_errors(error)} or {error.code}
    return not codes <= OUR_FAULT


def full(error: BaseException | None) -> bool:
    """Return whether the store has no room left."""
    says = str(error).lower()
    return getattr(error, "code", None) in FULL or any(words in says for words in NO_ROOM)


def may_succeed_apart(error: BaseException | None) -> bool:
    """Return whether a group of transactions may have failed for the fault of one, by an unknown error."""
    return isinstance(error, OperationFailure) and not (error.timeout or transient(error) or full(error))


def write_errors(error: BaseException) -> Sequence[Mapping[str, Any]]:
    """Return the errors of single writes that a failed bulk lists."""
    found: Sequence[Mapping[str, Any]] = (getattr(error, "details", None) or {}).get("writeErrors", ())
    return found


def conflicts(error: BaseException | None) -> bool:
    """Return whether another client wrote one of the documents at the same time."""
    if not isinstance(error, PyMongoError):
        return False
    return getattr(error, "code", None) in CONFLICTS or any(each["code"] in CONFLICTS for each in write_errors(error))


def transient(error: BaseException | None) -> bool:
    """Return whether the failed store transaction may simply be retried."""
    return conflicts(error) or (isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError"))


def index_of(details: Mapping[str, Any]) -> str:
    """Return the keys of the unique index that refused an insert, from an error's details."""
    return ",".join(details.get("keyPattern") or ()) or str(details.get("errmsg", ""))


def already(error: PyMongoError) -> AlreadyExists:
    """Return the refusal of a unique index as AlreadyExists; raises any other error as it is."""
    details: Mapping[str, Any] = getattr(error, "details", None) or {}
    for each in write_errors(error):
        if each["code"] != DUPLICATE_KEY:
            raise error
        details = each
    return AlreadyExists(index_of(details))
