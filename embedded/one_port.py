"""REST, documentation and Socket.IO on one port: the portable engine takes its requests before the API sees them."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from realtime.engine.http import PortableEngine

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def mount(engine: PortableEngine, app: web.Application) -> None:
    """Let the engine answer the requests of its path on the port of this application."""

    @web.middleware
    async def sockets_first(request: web.Request, handler: Handler) -> web.StreamResponse:
        if engine.owns(request.path):
            return await engine.handle(request)
        # The server cancels handlers whose client has left, for the polls that are held; a write goes on to its end.
        return await asyncio.shield(asyncio.ensure_future(handler(request)))

    app.middlewares.insert(0, sockets_first)
