"""A client of Plaza for asyncio: a login, repeated writes, and live stores that miss nothing and show nothing twice."""

from plaza_client.connection import Return
from plaza_client.core.packets import Event
from plaza_client.core.retrying import Retrying
from plaza_client.core.view import Listed, NotificationList, Single, Snapshot
from plaza_client.errors import (
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    PlazaError,
    PreconditionFailed,
    RateLimited,
    Redirected,
    Unavailable,
    Unreachable,
    ValidationFailed,
)
from plaza_client.plaza import Plaza
from plaza_client.store import Store

__all__ = [
    "Conflict",
    "Event",
    "Forbidden",
    "Listed",
    "NotAuthenticated",
    "NotFound",
    "NotificationList",
    "Plaza",
    "PlazaError",
    "PreconditionFailed",
    "RateLimited",
    "Redirected",
    "Retrying",
    "Return",
    "Single",
    "Snapshot",
    "Store",
    "Unavailable",
    "Unreachable",
    "ValidationFailed",
]
