"""The engine on aiohttp: everywhere Python runs, at the price of one handler task per websocket."""

import asyncio
import logging

from aiohttp import WSMsgType, web

from realtime.engine.flushing import FlushRule
from realtime.engine.protocol import Engine
from realtime.engine.session import Exchange, Handler, Options, Refused, Request, Wire, parse_query

log = logging.getLogger(__name__)

_CLOSE_FRAME = b"\x88\x02\x03\xe8"  # 1000


def frame(payload: bytes, binary: bool) -> bytes:
    """A whole unmasked websocket message."""
    first = b"\x82" if binary else b"\x81"
    size = len(payload)
    if size < 126:
        return first + bytes((size,)) + payload
    if size < 65_536:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload


class PortableWire(Wire):
    """One aiohttp websocket; it is written to directly, so that a send is synchronous and a publish encodes once."""

    __slots__ = ("_engine", "_transport", "slow", "topics", "waiting")

    def __init__(self, engine: "PortableEngine", transport: asyncio.WriteTransport) -> None:
        super().__init__()
        self._engine = engine
        self._transport: asyncio.WriteTransport | None = transport
        self.topics: set[bytes] = set()
        self.waiting: list[bytes] | None = None  # framed messages that were published and are not written yet
        self.slow = False

    def send(self, frame_: bytes, binary: bool) -> bool:
        message = frame(frame_, binary)
        if self.waiting is None:
            return self._write(message)
        self.waiting.append(message)  # behind what was published before
        return self.flush()

    def flush(self) -> bool:
        """Write what was published; False when the client is too slow for it, or gone."""
        waiting, self.waiting = self.waiting, None
        if waiting is None:
            return True
        if len(waiting) == 1:
            return self._write(waiting[0])
        together = b"".join(waiting)
        if self.buffered() + len(together) <= self._engine.options.max_buffered_bytes:
            return self._write(together)
        return all(self._write(message) for message in waiting)  # each within the limit

    def _write(self, message: bytes) -> bool:
        """Write framed messages, unless the client is too slow for them."""
        transport = self._transport
        if transport is None or transport.is_closing() or self.slow:
            return False
        if transport.get_write_buffer_size() > self._engine.options.max_buffered_bytes:
            self.slow = True
            transport.abort()  # its handler task tells the core
            return False
        transport.write(message)
        return True

    def subscribe(self, topic: bytes) -> None:
        self.topics.add(topic)
        self._engine.topics.setdefault(topic, {})[self] = None

    def unsubscribe(self, topic: bytes) -> None:
        self.topics.discard(topic)
        members = self._engine.topics.get(topic)
        if members is not None:
            members.pop(self, None)
            if not members:
                del self._engine.topics[topic]

    def close(self) -> None:
        self.flush()
        transport = self.let_go()
        if transport is not None:
            transport.write(_CLOSE_FRAME)
            transport.close()
            if transport.get_write_buffer_size():  # who does not read would keep it for ever
                self._engine.after(self._engine.options.linger_s, _abort, transport)

    def answer_close(self) -> None:
        """Return the close frame of a client that ends the websocket."""
        self.flush()
        self._write(_CLOSE_FRAME)

    def cut(self) -> None:
        transport = self.let_go()
        if transport is not None:
            transport.abort()

    def buffered(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def let_go(self) -> asyncio.WriteTransport | None:
        """Leave every topic and the connection."""
        for topic in list(self.topics):
            self.unsubscribe(topic)
        transport, self._transport = self._transport, None
        self.waiting = None
        return transport


class PortableExchange(Exchange):
    """One aiohttp request; its handler waits for the answer."""

    __slots__ = ("_engine", "answer")

    def __init__(self, engine: "PortableEngine", request: Request) -> None:
        super().__init__(request)
        self._engine = engine
        self.answer: asyncio.Future[web.Response] = asyncio.get_running_loop().create_future()

    def write(self, status: int, body: bytes, content_type: str) -> None:
        headers = {"Content-Type": content_type, "Cache-Control": "no-store", **dict(self._engine.cors(self.request))}
        if status == 204:
            del headers["Content-Type"]
        if not self.answer.done():
            self.answer.set_result(web.Response(status=status, body=body or None, headers=headers))


class PortableEngine(Engine):
    """Engine.IO on aiohttp: `start` serves it on its own port, `handle` can be mounted on any route."""

    name = "portable"

    def __init__(self, options: Options | None = None, handler: Handler | None = None) -> None:
        super().__init__(options, handler)
        self.topics: dict[bytes, dict[PortableWire, None]] = {}
        self._waiting: list[PortableWire] = []  # those with published messages to write
        self._rule = FlushRule()
        self._runner: web.AppRunner | None = None
        self._sites: list[web.BaseSite] = []

    async def _listen(self, host: str, port: int) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        # Without cancellation nobody would notice that the client of a held poll has gone.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
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
        members = self.topics.get(topic)
        if not members:
            return
        if not self._waiting:
            self._loop.call_soon(self._turn)
        message = frame(payload, binary)
        for wire in members:
            if wire.waiting is None:
                wire.waiting = [message]
                self._waiting.append(wire)
            else:
                wire.waiting.append(message)
        self._rule.published(len(message))

    def _turn(self) -> None:
        """Write what was published, or look again in the next turn."""
        if self._rule.waits():
            self._loop.call_soon(self._turn)
            return
        self._rule.begin()
        waiting, self._waiting = self._waiting, []
        for wire in waiting:
            wire.flush()
        self._loop.call_soon(self._rule.end)  # uvloop gives it to the kernel at the end of this turn

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler of every path."""
        asked = _read_request(request)
        if self.owns(asked.path) and request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, asked)
        exchange = PortableExchange(self, asked)
        try:
            if self.serve(exchange):
                await self._read_body(request, exchange)
            return await exchange.answer
        except (asyncio.CancelledError, ConnectionError):
            self.aborted(exchange)
            raise

    async def _read_body(self, request: web.Request, exchange: PortableExchange) -> None:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > self.options.max_payload_bytes:
                self.too_large(exchange)
                return
        self.body(exchange, bytes(body))

    async def _websocket(self, request: web.Request, asked: Request) -> web.StreamResponse:
        try:
            upgrading = self.may_upgrade(asked)
        except Refused as refusal:
            headers = dict(self.cors(asked))
            return web.Response(
                status=refusal.status, body=refusal.body(), headers=headers, content_type="application/json"
            )
        ws = web.WebSocketResponse(compress=False, max_msg_size=self.options.max_payload_bytes, autoclose=False)
        await ws.prepare(request)
        if request.transport is None:
            return ws
        wire = PortableWire(self, request.transport)
        self.wire_opened(wire, upgrading, asked.environ())
        try:
            await self._listen_to(ws, wire)
        finally:
            gone = wire.let_go()
            if gone is not None:  # else it was we who ended it
                self.wire_closed(wire, wire.slow)
                if gone.get_write_buffer_size():
                    gone.abort()
                else:
                    gone.close()
        return ws

    async def _listen_to(self, ws: web.WebSocketResponse, wire: PortableWire) -> None:
        while True:
            message = await ws.receive()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self.wire_received(wire, message.data)
            else:
                if message.type is WSMsgType.CLOSE:
                    wire.answer_close()
                return


def _abort(transport: asyncio.WriteTransport) -> None:
    transport.abort()


def _read_request(request: web.Request) -> Request:
    headers = request.headers
    return Request(
        method=request.method,
        path=request.path,
        query=parse_query(request.query_string),
        remote=request.remote or "",
        origin=headers.get("Origin"),
        user_agent=headers.get("User-Agent"),
        forwarded_for=headers.get("X-Forwarded-For"),
        content_type=headers.get("Content-Type", ""),
        content_length=request.content_length or 0,
        headers_wanted=headers.get("Access-Control-Request-Headers"),
    )
