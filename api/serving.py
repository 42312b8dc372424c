"""A declared route as an aiohttp handler: admission, authentication, validation, and the answer's headers."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from api import conditional, limits
from api.decoding import arguments
from api.proxies import client_ip, prefix
from api.request import ADMISSION, AUTHENTICATOR, PLAZA, REFUSAL_THROTTLE, ROUTE, USER_ID, Request
from api.routing import OUTSIDE, Route
from social.contracts.base import Page
from social.contracts.codec import encode
from social.contracts.problems import NotAuthenticated, Problem
from social.infra.observe import logs
from social.infra.redis.limits import origin
from social.infra.security.token_problems import find_problem
from social.infra.security.tokens import Access

log = logs.get("http")

PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Encoding, Origin"}
# For so long a shared cache may show what was deleted or made private meanwhile. A token changes nothing of it.
PUBLIC = {"Cache-Control": "public, max-age=30", "Vary": "Accept-Encoding, Origin"}


def serve(route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return the aiohttp handler of a route."""

    priority, outside = route.priority, route.service in OUTSIDE

    async def handle(raw: web.Request) -> web.Response:
        admission = raw.app[ADMISSION]
        admission.check(priority)
        raw.app[REFUSAL_THROTTLE].reset(raw.transport)
        access = await _admit(route, raw)
        if access:
            raw[USER_ID] = access.user_id
        given, idempotency_key = await arguments(route, raw, access)
        who = access.user_id if access else origin(client_ip(raw)) if route.public else ""
        with nullcontext() if outside else admission.work(priority, who):
            answer = await route.handler(Request(raw, access, idempotency_key), **given)
        return _respond(route, raw, answer)

    return handle


async def _admit(route: Route, raw: web.Request) -> Access | None:
    """Authenticate the request and count it; a request with an unreadable token counts against its address."""
    try:
        signed = route.signed and "signature" in raw.query
        access = authenticate(raw) if route.auth and not signed else None
    except Exception as error:
        await limits.admit(raw, route, None)
        if isinstance(error, Problem):
            raise
        log.error("a token cannot be verified", route=raw[ROUTE], exc_info=error)
        raise NotAuthenticated from error
    await limits.admit(raw, route, access.user_id if access else None)
    return access


def authenticate(raw: web.Request) -> Access:
    """Return the person and session of the Bearer token; raises NotAuthenticated, TokenExpired, SessionRevoked."""
    scheme, _, token = raw.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("Send a token as `Authorization: Bearer <access token>`")
    if (wrong := find_problem(token.strip())) is not None:
        raise NotAuthenticated(wrong.detail)
    access = raw.app[AUTHENTICATOR].verifier.verify(token.strip())
    raw.app[PLAZA].revocations.check(access)
    return access


def _respond(route: Route, raw: web.Request, answer: Any) -> web.Response:
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, web.Response):
        return answer
    body = encode(answer)
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if route.method == "GET" or route.if_match:
        tag = conditional.entity_tag(body, answer)
        headers |= {"ETag": tag, **(PUBLIC if route.public else PRIVATE)}
        if route.method == "GET" and conditional.not_modified(raw, tag):
            del headers["Content-Type"]
            return web.Response(status=304, headers=headers)
    if route.location is not None:
        headers["Location"] = prefix(raw) + route.location(answer)
    if isinstance(answer, Page) and (links := _links(raw, answer)):
        headers["Link"] = ", ".join(links)
    return web.Response(status=route.status, body=body, headers=headers)


def _links(raw: web.Request, page: Page[Any]) -> list[str]:
    return [
        f'<{prefix(raw)}{raw.rel_url.raw_path}?{urlencode({**raw.query, "cursor": cursor})}>; rel="{rel}"'
        for rel, cursor in (("next", page.next), ("prev", page.prev))
        if cursor
    ]
