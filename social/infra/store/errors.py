"""What the document store's failures mean: it cannot now, it refuses what it was asked, or a conflict."""

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
CONFLICTS = (112, 251)  # WriteConflict, NoSuchTransaction: tried again whether or not the server labels them
REFUSES = (13, 18, 8000)  # Unauthorized, AuthenticationFailed, and what Atlas calls both
FULL = (14031,)  # OutOfDiskSpace
NO_ROOM = ("no space left", "not enough disk space", "out of disk", "disk full")  # in the words of other errors
# What a store answers to a command that it would refuse another time too, since the command or a document is at fault:
# BadValue, FailedToParse, TypeMismatch, InvalidBSON, NamespaceNotFound, IndexNotFound, PathNotViable, a conflict of
# operators, NamespaceExists, names of fields, CommandNotFound, ImmutableField, InvalidOptions, InvalidNamespace,
# indexes that differ, DocumentValidationFailure, parallel arrays, documents and keys that are too large, duplicates.
OUR_FAULT = {2, 9, 14, 22, 26, 27, 28, 40, 48, 52, 56, 57, 59, 66, 72, 73, 85, 86, 121, 171}
OUR_FAULT |= {10003, 10334, 11000, 11001, 12582, 16389, 16755, 17280, 17419, 17420}
AWAY = (ConnectionFailure, AutoReconnect, ExecutionTimeout, WaitQueueTimeoutError)


@asynccontextmanager
async def reachable() -> AsyncIterator[None]:
    """Turn what is not the command's fault into a 503 that the caller may retry: a store that is away, full or unwell.

    Raises StartError when the store refuses who we are.
    """
    try:
        yield
    except AWAY as error:
        raise Unavailable from error
    except OperationFailure as error:
        if error.code in REFUSES:
            raise StartError(f"MONGO_URL is wrong: the server says {(error.details or {}).get('errmsg')}") from None
        if unwell(error):
            raise Unavailable from error
        raise


def unwell(error: OperationFailure) -> bool:
    """Whether the same command may well succeed another time; also of an error that nobody foresaw."""
    codes = {each["code"] for each in write_errors(error)} or {error.code}
    return not codes <= OUR_FAULT


def full(error: BaseException | None) -> bool:
    """Whether the store has no room left, for anybody."""
    says = str(error).lower()
    return getattr(error, "code", None) in FULL or any(words in says for words in NO_ROOM)


def blamable(error: BaseException | None) -> bool:
    """Whether a store transaction of many may have failed for one of them: by an error that nobody foresaw."""
    return isinstance(error, OperationFailure) and not (error.timeout or transient(error) or full(error))


def write_errors(error: BaseException) -> Sequence[Mapping[str, Any]]:
    """The errors of single writes that a failed bulk lists."""
    found: Sequence[Mapping[str, Any]] = (getattr(error, "details", None) or {}).get("writeErrors", ())
    return found


def conflicts(error: BaseException | None) -> bool:
    """Whether somebody else wrote one of the documents at the same time."""
    if not isinstance(error, PyMongoError):
        return False
    return getattr(error, "code", None) in CONFLICTS or any(each["code"] in CONFLICTS for each in write_errors(error))


def transient(error: BaseException | None) -> bool:
    """Whether a store transaction that failed so may simply be tried again."""
    return conflicts(error) or (isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError"))


def index_of(details: Mapping[str, Any]) -> str:
    """The keys of the unique index that refused an insert, as an error tells."""
    return ",".join(details.get("keyPattern") or ()) or str(details.get("errmsg", ""))


def already(error: PyMongoError) -> AlreadyExists:
    """The refusal of a unique index; raises the error itself where it is another one."""
    details: Mapping[str, Any] = getattr(error, "details", None) or {}
    for each in write_errors(error):
        if each["code"] != DUPLICATE_KEY:
            raise error
        details = each
    return AlreadyExists(index_of(details))
