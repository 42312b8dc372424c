"""Socket.IO as this system needs it: who may connect, frames written as they are, sockets cut so that they return."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import engineio
import socketio
from aiohttp import web
from engineio.packet import MESSAGE
from engineio.packet import Packet as EngineFrame
from socketio.packet import CONNECT, CONNECT_ERROR, DISCONNECT

from social.contracts.codec import decode, encode
from social.infra import logs
from social.infra.health import Health
from social.infra.process import listen

log = logs.get("server")

ROOT = "/"
PATH = "socket.io"
TRANSPORT_CLOSE = "transport close"


class ConnectionRefused(Exception):
    """The client gets `connect_error` with this problem as data; `come_back` closes the transport instead, so that
    the client tries again by itself.
    """

    def __init__(self, problem: Mapping[str, Any], *, come_back: bool = False) -> None:
        super().__init__(problem.get("code"))
        self.problem = problem
        self.come_back = come_back


def _nothing(*_: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody may connect.

    `connected(sid)` runs right after CONNECT was written, with no await in between; `abandoned()` runs instead when
    the client is gone already.
    """

    sid: str | None = None  # None: a fresh one
    extra: Mapping[str, Any] = field(default_factory=dict)
    connected: Callable[[str], None] = _nothing
    abandoned: Callable[[], None] = _nothing


Authorize = Callable[[str, str, Any, Mapping[str, Any]], Awaitable[Admission]]
Disconnected = Callable[[str, str, Collection[str]], None]  # sid, reason, the rooms it was in


async def _refuse_all(*_: object) -> Admission:
    raise ConnectionRefused({"title": "Not open", "status": 503, "code": "unavailable"})


class _Json:
    """The one codec, under the names python-socketio calls."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return encode(value).decode()

    loads = staticmethod(decode)


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """python-socketio's server with this system's door; only the root namespace exists."""

    def __init__(
        self,
        *,
        origins: list[str],
        max_message_bytes: int = 65_536,
        ping_interval_s: float = 25,
        ping_timeout_s: float = 20,
    ) -> None:
        super().__init__(
            async_mode="aiohttp",
            json=_Json,
            async_handlers=False,  # a client's events are handled in order
            cors_allowed_origins=origins,
            max_http_buffer_size=max_message_bytes,
            ping_interval=ping_interval_s,
            ping_timeout=ping_timeout_s,
        )
        self.authorize: Authorize = _refuse_all
        self.disconnected: Disconnected = _nothing
        self._runner: web.AppRunner | None = None
        self._rooms: dict[str, set[str]] = {}

    def _engineio_server_class(self) -> type[engineio.AsyncServer]:
        return cast(type[engineio.AsyncServer], engineio.AsyncServer)  # the seam: our engine goes here

    # ---- serving

    async def serve(self, host: str, port: int, health: Health) -> int:
        """Listen; the port. Raises StartError when it is taken."""
        app = web.Application()
        app.add_routes(health.routes())
        self.attach(app, PATH)
        self._runner = await listen(app, host, port, shutdown_timeout=0.5)
        return int(self._runner.addresses[0][1])

    async def shut(self) -> None:
        """Stop listening and let go of every connection."""
        for sid in list(self._rooms):
            self.cut(sid)
        await self.shutdown()
        if self._runner is not None:
            await self._runner.cleanup()

    # ---- what the rest of the process uses

    def enter(self, sid: str, room: str) -> None:
        """Let a connected socket hear a room; callable in `connected`."""
        self.manager.basic_enter_room(sid, ROOT, room)
        self._rooms[sid].add(room)

    def leave(self, sid: str, room: str) -> None:
        """The opposite; nothing happens where it was not in."""
        self.manager.basic_leave_room(sid, ROOT, room)
        self._rooms.get(sid, set()).discard(room)

    async def enter_room(self, sid: str, room: str, namespace: str | None = None) -> None:
        self.enter(sid, room)

    async def leave_room(self, sid: str, room: str, namespace: str | None = None) -> None:
        self.leave(sid, room)

    def send_frame(self, sid: str, frame: bytes) -> None:
        """Write an encoded event (`42[…]`) to one socket, in order with everything else written to it."""
        eio_sid = self.manager.eio_sid_from_sid(sid, ROOT)
        if eio_sid is not None:
            self._write(eio_sid, frame[1:].decode())

    def publish_frame(self, room: str, frame: bytes, skip: Collection[str] = ()) -> None:
        """Write an encoded event to all sockets in a room."""
        text = frame[1:].decode()
        for sid, eio_sid in self.manager.get_participants(ROOT, room):
            if sid not in skip:
                self._write(eio_sid, text)

    def cut(self, sid: str) -> None:
        """Close the raw transport, so that the client comes back by itself; it is out of all rooms at once."""
        eio_sid = self._forget(sid, TRANSPORT_CLOSE)
        if eio_sid is not None:
            self.start_background_task(self._close_transport, eio_sid)

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Tell the client that it is disconnected, for good, and close."""
        eio_sid = self._forget(sid, "server disconnect")
        if eio_sid is not None:
            await self._send_packet(eio_sid, self.packet_class(DISCONNECT, namespace=ROOT))
            await self.eio.disconnect(eio_sid)

    # ---- python-socketio's own, replaced

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        namespace = namespace or ROOT
        if namespace != ROOT:
            await self._refuse(eio_sid, namespace, {"message": "Invalid namespace"})
            return
        if self.manager.sid_from_eio_sid(eio_sid, ROOT) is not None:
            return
        try:
            admission = await self.authorize(eio_sid, ROOT, data, self.environ.get(eio_sid, {}))
        except ConnectionRefused as refused:
            if refused.come_back:
                await self._close_transport(eio_sid)
            else:
                message = str(refused.problem.get("title", "Refused"))
                await self._refuse(eio_sid, ROOT, {"message": message, "data": refused.problem})
            return
        # No await from here on: CONNECT, what was missed, what was held, rooms.
        if eio_sid not in self.eio.sockets or self.eio.sockets[eio_sid].closed:
            admission.abandoned()
            return
        sid = admission.sid or self.eio.generate_id()
        if self.manager.eio_sid_from_sid(sid, ROOT) is not None:
            self.cut(sid)
        connect = self.packet_class(CONNECT, {"sid": sid, **admission.extra}, namespace=ROOT)
        self._write(eio_sid, connect.encode())
        self.manager.basic_enter_room(sid, ROOT, None, eio_sid=eio_sid)
        self.manager.basic_enter_room(sid, ROOT, sid, eio_sid=eio_sid)
        self._rooms[sid] = set()
        admission.connected(sid)

    async def _handle_disconnect(self, eio_sid: str, namespace: str | None, reason: str | None = None) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or ROOT)
        if sid is not None:
            self._forget(sid, reason or "client disconnect")

    async def _handle_event_internal(  # noqa: PLR0917 - upstream's signature
        self, server: Any, sid: str, eio_sid: str, data: Any, namespace: str, id: int | None
    ) -> None:
        if isinstance(data[0], str) and data[0] not in self.reserved_events:
            await super()._handle_event_internal(server, sid, eio_sid, data, namespace, id)

    # ---- inside

    def _forget(self, sid: str, reason: str) -> str | None:
        rooms = self._rooms.pop(sid, None)
        if rooms is None:
            return None
        eio_sid: str | None = self.manager.eio_sid_from_sid(sid, ROOT)
        for room in (*rooms, sid, None):
            self.manager.basic_leave_room(sid, ROOT, room)
        self.manager.callbacks.pop(sid, None)
        self.disconnected(sid, reason, frozenset(rooms))
        return eio_sid

    def _write(self, eio_sid: str, text: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            socket.queue.put_nowait(EngineFrame(MESSAGE, text))

    async def _refuse(self, eio_sid: str, namespace: str, data: Mapping[str, Any]) -> None:
        await self._send_packet(eio_sid, self.packet_class(CONNECT_ERROR, data=data, namespace=namespace))

    async def _close_transport(self, eio_sid: str) -> None:
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            await socket.close(wait=False, abort=True, reason=TRANSPORT_CLOSE)
            socket.queue.put_nowait(None)  # ends the writer, which closes the websocket, or the held poll
