"""The web pages that may read answers (CORS), and the methods of a path (OPTIONS)."""

from collections.abc import Iterable

from aiohttp import web

from api.compression import vary
from social.infra.security.allowed_origins import AllowedOrigins, RequestOrigin

ORIGINS = web.AppKey("origins", AllowedOrigins)
# Beside the headers that every page may send and read anyway.
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Range, X-Request-ID"
EXPOSED_HEADERS = (
    "Accept-Ranges, Content-Range, ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, "
    "X-Request-ID"
)
MAX_AGE_S = 7_200  # the longest that Chrome remembers a preflight


def add_headers(raw: web.Request, response: web.StreamResponse) -> None:
    """Let a listed page read this answer; never with credentials, because clients send a token, not a cookie."""
    origins, origin = raw.app[ORIGINS], raw.headers.get("Origin")
    if origins.any:
        response.headers["Access-Control-Allow-Origin"] = "*"
    else:
        vary(response, "Origin")
        if not origin or not origins.allow(_asked(raw, origin)):
            return
        response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS


def _asked(raw: web.Request, origin: str) -> RequestOrigin:
    headers = raw.headers
    return RequestOrigin(
        origin=origin,
        peer=raw.remote or "",
        host=headers.get("Host"),
        forwarded_host=headers.get("X-Forwarded-Host"),
        forwarded_proto=headers.get("X-Forwarded-Proto"),
    )


def options(raw: web.Request, methods: Iterable[str]) -> web.Response:
    """Return the methods of a path; a page's preflight also gets the headers that it may send."""
    allowed = ", ".join(sorted({*methods, "OPTIONS"}))
    response = web.Response(status=204, headers={"Allow": allowed})
    if "Origin" in raw.headers and "Access-Control-Request-Method" in raw.headers:
        response.headers["Access-Control-Allow-Methods"] = allowed
        response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        response.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
    return response
