"""Refusals of the server as exceptions: decide by the class or by `code`, never by the words."""

from collections.abc import Mapping
from typing import Any


class PlazaError(Exception):
    """A request that was refused, or never answered."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.title = str(problem.get("title", ""))
        self.detail: str | None = problem.get("detail")
        self.fields: dict[str, str] = {each["pointer"]: each["detail"] for each in problem.get("errors") or ()}
        self.request_id: str | None = problem.get("request_id")
        self.retry_after_s = retry_after_s
        super().__init__(f"{status} {self.code}: {self.detail or self.title}")


class NotAuthenticated(PlazaError):
    """The person is not logged in, or their session has ended (401)."""


class Forbidden(PlazaError):
    """The person may not do this (403)."""


class NotFound(PlazaError):
    """There is no such thing, or none that the person may see (404)."""


class Conflict(PlazaError):
    """The write contradicts what is there, such as a username that is taken (409)."""


class PreconditionFailed(PlazaError):
    """The thing was edited by somebody else meanwhile (412)."""


class ValidationFailed(PlazaError):
    """Fields of the request are wrong; `fields` has a sentence for each pointer (422)."""


class RateLimited(PlazaError):
    """The person or the address asked too often, for longer than the client repeats a request (429)."""


class Unavailable(PlazaError):
    """The server could not answer, for longer than the client repeats a request (5xx)."""


class Redirected(PlazaError):
    """The server named another address (3xx), to which no token is sent; `code` is `redirected`."""

    def __init__(self, status: int) -> None:
        super().__init__(status, {"code": "redirected", "title": "The server names another address"})


class Unreachable(PlazaError):
    """No answer came; `status` is 0, and `code` is `unreachable`."""

    def __init__(self, why: str) -> None:
        super().__init__(0, {"code": "unreachable", "title": why})


BY_STATUS: dict[int, type[PlazaError]] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    422: ValidationFailed,
    429: RateLimited,
}


def refusal(status: int, problem: Any, retry_after_s: float | None = None) -> PlazaError:
    """Return the exception for a refusal; `problem` may be anything, such as the error page of a proxy."""
    if 300 <= status < 400:
        return Redirected(status)
    kind = BY_STATUS.get(status, Unavailable if status >= 500 else PlazaError)
    return kind(status, problem if isinstance(problem, dict) else {}, retry_after_s)
