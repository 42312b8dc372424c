"""What the document store's failures mean: away, a conflict that may be tried again, or a unique index that refuses."""

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
from social.infra.transaction import AlreadyExists

DUPLICATE_KEY = 11000
CONFLICTS = (112, 251)  # WriteConflict, NoSuchTransaction: tried again whether or not the server labels them
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
