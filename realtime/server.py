"""Socket.IO as this system needs it: who may connect, frames written as they are, sockets cut so that they return."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import engineio
import socketio
from engineio.packet import MESSAGE
from engineio.packet import Packet as EngineFrame
from socketio.exceptions import ConnectionRefusedError as ConnectionRefused
from socketio.packet import CONNECT, CONNECT_ERROR, DISCONNECT

from social.contracts.codec import decode, encode

__all__ = ["Admission", "Authorize", "ConnectionRefused", "Departure", "Server"]

log = logging.getLogger(__name__)

CLIENT_DISCONNECT, SERVER_DISCONNECT, TRANSPORT_CLOSE = "client disconnect", "server disconnect", "transport close"

Environ = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer of `Server.authorize` to a CONNECT that is welcome.

    Once the socket is known to be alive there is no await until `connected` has returned: another connection that holds
    `sid` is cut, CONNECT `{sid, **answer}` is written, `connected(sid)` runs.
    """

    sid: str | None = None  # None: a new one
    answer: dict[str, Any] = field(default_factory=dict)  # more fields of the CONNECT answer, such as `pid`
    connected: Callable[[str], None] | None = None  # writes missed frames and enters rooms; must not raise
    abandoned: Callable[[], None] | None = None  # called instead when the socket died while it was being authorised


@dataclass(frozen=True, slots=True)
class Departure:
    """What a socket left behind."""

    sid: str
    eio_sid: str
    namespace: str
    reason: str
    rooms: frozenset[Any]


Authorize = Callable[[str, str, Any, Environ], Awaitable[Admission]]


class _Json:
    """The one codec, under the names python-socketio calls."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return encode(value).decode()

    loads = staticmethod(decode)


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """python-socketio's server with this system's door; only the root namespace exists."""

    def __init__(self, *, authorize: Authorize, **options: Any) -> None:
        super().__init__(async_mode="aiohttp", json=_Json, async_handlers=False, logger=log, **options)
        self._authorize = authorize
        self._rooms: dict[str, set[str]] = {}

    def _engineio_server_class(self) -> type[engineio.AsyncServer]:
        return cast(type[engineio.AsyncServer], engineio.AsyncServer)  # the seam: our engine goes here

    # -- for the application -----------------------------------------------------------------------------------------

    async def authorize(self, eio_sid: str, namespace: str, auth: Any, environ: Environ) -> Admission:
        """Decide about a CONNECT: an Admission, or ConnectionRefused(message, data)."""
        return await self._authorize(eio_sid, namespace, auth, environ)

    async def departed(self, departure: Departure) -> None:
        """A connected socket has left; it is in no room any more."""

    def send_frame(self, sid: str, frame: bytes, namespace: str = "/") -> bool:
        """Write an encoded event to one socket now: the bytes of the wire, Engine.IO's `4` included (`42[…]`)."""
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        return eio_sid is not None and self._write(eio_sid, frame[1:].decode())

    def publish_frame(self, room: str, frame: bytes, skip: Collection[str] = (), namespace: str = "/") -> None:
        """Write an encoded event (`42[…]`) to a room."""
        text = frame[1:].decode()
        for sid, eio_sid in self.manager.get_participants("/", room):
            if sid not in skip:
                self._write(eio_sid, text)

    def enter(self, sid: str, room: str, namespace: str = "/") -> None:
        """Put a local socket into a room, without an await."""
        self.manager.basic_enter_room(sid, "/", room)
        self._rooms[sid].add(room)

    def leave(self, sid: str, room: str, namespace: str = "/") -> None:
        """The inverse of `enter`."""
        self.manager.basic_leave_room(sid, "/", room)
        self._rooms.get(sid, set()).discard(room)

    def cut(self, sid: str, namespace: str = "/") -> None:
        """Drop the socket's connection as a lost network would: its client comes back by itself."""
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        if eio_sid is not None:
            self.cut_connection(eio_sid)

    def cut_connection(self, eio_sid: str) -> None:
        """The same for a connection, also one that is in no namespace yet."""
        sid = self.manager.sid_from_eio_sid(eio_sid, "/")
        if sid is not None:
            self._forget(sid, TRANSPORT_CLOSE)
        self.environ.pop(eio_sid, None)
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.closed:
            socket.closed = True
            socket.queue.put_nowait(None)  # ends the writer, which closes the websocket, or the held poll

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        if eio_sid is not None:
            self._write(eio_sid, self.packet_class(DISCONNECT, namespace="/").encode())
            self._forget(sid, SERVER_DISCONNECT)
            self.cut_connection(eio_sid)

    # -- python-socketio's own, replaced -----------------------------------------------------------------------------

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        namespace = namespace or "/"
        if namespace != "/":
            await self._refuse(eio_sid, namespace, {"message": "Invalid namespace"})
            return
        if self.manager.sid_from_eio_sid(eio_sid, "/") is not None:
            self.cut_connection(eio_sid)
            return
        try:
            admission = await self.authorize(eio_sid, "/", data, self.environ.get(eio_sid, {}))
        except ConnectionRefused as refused:
            await self._refuse(eio_sid, "/", refused.error_args)
            return
        socket = self.eio.sockets.get(eio_sid)
        if socket is None or socket.closed:
            if admission.abandoned is not None:
                admission.abandoned()
            return
        sid = admission.sid or self.eio.generate_id()
        self.cut(sid)
        self._write(eio_sid, self.packet_class(CONNECT, {"sid": sid, **admission.answer}, namespace="/").encode())
        self.manager.basic_enter_room(sid, "/", None, eio_sid=eio_sid)
        self.manager.basic_enter_room(sid, "/", sid, eio_sid=eio_sid)
        self._rooms[sid] = set()
        if admission.connected is not None:
            admission.connected(sid)

    async def _handle_disconnect(self, eio_sid: str, namespace: str | None, reason: str | None = None) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if sid is not None:
            self._forget(sid, reason or CLIENT_DISCONNECT)

    async def _handle_event_internal(  # noqa: PLR0917 - upstream's signature
        self, server: Any, sid: str, eio_sid: str, data: Any, namespace: str, id: int | None
    ) -> None:
        if isinstance(data[0], str) and data[0] not in self.reserved_events:
            await super()._handle_event_internal(server, sid, eio_sid, data, namespace, id)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _forget(self, sid: str, reason: str) -> None:
        rooms = self._rooms.pop(sid, None)
        if rooms is None:
            return
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        for room in (*rooms, sid, None):
            self.manager.basic_leave_room(sid, "/", room)
        self.manager.callbacks.pop(sid, None)
        self.start_background_task(self.departed, Departure(sid, eio_sid, "/", reason, frozenset(rooms)))

    def _write(self, eio_sid: str, text: str) -> bool:
        socket = self.eio.sockets.get(eio_sid)
        if socket is None or socket.closed:
            return False
        socket.queue.put_nowait(EngineFrame(MESSAGE, text))
        return True

    async def _refuse(self, eio_sid: str, namespace: str, data: Mapping[str, Any]) -> None:
        await self._send_packet(eio_sid, self.packet_class(CONNECT_ERROR, data=data, namespace=namespace))
