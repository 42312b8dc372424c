"""How every route is served: request ids, authentication, validation, problems. Handlers know none of it."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import islice
from typing import Annotated, Any
from urllib.parse import urlencode

from aiohttp import web
from prometheus_client import Counter, Histogram
from pydantic import Field, ValidationError

from api import compression, conditional, cors, limits
from api.proxies import client_ip, prefix
from api.routing import OUTSIDE, Route
from social.accounts.login import Authenticator, TokenIssuer
from social.contracts.base import IDEMPOTENCY_KEY, Page
from social.contracts.codec import decode, encode
from social.contracts.problems import (
    MOST_ERRORS,
    BodyTimeout,
    FieldProblem,
    MalformedJson,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    Problem,
    TooLarge,
    Unavailable,
    UnsupportedContentEncoding,
    ValidationFailed,
    wrong_fields,
)
from social.infra import clock
from social.infra.observe import logs, metrics, tracing
from social.infra.process import even_times
from social.infra.process.admission import Admission, Insistent, Overloaded
from social.infra.process.plaza import IdempotencyKey, Plaza
from social.infra.process.settings import StartError
from social.infra.security.tokens import Access, mistake
from social.infra.store import paging
from social.infra.store.revisions import Expected
from social.posts.media import PictureStore

log = logs.get("http")

MAX_BODY = 1024 * 1024
MOST_NESTED = 10_000  # lists and objects in a body: JSON is read in one go, and a MiB of brackets takes 0.2 s
DEADLINE_S = 10.0
BODY_S = 8.0  # of these, for a body to arrive

Cursor = Annotated[
    str | None, Field(max_length=paging.LONGEST, description="a `next` or `prev` that you were given on the same list")
]
Limit = Annotated[int, Field(ge=1, le=100, description="items on the page")]

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
WATCHING = frozenset(("/livez", "/readyz", "/metrics"))  # asked every few seconds by machines

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

ADMISSION = web.AppKey("admission", Admission)
INSISTENT = web.AppKey("insistent", Insistent)
PLAZA = web.AppKey("social", Plaza)
KEYS = web.AppKey("keys", TokenIssuer)
AUTHENTICATOR = web.AppKey("checks", Authenticator)
REQUEST_ID = web.RequestKey("request_id", str)
ROUTE = web.RequestKey("route", str)
USER_ID = web.RequestKey("user_id", str)
PROBLEM = web.RequestKey("problem", Problem)
DEADLINE = web.RequestKey("deadline", asyncio.Timeout)
PICTURE_STORE = web.AppKey("studio", PictureStore)


class Request:
    """What a handler is given: the system, and who asks."""

    __slots__ = ("_access", "idempotency_key", "raw")

    def __init__(self, raw: web.Request, access: Access | None, idempotency_key: IdempotencyKey | None) -> None:
        self.raw = raw
        self._access = access
        self.idempotency_key = idempotency_key

    @property
    def plaza(self) -> Plaza:
        """The system."""
        return self.raw.app[PLAZA]

    @property
    def authenticator(self) -> Authenticator:
        """What every service checks people by."""
        return self.raw.app[AUTHENTICATOR]

    @property
    def keys(self) -> TokenIssuer:
        """What only the auth service holds."""
        return self.raw.app[KEYS]

    @property
    def picture_store(self) -> PictureStore:
        """What only the media service holds."""
        return self.raw.app[PICTURE_STORE]

    @property
    def user_id(self) -> str:
        """Who asks, on a route that needs a token."""
        assert self._access is not None
        return self._access.user_id

    @property
    def expected(self) -> Expected:
        """Which revisions the client is ready to edit, on a route that takes an If-Match."""
        return conditional.expected(self.raw)

    @property
    def client_ip(self) -> str:
        """The address the request comes from."""
        return client_ip(self.raw)

    @property
    def session_id(self) -> str:
        """Which of their sessions asks."""
        assert self._access is not None
        return self._access.session_id


def serve(route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The aiohttp handler of a route."""

    priority, outside = route.priority, route.service in OUTSIDE

    async def handle(raw: web.Request) -> web.Response:
        admission = raw.app[ADMISSION]
        admission.check(priority)
        raw.app[INSISTENT].let_in(raw.transport)
        access = await _admit(route, raw)
        if access:
            raw[USER_ID] = access.user_id
        if ",".join(raw.headers.getall("Content-Encoding", ())).strip().lower() not in ("", "identity"):
            raise UnsupportedContentEncoding
        arguments = _in_path(route, raw)
        wrong: list[FieldProblem] = []
        arguments |= _query(route, raw, wrong)
        if route.body is not None:
            body = await _json(raw)
            try:
                arguments["body"] = route.body.model_validate(body)
            except ValidationError as error:
                wrong += wrong_fields(error).errors or []
        idempotency_key = _idempotency_key(raw, access, wrong) if route.idempotency_key and access else None
        if wrong:
            raise ValidationFailed(errors=wrong)
        with nullcontext() if outside else admission.work(priority, access.user_id if access else ""):
            answer = await route.handler(Request(raw, access, idempotency_key), **arguments)
        return _respond(route, raw, answer)

    return handle


async def _admit(route: Route, raw: web.Request) -> Access | None:
    """Return who asks, and count the request; one with an unreadable token counts against its address."""
    try:
        signed = route.signed and "signature" in raw.query
        access = authenticate(raw) if route.auth and not signed else None
    except Exception as error:
        await limits.admit(raw, route, None)
        if isinstance(error, Problem):
            raise
        log.error("a token could not be looked at", route=raw[ROUTE], exc_info=error)
        raise NotAuthenticated from error
    await limits.admit(raw, route, access.user_id if access else None)
    return access


def authenticate(raw: web.Request) -> Access:
    """Who a request's Bearer token speaks for; raises NotAuthenticated, TokenExpired, SessionRevoked."""
    scheme, _, token = raw.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("Send it as `Authorization: Bearer <access token>`")
    if (wrong := mistake(token.strip())) is not None:
        raise NotAuthenticated(wrong.detail)
    access = raw.app[AUTHENTICATOR].verifier.verify(token.strip())
    raw.app[PLAZA].revocations.check(access)
    return access


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Names the request, bounds it in time, turns every refusal into a problem, and tells how it went."""
    asked = request.headers.get("X-Request-ID", "")
    request_id = request[REQUEST_ID] = asked if _REQUEST_ID.fullmatch(asked) else clock.new_id()
    logs.bind_trace(request_id)
    started = time.perf_counter()
    resource = request.match_info.route.resource
    request[ROUTE] = resource.canonical if resource else "-"
    with metrics.HTTP_IN_FLIGHT.track_inprogress(), _traced(request) as span:
        response = await _answer(request, handler)
        response.headers["X-Request-ID"] = request_id
        limits.tell(request, response)
        cors.tell(request, response)
        await compression.compress(request, response)
        span.say(http__response__status_code=response.status)
        _tell(request, response.status, time.perf_counter() - started)
    return response


def _traced(request: web.Request) -> AbstractContextManager[tracing.Span]:
    method, route = _method(request), request[ROUTE]
    if route in WATCHING:
        return tracing.UNWATCHED
    return tracing.request(f"{method} {route}", http__request__method=method, http__route=route)


def _method(request: web.Request) -> str:
    return request.method if request.method in METHODS else "other"


async def _answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    unmet, began = request.match_info.http_exception, time.perf_counter()
    try:
        async with asyncio.timeout(DEADLINE_S) as request[DEADLINE]:
            if request.method == "OPTIONS" and isinstance(unmet, web.HTTPMethodNotAllowed):
                return cors.options(request, unmet.allowed_methods)
            return await handler(request)
    except web.HTTPMove as redirection:
        return web.Response(status=redirection.status, headers={"Location": str(redirection.location)})
    except Exception as error:
        if isinstance(error, ConnectionResetError) and request.transport is None:
            error = BodyTimeout()  # the client went in the middle of it
        if isinstance(error, Overloaded):
            await request.app[INSISTENT].refused(request.transport)
        if isinstance(error, NotFound) and USER_ID in request:  # whether it is hidden, or was never there
            await even_times.up_to(even_times.FINE_S, began)
        return _problem(request, _refusal(request, error))


def _tell(request: web.Request, status: int, took_s: float) -> None:
    """The one event, and the numbers, of a request's outcome."""
    method, route = _method(request), request[ROUTE]
    requests, seconds = _counted(method, route, status)
    requests.inc()
    seconds.observe(took_s)
    outcome: dict[str, Any] = {"method": method, "route": route, "status": status, "ms": round(took_s * 1000, 1)}
    if user_id := request.get(USER_ID):
        outcome["user_id"] = user_id
    if problem := request.get(PROBLEM):
        outcome["code"] = problem.code
    if route in WATCHING or isinstance(problem, Overloaded):  # the door itself says now and then how many it refuses
        log.debug("request", **outcome)
    elif problem and status >= 500:
        log.warning("request", **outcome, cause=repr(problem.__cause__))
    else:
        log.info("request", **outcome)


@cache
def _counted(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """The series of such requests, looked up once: there are few."""
    return metrics.HTTP_REQUESTS.labels(method, route, status), metrics.HTTP_SECONDS.labels(method, route)


def _refusal(raw: web.Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case web.HTTPNotFound():
            return NotFound()
        case web.HTTPMethodNotAllowed():
            return MethodNotAllowed(sorted(error.allowed_methods))
        case web.HTTPRequestEntityTooLarge():
            return TooLarge(f"A body can have {MAX_BODY} bytes")
        case TimeoutError() | StartError():  # the store refuses us: only a start ends with that
            return Unavailable()
    log.exception("request failed", route=raw[ROUTE])
    return Problem()


def _problem(raw: web.Request, problem: Problem) -> web.Response:
    raw[PROBLEM] = problem
    return web.Response(
        status=problem.status,
        body=encode(problem.body(raw[REQUEST_ID])),
        headers={"Content-Type": "application/problem+json", "Cache-Control": "no-store", **problem.headers()},
    )


def _in_path(route: Route, raw: web.Request) -> dict[str, Any]:
    try:
        return {name: check.validate_python(raw.match_info[name]) for name, check in route.in_path.items()}
    except ValidationError:
        raise NotFound from None


def _query(route: Route, raw: web.Request, wrong: list[FieldProblem]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name in islice(dict.fromkeys(raw.query), MOST_ERRORS):
        values = raw.query.getall(name)
        given[name] = values[0] if len(values) == 1 else values
    if route.query is None:
        wrong += [
            FieldProblem(pointer=f"?{name}", code="extra_forbidden", detail="no such parameter") for name in given
        ]
        return {}
    try:
        return route.query.model_validate(given).__dict__
    except ValidationError as error:
        wrong += wrong_fields(error, where="?").errors or []
        return {}


async def _json(raw: web.Request) -> Any:
    try:
        async with asyncio.timeout(BODY_S):
            body = await raw.read()
        if body.count(b"[") + body.count(b"{") > MOST_NESTED:
            raise MalformedJson("It has more lists and objects than any question")
        return decode(body)
    except TimeoutError:
        raise BodyTimeout from None
    except (ValueError, web.RequestPayloadError):  # not JSON, or chunks that are none
        raise MalformedJson from None


def _idempotency_key(raw: web.Request, access: Access, wrong: list[FieldProblem]) -> IdempotencyKey | None:
    key = raw.headers.get("Idempotency-Key")
    if key is None:
        return None
    try:
        return IdempotencyKey(access.user_id, IDEMPOTENCY_KEY.validate_python(key))
    except ValidationError as error:
        wrong += [
            FieldProblem(pointer="Idempotency-Key", code=each["type"], detail=each["msg"]) for each in error.errors()
        ]
        return None


def _respond(route: Route, raw: web.Request, answer: Any) -> web.Response:
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, web.Response):
        return answer
    body = encode(answer)
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if route.method == "GET" or route.if_match:
        tag = conditional.entity_tag(body, answer)
        headers |= {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Encoding, Origin"}
        if route.method == "GET" and conditional.not_modified(raw, tag):
            del headers["Content-Type"]
            return web.Response(status=304, headers=headers)
    if route.location is not None:
        headers["Location"] = prefix(raw) + route.location(answer)
    if isinstance(answer, Page):
        links = [
            f'<{prefix(raw)}{raw.rel_url.raw_path}?{urlencode({**raw.query, "cursor": cursor})}>; rel="{rel}"'
            for rel, cursor in (("next", answer.next), ("prev", answer.prev))
            if cursor
        ]
        if links:
            headers["Link"] = ", ".join(links)
    return web.Response(status=route.status, body=body, headers=headers)
