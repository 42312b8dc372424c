"""The portable engine, on aiohttp: it runs wherever Python does, at the price of one handler task per websocket."""

import asyncio
import logging
from collections.abc import Iterable
from itertools import count

from aiohttp import WebSocketError, WSMessage, WSMsgType, web

from realtime.engine.flushing import FlushRule
from realtime.engine.http_wire import LINGER_S, Batch, PatientWebSocket, PortableWire, Subscribers, frame, linger
from realtime.engine.protocol import Engine
from realtime.engine.session import Exchange, Handler, Options, Refused, Request, first_offer, is_handshake, parse_query

log = logging.getLogger(__name__)

TURN_EVERY = 64  # messages of one websocket: those that are there already come without a turn of the loop


class PortableExchange(Exchange):
    """An aiohttp request; its handler waits for the answer."""

    __slots__ = ("_engine", "answer")

    def __init__(self, engine: "PortableEngine", request: Request) -> None:
        super().__init__(request)
        self._engine = engine
        self.answer: asyncio.Future[web.Response] = asyncio.get_running_loop().create_future()

    def write(self, status: int, body: bytes, content_type: str) -> None:
        if not self.answer.done():
            self.answer.set_result(self._engine.response(self.request, status, body, content_type))


class PortableEngine(Engine):
    """Engine.IO on aiohttp: `start` serves it on its own port, `mount` leaves the port to another application."""

    name = "portable"

    def __init__(self, options: Options | None = None, handler: Handler | None = None) -> None:
        super().__init__(options, handler)
        self._subscribers: Subscribers = {}
        self._waiting: list[PortableWire] = []  # websockets with published messages to write
        self._flushing = False  # data written in this turn is on its way to the kernel
        self._rule = FlushRule()
        self._runner: web.AppRunner | None = None
        self._sites: list[web.BaseSite] = []

    def mount(self) -> None:
        """Begin without a port: an application passes the requests of the engine's path to `handle`.

        The application must cancel a handler whose client has left, as `_listen` does.
        """
        self._start_clock()

    async def _listen(self, host: str, port: int) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        # Without cancellation the handler would not notice that the client of a held poll has left.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0.1,
            auto_decompress=False,
            keepalive_timeout=self.options.request_timeout_s,
            lingering_time=LINGER_S,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=512)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._sites = [site]
        return int(self._runner.addresses[0][1])

    def _stop_listening(self) -> None:
        for site in self._sites:
            server = getattr(site, "_server", None)
            if server is not None:
                server.close()
        self._sites = []

    async def _shut_down(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _publish(self, topic: bytes, payload: bytes, binary: bool) -> None:
        members = self._subscribers.get(topic)
        if not members:
            return
        message = frame(payload, binary)
        if self._waiting or self._flushing or self._rule.costly:
            self._gather(members, message)
            return
        self._begin_flush()
        for wire in list(members):
            wire.write(message)

    def _gather(self, members: Iterable[PortableWire], message: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._turn)
        # Grouped by the batch that waits already: a list for each socket would keep the garbage collector busy.
        longer: dict[Batch | None, Batch] = {}
        for wire in members:
            before = wire.waiting
            if before is None:
                self._waiting.append(wire)
            if (batch := longer.get(before)) is None:
                batch = longer[before] = Batch(before, message)
            wire.waiting = batch
        self._rule.published(len(message))

    def _turn(self) -> None:
        """Write the gathered messages, or wait for the next turn."""
        if self._rule.waits():
            self._loop.call_soon(self._turn)
            return
        self._begin_flush()
        waiting, self._waiting = self._waiting, []
        for wire in waiting:
            wire.flush()

    def _begin_flush(self) -> None:
        self._flushing = True
        self._rule.begin()
        self._loop.call_soon(self._end_flush)  # uvloop gives all to the kernel at the end of this turn

    def _end_flush(self) -> None:
        self._flushing = False
        self._rule.end()

    def response(self, request: Request, status: int, body: bytes, content_type: str) -> web.Response:
        """Return the answer to a request as an aiohttp response."""
        headers = {"Content-Type": content_type, "Cache-Control": "no-store", **dict(self.cors(request))}
        if status == 204:
            del headers["Content-Type"]
        answer = web.Response(status=status, body=body or None, headers=headers)
        if status == 503:  # its connection would keep a descriptor, of which there may be few
            answer.force_close()
        return answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Handle an aiohttp request of any path."""
        parsed = _read_request(request, self.options.client_ip_header)
        if self.owns(parsed.path) and request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, parsed)
        exchange = PortableExchange(self, parsed)
        try:
            if self.serve(exchange):
                await self._read_body(request, exchange)
            return await exchange.answer
        except (asyncio.CancelledError, ConnectionError):
            self.aborted(exchange)
            raise

    async def _read_body(self, request: web.Request, exchange: PortableExchange) -> None:
        body = bytearray()
        try:
            async with asyncio.timeout(self.options.request_timeout_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > self.options.max_payload_bytes:
                        self.too_large(exchange)
                        return
        except TimeoutError as error:
            raise ConnectionResetError("the body of a request did not arrive") from error
        self.body(exchange, bytes(body))

    async def _websocket(self, request: web.Request, parsed: Request) -> web.StreamResponse:
        try:
            upgrading = self.may_upgrade(parsed)
        except Refused as refusal:
            return self.response(parsed, refusal.status, refusal.body(), "application/json")
        ws = PatientWebSocket(
            compress=False,
            max_msg_size=self.options.max_payload_bytes + 1,  # which it refuses already
            autoclose=False,
            autoping=False,
            protocols=[first_offer(request.headers.get("Sec-WebSocket-Protocol"))],
        )
        await ws.prepare(request)
        if request.transport is None:
            return ws
        wire = PortableWire(self, request.transport, self._subscribers)
        self.wire_opened(wire, upgrading, parsed.environ())
        broken: str | None = None
        try:
            broken = await self._listen_to(ws, wire)
        finally:
            transport = wire.detach()
            if transport is not None:  # else the engine ended it
                self.wire_closed(wire, wire.slow, broken)
                try:
                    if broken is not None:
                        await linger(transport)
                finally:
                    transport.abort() if transport.get_write_buffer_size() else transport.close()
        return ws

    async def _listen_to(self, ws: web.WebSocketResponse, wire: PortableWire) -> str | None:
        """Hand on the messages of a websocket until it ends; return how the client broke the protocol, if it did."""
        for number in count(1):
            message = await ws.receive()
            if number % TURN_EVERY == 0:
                await asyncio.sleep(0)
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self.wire_received(wire, message.data)
            elif message.type in (WSMsgType.PING, WSMsgType.PONG):
                self._control_frame(wire, message)
            else:
                if message.type is WSMsgType.CLOSE:
                    return wire.answer_close(message.data, message.extra or "")
                return str(message.data) if isinstance(message.data, WebSocketError) else None
        return None

    def _control_frame(self, wire: PortableWire, message: WSMessage) -> None:
        """Count a ping or pong of the websocket like any packet, and answer a ping."""
        session = wire.session
        if (
            session is not None
            and self._within_allowance(session, len(message.data))
            and message.type is WSMsgType.PING
        ):
            wire.answer_ping(message.data)


def _read_request(request: web.Request, client_ip_header: str) -> Request:
    headers = request.headers
    return Request(
        method=request.method,
        path=request.path,
        query=parse_query(request.query_string),
        remote=request.remote or "",
        origin=headers.get("Origin"),
        host=headers.get("Host"),
        forwarded_host=headers.get("X-Forwarded-Host"),
        forwarded_proto=headers.get("X-Forwarded-Proto"),
        user_agent=headers.get("User-Agent"),
        forwarded_for=headers.get(client_ip_header),
        content_type=headers.get("Content-Type", ""),
        content_length=request.content_length or 0,
        content_encoding=",".join(headers.getall("Content-Encoding", ())),
        headers_wanted=headers.get("Access-Control-Request-Headers"),
        closes=not request.keep_alive,
        is_handshake=is_handshake(
            headers.get("Upgrade"),
            headers.get("Connection"),
            headers.get("Sec-WebSocket-Version"),
            headers.get("Sec-WebSocket-Key"),
        ),
    )
