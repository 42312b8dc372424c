"""REST, documentation and Socket.IO on one port: the portable engine takes its requests before the API sees them."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from api.proxies import PROXIES
from realtime.engine.http import PortableEngine

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Where nothing of ours is in front: the headers that nginx/security.conf adds.
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
ONLY_TLS = "max-age=31536000"


def mount(engine: PortableEngine, app: web.Application) -> None:
    """Let the engine answer the requests of its path on the port of this application."""

    @web.middleware
    async def sockets_first(request: web.Request, handler: Handler) -> web.StreamResponse:
        if engine.owns(request.path):
            return await engine.handle(request)
        # The server cancels handlers whose client has left, for the polls that are held; a write goes on to its end.
        return await asyncio.shield(asyncio.ensure_future(handler(request)))

    app.middlewares.insert(0, sockets_first)
    app.on_response_prepare.append(_add_headers)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers for browsers, and hide versions; HSTS only where a trusted proxy speaks TLS with the client."""
    response.headers["Server"] = "Plaza"
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    if request.headers.get("X-Forwarded-Proto") == "https" and request.app[PROXIES].trusts(request.remote or ""):
        response.headers["Strict-Transport-Security"] = ONLY_TLS
