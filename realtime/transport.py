"""What the gateway's sockets arrive on: a Socket.IO server on its engine, with the health paths on the same port."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from realtime.server import Authorize, Departure, Server
from realtime.settings import GatewaySettings
from social.infra.health import Health
from social.infra.process import listen

Departed = Callable[[Departure], None]


class _Server(Server):
    def __init__(self, settings: GatewaySettings, authorize: Authorize, departed: Departed) -> None:
        super().__init__(
            authorize=authorize,
            cors_allowed_origins=settings.origins,
            max_http_buffer_size=settings.max_message_bytes,
            ping_interval=settings.ping_interval_s,
            ping_timeout=settings.ping_timeout_s,
        )
        self._departed = departed

    async def departed(self, departure: Departure) -> None:
        self._departed(departure)


class Transport:
    """The server, and the port it is reached at."""

    def __init__(
        self, settings: GatewaySettings, health: Health, *, authorize: Authorize, departed: Departed
    ) -> None:  # fmt: skip
        self._settings = settings
        self._health = health
        self._runner: web.AppRunner | None = None
        self.server: Server = _Server(settings, authorize, departed)

    def received(self, handler: Callable[..., Awaitable[object]]) -> None:
        """Have every event of every client handled by `handler(event, sid, *arguments)`."""
        self.server.on("*", handler)

    async def start(self) -> int:
        """Listen; the port. Raises StartError when it is taken."""
        app = web.Application()
        app.add_routes(self._health.routes())
        self.server.attach(app)
        settings = self._settings
        self._runner = await listen(app, settings.realtime_host, settings.realtime_port, shutdown_timeout=0.5)
        return int(self._runner.addresses[0][1])

    def cut_connection(self, eio_sid: str) -> None:
        """Drop a connection that is not in yet: its client comes back by itself."""
        self.server.cut_connection(eio_sid)

    def measure(self) -> None:
        """Bring the metrics of slow readers up to date."""

    async def stop(self) -> None:
        """Close everything that is left."""
        for eio_sid in list(self.server.eio.sockets):
            self.server.cut_connection(eio_sid)
        await self.server.shutdown()
        if self._runner is not None:
            await self._runner.cleanup()
