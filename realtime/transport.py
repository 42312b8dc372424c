"""The gateway's port: a Socket.IO server on its engine, with the health paths beside it."""

import os
from collections.abc import Awaitable, Callable

from realtime.engine import Options, Page, Request, choose
from realtime.engine.http import PortableEngine
from realtime.settings import GatewaySettings
from realtime.socketio.admission import Authorize, Departure
from realtime.socketio.server import Server
from social.infra.observe import metrics
from social.infra.process.health import Health
from social.infra.redis.limits import origin
from social.infra.security.allowed_origins import AllowedOrigins, RequestOrigin
from social.infra.security.proxies import Proxies
from social.infra.settings import StartError

Departed = Callable[[Departure], None]

# Of one connection, on top of what its events may be: pongs, connects, acks, and refused events, which are answered.
PACKETS_PER_S, PACKETS_BURST = 100, 1_000


class _Server(Server):
    def __init__(self, settings: GatewaySettings) -> None:
        proxies = Proxies(settings.trusted_proxies)
        options = Options(
            ping_interval_s=settings.ping_interval_s,
            ping_timeout_s=settings.ping_timeout_s,
            max_payload_bytes=settings.max_message_bytes,
            packets_per_s=PACKETS_PER_S + 4 * settings.events_per_s,
            packets_burst=PACKETS_BURST + 4 * settings.events_burst,
            max_unsettled=settings.pending_sockets,
            max_unsettled_of_one=settings.pending_per_address,
            origin=_origin(proxies),
            client_ip_header=settings.client_ip_header,
            max_buffered_bytes=settings.max_buffered_bytes,
            node=settings.node_name,
            allow=_allow(AllowedOrigins(settings.origins, proxies)),
        )
        super().__init__(choose(settings.realtime_engine)(options))
        self.departed_handler: Departed | None = None

    async def departed(self, departure: Departure) -> None:
        if self.departed_handler is not None:
            self.departed_handler(departure)


def _origin(proxies: Proxies) -> Callable[[str, str | None], str]:
    def of(remote: str, forwarded_for: str | None) -> str:
        return origin(proxies.client_ip(remote, [forwarded_for] if forwarded_for else ()))

    return of


def _allow(origins: AllowedOrigins) -> Callable[[Request], bool]:
    def may(request: Request) -> bool:
        return origins.allow(
            RequestOrigin(
                origin=request.origin,
                peer=request.remote,
                host=request.host,
                forwarded_host=request.forwarded_host,
                forwarded_proto=request.forwarded_proto,
            )
        )

    return may


class Transport:
    """The Socket.IO server, and the port it is reached at."""

    def __init__(self, settings: GatewaySettings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._slow_counted = 0
        self._server = _Server(settings)
        self.server: Server = self._server
        self._engine = self.server.engine
        self._engine.page = self._page
        self._mounted: PortableEngine | None = None

    def handle(
        self,
        *,
        authorize: Authorize,
        departed: Departed,
        received: Callable[..., Awaitable[object]],
        places: Callable[[], int],
    ) -> None:
        """Set the handlers of CONNECTs, of ended sockets, and of each event: `received(event, sid, *arguments)`.

        At most `places()` connections are opened within a moment; all other handshakes are answered 503.
        """
        self._engine.openings.places = places
        self._server.authorizer = authorize
        self._server.departed_handler = departed
        self._server.on("*", received)

    def mount(self) -> PortableEngine:
        """Leave listening to the caller, who passes requests to the engine that is returned; before `start`."""
        assert isinstance(self._engine, PortableEngine), "the native engine has its own port"
        self._mounted = self._engine
        return self._mounted

    async def start(self) -> int:
        """Listen, and return the port, which is 0 for a mounted engine; raises StartError when it is taken."""
        if self._mounted is not None:
            self._mounted.mount()
            return 0
        host, port = self._settings.realtime_host, self._settings.realtime_port
        try:
            return await self._engine.start(host, port)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else "the address is in use or not ours"
            raise StartError(f"cannot listen on {host}:{port}: {why}") from None

    def abort_connection(self, eio_sid: str) -> None:
        """Drop a connection that has not connected as a socket: its client reconnects by itself."""
        self._engine.abort(eio_sid)

    def close_connection(self, eio_sid: str) -> None:
        """Close a connection in order: what was written arrives first."""
        self._engine.close(eio_sid)

    def refuse_newcomers(self) -> None:
        """Answer handshakes with 503, which sends a load balancer to the next gateway; open sockets stay."""
        self._engine.draining = True

    async def stop(self) -> None:
        """Close everything that is left."""
        for eio_sid in list(self._engine.sessions):
            self._engine.abort(eio_sid)
        await self._engine.stop()

    async def _page(self, path: str) -> Page:
        if path == "/metrics":
            metrics.BACKPRESSURE_BYTES.set(self._engine.backpressure_bytes())
            metrics.SOCKETS_CLOSED_SLOW.inc(self._engine.slow_closed - self._slow_counted)
            self._slow_counted = self._engine.slow_closed
        return await self._health.answer(path)
