"""Refusals: one problem object (RFC 9457) over REST and over the socket, with a stable code."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, ValidationError

from social.contracts.base import Contract

MOST_ERRORS = 100  # told of one request: the answer must not outgrow the question


class FieldProblem(Contract):
    """One field that is wrong: a JSON pointer into the body, or the name of a parameter."""

    pointer: str = Field(examples=["/text"])
    code: str = Field(examples=["string_too_long"])
    detail: str


class ProblemBody(Contract):
    """application/problem+json."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str | None = None
    request_id: str | None = None
    errors: list[FieldProblem] | None = None


class Problem(Exception):
    """A refusal with a status and a stable code; raised where the knowledge is, mapped once per transport."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here"

    def __init__(self, detail: str | None = None, *, errors: list[FieldProblem] | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = errors

    def headers(self) -> Mapping[str, str]:
        """What REST says beside the body."""
        return {}

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """The problem object, without what it does not say."""
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
    status, code, title = 400, "malformed_request", "This is no HTTP that can be answered"


class MalformedJson(Problem):
    status, code, title = 400, "malformed_json", "The body is not JSON"


class MalformedForm(Problem):
    status, code, title = 400, "malformed_form", "The body is not a form of the kind it says"


class InvalidOneTimeToken(Problem):
    status, code, title = 400, "invalid_one_time_token", "This link was used, is over, or never was"


class NotAuthenticated(Problem):
    """No usable access token; `WWW-Authenticate` says why (RFC 6750)."""

    status, code, title = 401, "invalid_token", "An access token is needed"

    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": f'Bearer realm="plaza", error="invalid_token", error_description="{self.title}"'}


class TokenExpired(NotAuthenticated):
    code, title = "token_expired", "The access token has expired"


class SessionRevoked(NotAuthenticated):
    code, title = "session_revoked", "This session was ended"


class InvalidCredentials(NotAuthenticated):
    code, title = "invalid_credentials", "Username or password is wrong"


class InvalidRefreshToken(NotAuthenticated):
    code, title = "invalid_refresh_token", "This refresh token is not valid"


class RefreshTokenReused(NotAuthenticated):
    code, title = "refresh_token_reused", "This refresh token was used before; its session is ended"


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "Not allowed"


class AccountSuspended(Forbidden):
    code, title = "account_suspended", "This account is suspended"


class WrongPassword(Forbidden):
    """The access token is good, so it is no 401: clients would refresh and ask again."""

    code, title = "wrong_password", "The password is wrong"


class NotFound(Problem):
    status, code, title = 404, "not_found", "There is no such thing here"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "This path does not take this method"

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
    status, code, title = 409, "media_in_use", "This picture belongs to a post: delete that instead"


class TooManyUnused(Problem):
    status, code, title = 409, "too_many_unused", "So many of your pictures are in no post: use some, or delete them"


class PreconditionFailed(Problem):
    status, code, title = 412, "precondition_failed", "This was edited meanwhile: read it again"


class TooLarge(Problem):
    status, code, title = 413, "too_large", "The body is too large"


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported_media_type", "This takes multipart/form-data"


class UnsupportedContentEncoding(Problem):
    """Names what would do, as RFC 9110 wants it."""

    status, code, title = 415, "unsupported_content_encoding", "Bodies are taken as they are, without Content-Encoding"

    def headers(self) -> Mapping[str, str]:
        return {"Accept-Encoding": "identity"}


class RangeNotSatisfiable(Problem):
    """Nothing is at these bytes; carries how many there are."""

    status, code, title = 416, "range_not_satisfiable", "There is nothing in this range"

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def headers(self) -> Mapping[str, str]:
        return {"Content-Range": f"bytes */{self.size}"}


class ValidationFailed(Problem):
    """Carries every field that is wrong, not just the first."""

    status, code, title = 422, "validation_failed", "Some fields are wrong"


class IdempotencyMismatch(Problem):
    status, code, title = 422, "idempotency_mismatch", "This idempotency key was used for another request"


class HeadersTooLarge(Problem):
    status, code, title = 431, "headers_too_large", "The address or the headers are too large"


class RateLimited(Problem):
    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, detail: str | None = None, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


class Unavailable(Problem):
    """Something this needs is away; nothing was acknowledged and a retry is safe."""

    status, code, title = 503, "unavailable", "Temporarily unavailable, try again"
    retry_after_s: ClassVar[int] = 2

    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_after_s)}


def wrong_fields(error: ValidationError, where: str = "") -> ValidationFailed:
    """Every field pydantic found wrong, up to 100; `where` prefixes the pointers (`?` for query parameters)."""
    problems = []
    for each in error.errors(include_url=False, include_context=False, include_input=False)[:MOST_ERRORS]:
        path = [str(part).replace("~", "~0").replace("/", "~1") for part in each["loc"]]
        pointer = where + "/".join(path) if where else "".join(f"/{part}" for part in path)
        problems.append(FieldProblem(pointer=pointer, code=each["type"], detail=each["msg"]))
    return ValidationFailed(errors=problems)


def unexpected() -> Problem:
    """What a client hears of a bug of ours: nothing of its inside."""
    return Problem()
