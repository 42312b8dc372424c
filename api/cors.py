"""Which web pages may read answers (CORS), and what a path takes (OPTIONS)."""

from collections.abc import Iterable

from aiohttp import web

from api.compression import vary

ORIGINS = web.AppKey("origins", frozenset[str])
ASKED = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
TOLD = "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-ID"
MAX_AGE_S = 7_200  # the longest that Chrome remembers a preflight


def tell(raw: web.Request, response: web.StreamResponse) -> None:
    """Let a listed page read this answer. Never with credentials: whoever asks brings a token, not a cookie."""
    listed, origin = raw.app[ORIGINS], raw.headers.get("Origin")
    if "*" in listed:
        response.headers["Access-Control-Allow-Origin"] = "*"
    else:
        vary(response, "Origin")
        if origin is None or origin.lower() not in listed:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = TOLD


def options(raw: web.Request, methods: Iterable[str]) -> web.Response:
    """What a path takes; to a page's preflight also what it may send."""
    allowed = ", ".join(sorted({*methods, "OPTIONS"}))
    response = web.Response(status=204, headers={"Allow": allowed})
    if "Origin" in raw.headers and "Access-Control-Request-Method" in raw.headers:
        response.headers["Access-Control-Allow-Methods"] = allowed
        response.headers["Access-Control-Allow-Headers"] = ASKED
        response.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
    return response
