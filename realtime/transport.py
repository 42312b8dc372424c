"""What the gateway's sockets arrive on: a Socket.IO server on its engine, with the health paths on the same port."""

import os
from collections.abc import Awaitable, Callable

from realtime.engine import Options, Page, Request, choose
from realtime.settings import GatewaySettings
from realtime.socketio.server import Authorize, Departure, Server
from social.infra.observe import metrics
from social.infra.process.health import Health
from social.infra.process.proxies import Proxies
from social.infra.process.settings import StartError
from social.infra.redis.limits import origin
from social.infra.security.allowed_origins import AllowedOrigins, Asked

Departed = Callable[[Departure], None]


# Of one connection, on top of what its events may be: pongs, connects, acks, and refused events, which are answered.
PACKETS_PER_S, PACKETS_BURST = 100, 1_000


class _Server(Server):
    def __init__(self, settings: GatewaySettings, authorize: Authorize, departed: Departed) -> None:
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
            max_buffered_bytes=settings.max_buffered_bytes,
            node=settings.node_name,
            allow=_allow(AllowedOrigins(settings.origins, proxies)),
        )
        super().__init__(choose(settings.realtime_engine)(options), authorize=authorize)
        self._departed = departed

    async def departed(self, departure: Departure) -> None:
        self._departed(departure)


def _origin(proxies: Proxies) -> Callable[[str, str | None], str]:
    def of(remote: str, forwarded_for: str | None) -> str:
        return origin(proxies.client_ip(remote, [forwarded_for] if forwarded_for else ()))

    return of


def _allow(origins: AllowedOrigins) -> Callable[[Request], bool]:
    def may(request: Request) -> bool:
        return origins.allow(
            Asked(
                origin=request.origin,
                peer=request.remote,
                host=request.host,
                forwarded_host=request.forwarded_host,
                forwarded_proto=request.forwarded_proto,
            )
        )

    return may


class Transport:
    """The server, and the port it is reached at."""

    def __init__(
        self, settings: GatewaySettings, health: Health, *, authorize: Authorize, departed: Departed
    ) -> None:  # fmt: skip
        self._settings = settings
        self._health = health
        self._slow_counted = 0
        self.server: Server = _Server(settings, authorize, departed)
        self._engine = self.server.engine
        self._engine.page = self._page

    def received(self, handler: Callable[..., Awaitable[object]]) -> None:
        """Have every event of every client handled by `handler(event, sid, *arguments)`."""
        self.server.on("*", handler)

    async def start(self) -> int:
        """Listen; the port. Raises StartError when it is taken."""
        host, port = self._settings.realtime_host, self._settings.realtime_port
        try:
            return await self._engine.start(host, port)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else "the address is in use or not ours"
            raise StartError(f"cannot listen on {host}:{port}: {why}") from None

    def cut_connection(self, eio_sid: str) -> None:
        """Drop a connection that is not in yet: its client comes back by itself."""
        self._engine.cut(eio_sid)

    def close_connection(self, eio_sid: str) -> None:
        """End a connection in order: what was written arrives first."""
        self._engine.close(eio_sid)

    def refuse_newcomers(self) -> None:
        """Answer handshakes with 503, which sends a load balancer to the next gateway; who is in goes on."""
        self._engine.draining = True

    async def stop(self) -> None:
        """Close everything that is left."""
        for eio_sid in list(self._engine.sessions):
            self._engine.cut(eio_sid)
        await self._engine.stop()

    async def _page(self, path: str) -> Page:
        if path == "/metrics":
            metrics.BACKPRESSURE_BYTES.set(self._engine.backpressure_bytes())
            metrics.SLOW_READERS.inc(self._engine.slow_closed - self._slow_counted)
            self._slow_counted = self._engine.slow_closed
        return await self._health.answer(path)
