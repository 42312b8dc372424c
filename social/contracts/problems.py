"""Errors for clients: a problem object (RFC 9457) over REST and over the socket, with a stable code."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, ValidationError

from social.contracts.base import Contract

MOST_ERRORS = 100  # errors of a request that are listed: the answer must not outgrow the request


class FieldProblem(Contract):
    """A wrong field: a JSON pointer into the body, or the name of a parameter."""

    pointer: str = Field(examples=["/text"])
    code: str = Field(examples=["string_too_long"])
    detail: str


class ProblemBody(Contract):
    """The body of an error (application/problem+json)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str | None = None
    request_id: str | None = None
    errors: list[FieldProblem] | None = None


class Problem(Exception):
    """An error with a status and a stable code; raised where the cause is known, mapped once for each transport."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str | None = None, *, errors: list[FieldProblem] | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = errors

    def headers(self) -> Mapping[str, str]:
        """Return the headers of the REST answer."""
        return {}

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """Return the problem object without empty fields."""
        body = ProblemBody(
            title=self.title,
            status=self.status,
            code=self.code,
            detail=self.detail,
            request_id=request_id,
            errors=self.errors,
        )
        return {name: value for name, value in body.__dict__.items() if value is not None}


class MalformedRequest(Problem):
    status, code, title = 400, "malformed_request", "The request is not valid HTTP"


class MalformedJson(Problem):
    status, code, title = 400, "malformed_json", "The body is not JSON"


class MalformedForm(Problem):
    status, code, title = 400, "malformed_form", "The body is not a form of the declared type"


class InvalidOneTimeToken(Problem):
    status, code, title = 400, "invalid_one_time_token", "This token is invalid, expired or already used"


class NotAuthenticated(Problem):
    """No usable access token; `WWW-Authenticate` says why (RFC 6750)."""

    status, code, title = 401, "invalid_token", "An access token is required"

    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": f'Bearer realm="plaza", error="invalid_token", error_description="{self.title}"'}


class TokenExpired(NotAuthenticated):
    code, title = "token_expired", "The access token has expired"


class SessionRevoked(NotAuthenticated):
    code, title = "session_revoked", "This session has ended"


class InvalidCredentials(NotAuthenticated):
    code, title = "invalid_credentials", "Username or password is wrong"


class InvalidRefreshToken(NotAuthenticated):
    code, title = "invalid_refresh_token", "This refresh token is not valid"


class RefreshTokenReused(NotAuthenticated):
    code, title = "refresh_token_reused", "This refresh token was used before; its session has been ended"


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "Not allowed"


class AccountSuspended(Forbidden):
    code, title = "account_suspended", "This account is suspended"


class WrongPassword(Forbidden):
    """A wrong password with a valid access token: not a 401, or clients would refresh the token and repeat it."""

    code, title = "wrong_password", "The password is wrong"


class NotFound(Problem):
    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "This path does not support this method"

    def __init__(self, allowed: list[str]) -> None:
        super().__init__()
        self.allowed = allowed

    def headers(self) -> Mapping[str, str]:
        return {"Allow": ", ".join(self.allowed)}


class BodyTimeout(Problem):
    status, code, title = 408, "body_timeout", "The body took too long to arrive"

    def headers(self) -> Mapping[str, str]:
        return {"Connection": "close"}


class UsernameTaken(Problem):
    status, code, title = 409, "username_taken", "This username is taken"


class EmailTaken(Problem):
    status, code, title = 409, "email_taken", "This e-mail address is taken"


class AlreadyReported(Problem):
    status, code, title = 409, "already_reported", "You have reported this before"


class MediaInUse(Problem):
    status, code, title = 409, "media_in_use", "This picture is part of a post: delete the post instead"


class TooManyUnused(Problem):
    status, code, title = 409, "too_many_unused", "Too many of your pictures are in no post: use or delete some"


class PreconditionFailed(Problem):
    status, code, title = 412, "precondition_failed", "This was edited in the meantime: read it again"


class TooLarge(Problem):
    status, code, title = 413, "too_large", "The body is too large"


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported_media_type", "The body must be multipart/form-data"


class UnsupportedContentEncoding(Problem):
    """A compressed body; `Accept-Encoding` names the alternative (RFC 9110)."""

    status, code, title = 415, "unsupported_content_encoding", "The body must not be compressed (Content-Encoding)"

    def headers(self) -> Mapping[str, str]:
        return {"Accept-Encoding": "identity"}


class RangeNotSatisfiable(Problem):
    """The file has no such bytes; `size` is how many it has."""

    status, code, title = 416, "range_not_satisfiable", "The file has no bytes in this range"

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def headers(self) -> Mapping[str, str]:
        return {"Content-Range": f"bytes */{self.size}"}


class ValidationFailed(Problem):
    """The wrong fields of a request: all of them, not just the first."""

    status, code, title = 422, "validation_failed", "Some fields are wrong"


class IdempotencyMismatch(Problem):
    status, code, title = 422, "idempotency_mismatch", "This idempotency key was used for another request"


class HeadersTooLarge(Problem):
    status, code, title = 431, "headers_too_large", "The URL or the headers are too large"


class RateLimited(Problem):
    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


class Unavailable(Problem):
    """A server that this needs is away; nothing was acknowledged, and a retry is safe."""

    status, code, title = 503, "unavailable", "Temporarily unavailable, try again"
    retry_after_s: ClassVar[int] = 2

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


def wrong_fields(error: ValidationError, where: str = "") -> ValidationFailed:
    """Return the error of the fields that pydantic refused, up to 100; `where` prefixes pointers (`?` for queries)."""
    problems = []
    for each in error.errors(include_url=False, include_context=False, include_input=False)[:MOST_ERRORS]:
        path = [str(part).replace("~", "~0").replace("/", "~1") for part in each["loc"]]
        pointer = where + "/".join(path) if where else "".join(f"/{part}" for part in path)
        problems.append(FieldProblem(pointer=pointer, code=each["type"], detail=each["msg"]))
    return ValidationFailed(errors=problems)


def unexpected() -> Problem:
    """Return the error for a bug: it reveals nothing of its cause."""
    return Problem()
