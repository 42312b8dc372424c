"""Socket.IO 5 over our engine: python-socketio's server and manager, with rooms that are the engine's topics."""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import engineio
import socketio
from socketio.exceptions import ConnectionRefusedError as ConnectionRefused
from socketio.packet import ACK, BINARY_ACK, CONNECT, CONNECT_ERROR, DISCONNECT

from realtime.engine import Engine, Environ, Work
from realtime.socketio.packets import AckHead, Frame, Packet, ack_of, arguments, decode, encode
from realtime.socketio.rooms import Member, Rooms

__all__ = ["Admission", "Authorize", "ConnectionRefused", "Departure", "Rooms", "Server"]

log = logging.getLogger(__name__)

MOST_REFUSALS = 32  # of CONNECTs on one connection: each costs the check of a signature, and its clients give up sooner
MOST_STRAY_ACKS = 10  # of one connection: a client may answer what it was asked on an earlier one
CLIENT_DISCONNECT, SERVER_DISCONNECT = "client disconnect", "server disconnect"


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer of `Server.authorize` to a CONNECT that is welcome.

    Once the socket is known to be alive there is no await until `connected` has returned: another connection that holds
    `sid` is cut, CONNECT `{sid, **answer}` is written, rooms entered meanwhile begin to receive, `connected(sid)` runs.
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
    session: dict[str, Any]  # what `Server.session` held


Authorize = Callable[[str, str, Any, Environ], Awaitable[Admission]]


class _EngineIO(engineio.AsyncServer):  # type: ignore[misc]
    """What python-socketio takes for its Engine.IO server: the base class gives the type, the engine does the work."""

    def __init__(self, engine: Engine, **_: Any) -> None:  # the base's would look for a web framework
        self.engine = engine
        self.handlers: dict[str, Any] = {}
        self.async_mode = engine.name
        self.logger = log

    async def send(self, sid: str, data: str | bytes) -> None:
        if isinstance(data, bytes):
            self.engine.send(sid, data, True)
        else:
            self.engine.send(sid, b"4" + data.encode())

    async def send_packet(self, sid: str, pkt: Any) -> None:
        encoded = pkt.encode()
        self.engine.send(sid, encoded if pkt.binary else encoded.encode(), pkt.binary)

    async def get_session(self, sid: str) -> dict[str, Any]:
        return self.engine.store(sid)

    async def save_session(self, sid: str, session: dict[str, Any]) -> None:
        self.engine.store(sid).update(session)

    async def disconnect(self, sid: str | None = None) -> None:
        for one in [sid] if sid is not None else list(self.engine.sessions):
            self.engine.close(one)

    def transport(self, sid: str) -> str:
        return self.engine.transport(sid)

    async def shutdown(self) -> None:
        await self.engine.stop()


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """A Socket.IO server on our engine. A client's events are handled in order, one at a time; acks overtake them."""

    manager: Rooms
    manager_initialized: bool
    environ: dict[str, Environ]

    def __init__(
        self,
        engine: Engine,
        *,
        rooms: Rooms | None = None,
        namespaces: Collection[str] | str = ("/",),
        authorize: Authorize | None = None,
    ) -> None:
        self.engine = engine
        self.events_received = 0
        self._refusals: dict[str, int] = {}  # CONNECTs that were refused, by connection
        self._strays: dict[str, int] = {}  # acks nobody asked for, by connection
        self._authorize = authorize
        super().__init__(client_manager=rooms or Rooms(), serializer=Packet, logger=log, namespaces=namespaces)
        engine.handler = self

    def _engineio_server_class(self) -> Callable[..., _EngineIO]:
        return lambda **options: _EngineIO(self.engine, **options)

    async def authorize(self, eio_sid: str, namespace: str, auth: Any, environ: Environ) -> Admission:
        """Decide about a CONNECT: an Admission, or ConnectionRefused(message, data). By default `connect` does."""
        if self._authorize is not None:
            return await self._authorize(eio_sid, namespace, auth, environ)
        sid = await self.manager.pre_connect(eio_sid, namespace)
        if await self._trigger_event("connect", namespace, sid, environ, auth) is False:
            raise ConnectionRefused
        return Admission(sid=sid)

    async def departed(self, departure: Departure) -> None:
        """A connected socket has left; it is in no room any more. By default the `disconnect` handler is called.

        Its sid may be back already, on another connection: compare `eio_sid`.
        """
        await self._trigger_event("disconnect", departure.namespace, departure.sid, departure.reason)

    def accepts(self, sid: str, namespace: str, event: str, data: list[Any]) -> bool:
        """Whether a client's event may be handled now (rate limits); False drops it without an answer."""
        return True

    def send_frame(self, sid: str, frame: bytes, namespace: str = "/") -> bool:
        """Write an encoded event to one socket now: the bytes of the wire, Engine.IO's `4` included (`42[…]`)."""
        member = self.manager.member(sid, namespace)
        return member is not None and member.connected and self.engine.send(member.eio_sid, frame)

    def publish_frame(self, room: Any, frame: bytes, skip: Collection[str] = (), namespace: str = "/") -> None:
        """Write an encoded event (`42[…]`) to a room: one native publish, whoever is skipped."""
        self.manager.write([(frame, False)], namespace, room, skip)

    def enter(self, sid: str, room: Any, namespace: str = "/") -> None:
        """Put a local socket into a room, without an await."""
        self.manager.basic_enter_room(sid, namespace, room)

    def leave(self, sid: str, room: Any, namespace: str = "/") -> None:
        """The inverse of `enter`."""
        self.manager.basic_leave_room(sid, namespace, room)

    def buffered(self, sid: str, namespace: str = "/") -> int:
        """Bytes the socket's client has not taken yet."""
        member = self.manager.member(sid, namespace)
        return self.engine.buffered(member.eio_sid) if member is not None else 0

    def inside(self, room: Any, namespace: str = "/") -> list[str]:
        """The local sockets that are in a room."""
        return [sid for sid, _ in self.manager.get_participants(namespace, room)]

    def count(self, room: Any, namespace: str = "/") -> int:
        """How many local sockets are in a room."""
        return len(self.manager.rooms.get(namespace, {}).get(room, ()))

    def cut(self, sid: str, namespace: str = "/") -> None:
        """Drop the socket's connection as a lost network would: its client comes back by itself."""
        member = self.manager.member(sid, namespace)
        if member is not None:
            self.engine.cut(member.eio_sid)

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        namespace = namespace or "/"
        member = self.manager.member(sid, namespace)
        if not ignore_queue and not await self.manager.can_disconnect(sid, namespace):
            return
        if member is not None and member.connected:
            self._write(member.eio_sid, encode(DISCONNECT, None, namespace))
            await self._tell_departed(self._drop(member, SERVER_DISCONNECT))

    def opened(self, sid: str, environ: Environ) -> None:
        """A connection; its client has yet to CONNECT."""
        if not self.manager_initialized:
            self.manager_initialized = True
            self.manager.initialize()
        self.environ[sid] = environ

    def received(self, sid: str, data: str | bytes) -> Work | None:
        """Decode one message. Raising closes the connection; what is returned waits for the client's earlier events."""
        waiting: Packet | None = self._binary_packet.get(sid)
        if isinstance(data, str):
            if waiting is not None:
                raise ValueError("text in place of an attachment")
            if (ack := ack_of(data)) is not None and not self._asked(sid, ack):
                self._stray(sid, ack)
                return None
            packet = decode(data)
            if packet.attachment_count:
                if not self.manager.of_connection(sid):
                    raise ValueError("attachments from somebody who is not in")
                self._binary_packet[sid] = packet
                return None
        elif waiting is None:
            raise ValueError("an attachment without its packet")
        elif sum(map(len, waiting.attachments)) + len(data) > self.engine.options.max_buffered_bytes:
            raise ValueError("attachments larger than a client may have waiting")
        elif waiting.add_attachment(data):
            packet = waiting
            del self._binary_packet[sid]
        else:
            return None
        if packet.packet_type in (ACK, BINARY_ACK):
            # Not behind the events: a handler may be waiting for just this answer.
            self.engine.spawn(self._handle_ack(sid, packet.namespace or "/", packet.id, packet.data))
            return None
        return self._handle(sid, packet)

    def _asked(self, sid: str, ack: AckHead) -> bool:
        member = self.manager.member(self.manager.sid_from_eio_sid(sid, ack.namespace), ack.namespace)
        return member is not None and member.callbacks is not None and ack.id in member.callbacks

    def _stray(self, sid: str, ack: AckHead) -> None:
        """An ack that nobody asked for is not even decoded; raises for one too many."""
        self._strays[sid] = self._strays.get(sid, 0) + 1
        if ack.binary or self._strays[sid] > MOST_STRAY_ACKS:
            raise ValueError("it acknowledges what nobody asked")

    def closed(self, sid: str, reason: str) -> None:
        """The connection has ended, and with it every namespace it was in."""
        self._binary_packet.pop(sid, None)
        self._strays.pop(sid, None)
        self._refusals.pop(sid, None)
        self.environ.pop(sid, None)
        for member in self.manager.of_connection(sid):
            if member.connected:
                self.engine.spawn(self._tell_departed(self._drop(member, reason)))
            else:
                self.manager.drop(member)

    async def _handle(self, eio_sid: str, packet: Packet) -> None:
        namespace = packet.namespace or "/"
        if packet.packet_type == CONNECT:
            await self._handle_connect(eio_sid, namespace, packet.data)
            return
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if sid is None:
            if not self.manager.of_connection(eio_sid):
                self.engine.cut(eio_sid, "transport error")
        elif packet.packet_type == DISCONNECT:
            await self._handle_disconnect(eio_sid, namespace, CLIENT_DISCONNECT)
        else:
            await self._handle_event(eio_sid, namespace, packet.id, packet.data)

    async def _handle_connect(self, eio_sid: str, namespace: str, data: Any) -> None:
        if self.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            self.engine.cut(eio_sid, "transport error")
            return
        if not self._serves(namespace):
            self._write(eio_sid, encode(CONNECT_ERROR, {"message": "Invalid namespace"}, namespace))
            self._count_refusal(eio_sid)
            return
        self.engine.settle(eio_sid)
        try:
            admission = await self.authorize(eio_sid, namespace, data, self.environ.get(eio_sid, {}))
        except Exception as error:
            self._refuse(eio_sid, namespace, error)
            return
        self._admit(eio_sid, namespace, admission)

    def _serves(self, namespace: str) -> bool:
        return self.namespaces == "*" or namespace in {*self.namespaces, *self.handlers, *self.namespace_handlers}

    def _refuse(self, eio_sid: str, namespace: str, error: Exception) -> None:
        if isinstance(error, ConnectionRefused):
            problem = error.error_args
        elif isinstance(error, ConnectionRefusedError):
            problem = {"message": "Connection refused by server"}
        else:
            log.error("a connect handler failed", exc_info=error)
            problem = {"message": "Internal error"}
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if sid is not None:
            self.manager.basic_disconnect(sid, namespace)
        self._write(eio_sid, encode(CONNECT_ERROR, problem, namespace))
        self.engine.unsettle(eio_sid)
        self._count_refusal(eio_sid)

    def _count_refusal(self, eio_sid: str) -> None:
        if not self.engine.is_open(eio_sid):
            return
        self._refusals[eio_sid] = self._refusals.get(eio_sid, 0) + 1
        if self._refusals[eio_sid] >= MOST_REFUSALS:
            self.engine.close(eio_sid, "transport error")

    def _admit(self, eio_sid: str, namespace: str, admission: Admission) -> None:
        if not self.engine.is_open(eio_sid):
            if admission.abandoned is not None:
                admission.abandoned()
            return
        sid = admission.sid or self.eio.generate_id()
        member = self.manager.member(sid, namespace)
        if member is not None and member.eio_sid != eio_sid:
            self.engine.cut(member.eio_sid)
            member = None
        member = member or self.manager.register(sid, eio_sid, namespace)
        self._write(eio_sid, encode(CONNECT, {"sid": sid, **admission.answer}, namespace))
        self.manager.welcome(member)
        if admission.connected is not None:
            admission.connected(sid)

    async def _handle_disconnect(self, eio_sid: str, namespace: str, reason: str | None = None) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        member = self.manager.member(sid, namespace)
        if member is not None:
            await self._tell_departed(self._drop(member, reason or CLIENT_DISCONNECT))

    def _drop(self, member: Member, reason: str) -> Departure:
        namespace, eio_sid = member.namespace, member.eio_sid
        session = self.engine.store(eio_sid).get(namespace, {})
        rooms = self.manager.drop(member)
        self.engine.unsettle(eio_sid)
        return Departure(member.sid, eio_sid, namespace, reason, rooms, session)

    async def _tell_departed(self, departure: Departure) -> None:
        try:
            await self.departed(departure)
        except Exception:
            log.exception("a disconnect handler failed")

    async def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: list[Any]) -> None:
        member = self.manager.member(self.manager.sid_from_eio_sid(eio_sid, namespace), namespace)
        if member is None or not member.connected or not self.accepts(member.sid, namespace, data[0], data[1:]):
            return
        self.events_received += 1
        try:
            answer = await self._trigger_event(data[0], namespace, member.sid, *data[1:])
            if id is not None and answer is not self.not_handled:
                self._write(eio_sid, encode(ACK, arguments(answer), namespace, id))
        except Exception:
            log.exception("the handler of %r failed", data[0])

    async def _handle_ack(self, eio_sid: str, namespace: str, id: int, data: list[Any]) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if sid is not None:
            try:
                await self.manager.trigger_callback(sid, id, data)
            except Exception:
                log.exception("the callback of an acknowledgement failed")

    def _write(self, eio_sid: str, frames: list[Frame]) -> None:
        for frame, binary in frames:
            self.engine.send(eio_sid, frame, binary)

    async def _send_packet(self, eio_sid: str, pkt: Any) -> None:
        self._write(eio_sid, encode(pkt.packet_type, pkt.data, pkt.namespace or "/", pkt.id))
