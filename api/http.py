"""The middleware around every request: its id, its deadline, problems for what is refused, log and metrics."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from aiohttp import web
from prometheus_client import Counter, Histogram

from api import compression, cors, limits
from api.decoding import MAX_BODY
from api.request import DEADLINE, PROBLEM, REFUSAL_THROTTLE, REQUEST_ID, ROUTE, USER_ID
from social.contracts.codec import encode
from social.contracts.problems import BodyTimeout, MethodNotAllowed, NotFound, Problem, TooLarge, Unavailable
from social.infra import clock
from social.infra.observe import logs, metrics, tracing
from social.infra.process import even_times
from social.infra.process.admission import Overloaded
from social.infra.settings import StartError

log = logs.get("http")

DEADLINE_S = 10.0

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
PROBES = frozenset(("/livez", "/readyz", "/metrics"))  # machines request these every few seconds

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give the request an id and a deadline, turn what is raised into a problem, and log and count the outcome."""
    asked = request.headers.get("X-Request-ID", "")
    request_id = request[REQUEST_ID] = asked if _REQUEST_ID.fullmatch(asked) else clock.new_id()
    logs.bind_trace(request_id)
    started = time.perf_counter()
    resource = request.match_info.route.resource
    request[ROUTE] = resource.canonical if resource else "-"
    with metrics.HTTP_IN_FLIGHT.track_inprogress(), _traced(request) as span:
        response = await _answer(request, handler)
        response.headers["X-Request-ID"] = request_id
        limits.add_headers(request, response)
        cors.add_headers(request, response)
        await compression.compress(request, response)
        span.annotate(http__response__status_code=response.status)
        _report(request, response.status, time.perf_counter() - started)
    return response


def _traced(request: web.Request) -> AbstractContextManager[tracing.Span]:
    method, route = _method(request), request[ROUTE]
    if route in PROBES:
        return tracing.NO_SPAN
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
            error = BodyTimeout()  # the client left in the middle of its body
        if isinstance(error, Overloaded):
            await request.app[REFUSAL_THROTTLE].delay(request.transport)
        if isinstance(error, NotFound) and USER_ID in request:  # hidden and missing things take equally long
            await even_times.up_to(even_times.FINE_S, began)
        return _problem(request, _refusal(request, error))


def _report(request: web.Request, status: int, took_s: float) -> None:
    """Count the request's outcome, and log it in one line."""
    method, route = _method(request), request[ROUTE]
    requests, seconds = _counted(method, route, status)
    requests.inc()
    seconds.observe(took_s)
    outcome: dict[str, Any] = {"method": method, "route": route, "status": status, "ms": round(took_s * 1000, 1)}
    if user_id := request.get(USER_ID):
        outcome["user_id"] = user_id
    if problem := request.get(PROBLEM):
        outcome["code"] = problem.code
    if route in PROBES or isinstance(problem, Overloaded):  # admission itself logs now and then how many it refuses
        log.debug("request", **outcome)
    elif problem and status >= 500:
        log.warning("request", **outcome, cause=repr(problem.__cause__))
    else:
        log.info("request", **outcome)


@cache
def _counted(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Return the two series of such requests; there are few, so each is looked up once."""
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
        case TimeoutError() | StartError():  # StartError: the store refuses this process, which ends only a start
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
