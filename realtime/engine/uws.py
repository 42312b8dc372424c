"""The native engine, on uWebSockets, inside our own event loop."""

import asyncio
import logging
import os
from typing import Any

from realtime.engine import descriptors
from realtime.engine.native import ffi, forget, lib, object_of, pointer_to, pump, remember, replace
from realtime.engine.protocol import Engine
from realtime.engine.session import Handler, Options, Refused, Wire
from realtime.engine.uws_http import NativeExchange, Opening, is_newcomer, may_answer_unread, send_unavailable

log = logging.getLogger(__name__)

_EXCLUSIVE_PORT = 1  # the default shares a port between servers, and clients with it
_SENT_OR_BUFFERED = (0, 1)
_TEXT, _BINARY = 1, 2
_ABNORMAL, _TOO_BIG = 1006, 1009
REFUSALS = 64  # handshakes that are refused between two looks at the descriptors: refused connections have some, too
_SLACK = 2  # beyond so many times the limit uWebSockets cuts a message's connection, where a close code should say why


class NativeWire(Wire):
    """A websocket of uWebSockets."""

    __slots__ = ("_number", "_ws", "engine")

    def __init__(self, engine: "NativeEngine", ws: Any, number: int) -> None:
        super().__init__()
        self.engine = engine
        self._ws = ws
        self._number = number

    def send(self, frame: bytes, binary: bool) -> bool:
        if self._ws is None:
            return False
        sent = lib.uws_ws_send(0, self._ws, frame, len(frame), _BINARY if binary else _TEXT)
        pump.touch()
        return sent in _SENT_OR_BUFFERED

    def subscribe(self, topic: bytes) -> None:
        if self._ws is not None:
            lib.uws_ws_subscribe(0, self._ws, topic, len(topic))

    def unsubscribe(self, topic: bytes) -> None:
        if self._ws is not None:
            lib.uws_ws_unsubscribe(0, self._ws, topic, len(topic))

    def close(self, code: int = 1000) -> None:
        ws = self._detach()
        if ws is not None:
            lib.uws_ws_end(0, ws, code, b"", 0)
            pump.touch()

    def abort(self) -> None:
        ws = self._detach()
        if ws is not None:
            lib.uws_ws_close(0, ws)
            pump.touch()

    def buffered(self) -> int:
        return int(lib.uws_ws_get_buffered_amount(0, self._ws)) if self._ws is not None else 0

    def received(self, data: str | bytes, size: int) -> None:
        """Hand on a message, or close the websocket because the message is too large."""
        if size <= self.engine.options.max_payload_bytes:
            self.engine.wire_received(self, data)
            return
        self.close(_TOO_BIG)
        self.engine.wire_closed(self, broken="a message is too large")

    def closed(self, broken: str | None) -> None:
        """Report the end of the websocket; called inside `close` and `abort` too, which have detached it before."""
        if self._ws is not None:
            slow = self.buffered() >= self.engine.options.max_buffered_bytes
            self._detach()
            self.engine.wire_closed(self, slow, broken)

    def _detach(self) -> Any:
        ws, self._ws = self._ws, None
        forget(self._number)
        self.engine.wires.discard(self)
        return ws


class NativeEngine(Engine):
    """Engine.IO on uWebSockets: a topic publish costs the kernel's price of a send per subscriber and nothing else."""

    name = "native"

    def __init__(self, options: Options | None = None, handler: Handler | None = None) -> None:
        super().__init__(options, handler)
        self.wires: set[NativeWire] = set()
        self._number = remember(self)
        self._app = lib.uws_create_app(0, ffi.new("struct us_socket_context_options_t *")[0])
        self._listener: Any = None
        self._address: tuple[str, int] | None = None
        self._attached = False
        self._number_kept: int | None = None  # a descriptor, while the listener is closed
        self._refused = 0  # handshakes
        self._route()

    def _route(self) -> None:
        me = pointer_to(self._number)
        behavior = ffi.new("uws_socket_behavior_t *")
        behavior.maxPayloadLength = _SLACK * self.options.max_payload_bytes
        behavior.maxBackpressure = self.options.max_buffered_bytes
        behavior.closeOnBackpressureLimit = True
        behavior.idleTimeout = 0  # the wheel does it
        behavior.sendPingsAutomatically = False
        behavior.upgrade, behavior.open = _on_upgrade, _on_open
        behavior.message, behavior.close = _on_message, _on_close
        behavior.ping = behavior.pong = _on_control_frame  # uWebSockets itself answers a ping
        for path in {self.options.path, self.options.path.rstrip("/")}:
            lib.uws_ws(0, self._app, path.encode(), behavior[0], me)
        lib.uws_app_any(0, self._app, b"/*", _on_request, me)  # a missing route would close the connection

    def control_frame(self, wire: "NativeWire", size: int) -> None:
        """Count a ping or pong of the websocket like any packet."""
        if wire.session is not None:
            self._within_allowance(wire.session, size)

    async def _listen(self, host: str, port: int) -> int:
        if not self._attached:
            pump.attach()
            self._attached = True
        self._open_listener(host, port)
        if self._listener is None:
            pump.detach()
            self._attached = False
            raise OSError(f"cannot listen on {host}:{port}: the address is in use or not ours")
        bound = int(lib.us_socket_local_port(0, self._listener))
        self._address = (host, bound)
        return bound

    def _open_listener(self, host: str, port: int) -> None:
        name = ffi.new("char[]", host.encode())
        config = ffi.new("uws_app_listen_config_t *", {"port": port, "host": name, "options": _EXCLUSIVE_PORT})
        lib.uws_app_listen_with_config(0, self._app, config[0], _on_listen, pointer_to(self._number))
        pump.touch()

    def listening(self, listener: Any) -> None:
        """Keep the listener that `_open_listener` opened; None when it failed."""
        self._listener = listener

    def _stop_listening(self) -> None:
        self._address = None
        self._close_listener()
        self._free_number()

    def _close_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            lib.us_listen_socket_close(0, listener)
            pump.touch()

    async def _shut_down(self) -> None:
        await asyncio.sleep(0.02)  # what was written last leaves while libuv runs
        for wire in list(self.wires):  # probes
            wire.abort()
        # The app stays: destroying one with an idle keep-alive connection, which cannot be listed, is a crash.
        forget(self._number)
        if self._attached:
            self._attached = False
            pump.detach()

    def _tick(self) -> None:
        super()._tick()
        self._watch_descriptors()

    def _watch_descriptors(self) -> None:
        """Accept no connections while half of the spare descriptors are used: without any left uSockets spins."""
        if self._address is None:
            return
        left = descriptors.left()
        scarce = left < descriptors.spare() / 2
        if scarce and self._listener is not None:
            log.warning("%d file descriptors are left: new connections wait", left)
            self._close_listener()
            self._number_kept = descriptors.take()  # else the listener's counts as free
        elif not scarce and self._listener is None:
            self._free_number()
            self._open_listener(*self._address)

    def _free_number(self) -> None:
        number, self._number_kept = self._number_kept, None
        if number is not None:
            os.close(number)

    def _publish(self, topic: bytes, frame: bytes, binary: bool) -> None:
        lib.uws_publish(0, self._app, topic, len(topic), frame, len(frame), _BINARY if binary else _TEXT, False)
        pump.published(len(frame))

    def requested(self, res: Any, req: Any) -> None:
        """Handle an HTTP request."""
        if self._turned_away(res, req, upgrade=False):
            return
        exchange = NativeExchange(self, res)
        try:
            exchange.read(req)
            if self.serve(exchange):
                exchange.read_body()
        except Exception:
            log.exception("a request failed")
            exchange.reply(500)

    def _turned_away(self, res: Any, req: Any, upgrade: bool) -> bool:
        """Refuse a handshake, unread, where no newcomer is let in; return whether it was one."""
        unavailable = self.unavailable()
        if unavailable is None or not (upgrade or may_answer_unread(req, self.owns)) or not is_newcomer(req):
            return False
        self._count(unavailable)
        send_unavailable(res, unavailable)
        return True

    def _count(self, refusal: Refused) -> None:
        super()._count(refusal)
        self._refused += 1
        if self._refused % REFUSALS == 0:
            self._watch_descriptors()

    def upgrade_requested(self, res: Any, req: Any, context: Any) -> None:
        """Handle a websocket handshake."""
        if self._turned_away(res, req, upgrade=True):
            return
        exchange = NativeExchange(self, res)
        try:
            exchange.read(req)
            upgrading = self.may_upgrade(exchange.request)
            exchange.upgrade(Opening(self, upgrading, exchange.request.environ()).number, req, context)
        except Refused as refusal:
            exchange.reply(refusal.status, refusal.body(), "application/json")
        except Exception:
            log.exception("a websocket handshake failed")
            exchange.reply(500)


@ffi.callback("void(struct us_listen_socket_t *, uws_app_listen_config_t, void *)")  # type: ignore[untyped-decorator]
def _on_listen(listener: Any, _config: Any, me: Any) -> None:
    engine = object_of(me)
    if engine is not None:
        engine.listening(listener if listener != ffi.NULL else None)


@ffi.callback("void(uws_res_t *, uws_req_t *, void *)")  # type: ignore[untyped-decorator]
def _on_request(res: Any, req: Any, me: Any) -> None:
    engine = object_of(me)
    if engine is None:
        lib.socketify_res_cork_send_int_code(0, res, b"", 0, 503, b"text/plain", 10, True)
        return
    engine.requested(res, req)


@ffi.callback("void(uws_res_t *, uws_req_t *, uws_socket_context_t *, void *)")  # type: ignore[untyped-decorator]
def _on_upgrade(res: Any, req: Any, context: Any, me: Any) -> None:
    engine = object_of(me)
    if engine is None:
        lib.socketify_res_cork_send_int_code(0, res, b"", 0, 503, b"text/plain", 10, True)
        return
    engine.upgrade_requested(res, req, context)


@ffi.callback("void(uws_websocket_t *, void *)")  # type: ignore[untyped-decorator]
def _on_open(ws: Any, _me: Any) -> None:
    opening = object_of(lib.uws_ws_get_user_data(0, ws))
    if opening is None:
        lib.uws_ws_close(0, ws)
        return
    wire = NativeWire(opening.engine, ws, opening.number)
    replace(opening.number, wire)
    opening.engine.wires.add(wire)
    opening.engine.wire_opened(wire, opening.upgrading, opening.environ)


@ffi.callback("void(uws_websocket_t *, const char *, size_t, uws_opcode_t, void *)")  # type: ignore[untyped-decorator]
def _on_message(ws: Any, message: Any, size: int, opcode: int, _me: Any) -> None:
    wire = object_of(lib.uws_ws_get_user_data(0, ws))
    if wire is not None:
        data = bytes(ffi.buffer(message, size)) if size else b""
        wire.received(data if opcode == _BINARY else data.decode(), size)


@ffi.callback("void(uws_websocket_t *, const char *, size_t, void *)")  # type: ignore[untyped-decorator]
def _on_control_frame(ws: Any, _message: Any, size: int, _me: Any) -> None:
    wire = object_of(lib.uws_ws_get_user_data(0, ws))
    if wire is not None:
        wire.engine.control_frame(wire, size)


@ffi.callback("void(uws_websocket_t *, int, const char *, size_t, void *)")  # type: ignore[untyped-decorator]
def _on_close(ws: Any, code: int, message: Any, size: int, _me: Any) -> None:
    wire = object_of(lib.uws_ws_get_user_data(0, ws))
    if wire is not None:
        # A reason with 1006 is uWebSockets' own, about a frame that it refused; the connection is closed by now.
        wire.closed(bytes(ffi.buffer(message, size)).decode("latin-1") if code == _ABNORMAL and size else None)
