"""Socket.IO 5 over our engine: python-socketio's server, with rooms that are the engine's topics."""

import logging
from collections.abc import Callable, Collection
from typing import Any

import socketio
from socketio.exceptions import ConnectionRefusedError as ConnectionRefused
from socketio.packet import ACK, BINARY_ACK, CONNECT, CONNECT_ERROR, DISCONNECT

from realtime.engine import Engine, Environ, Work
from realtime.socketio.admission import Admission, Authorize, Departure
from realtime.socketio.engine_adapter import EngineAdapter
from realtime.socketio.packets import AckHead, Frame, Packet, ack_of, arguments, decode, encode
from realtime.socketio.rooms import Member, Rooms

__all__ = ["ConnectionRefused", "Server"]

log = logging.getLogger(__name__)

MOST_REFUSALS = 32  # of CONNECTs on one connection: each costs a check of a signature; official clients give up sooner
MOST_STRAY_ACKS = 10  # of one connection: a client may acknowledge an event of an earlier connection
CLIENT_DISCONNECT, SERVER_DISCONNECT = "client disconnect", "server disconnect"


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """A Socket.IO server on our engine. A client's events are handled in order, one at a time; acks overtake them."""

    manager: Rooms
    manager_initialized: bool
    environ: dict[str, Environ]

    def __init__(
        self,
        engine: Engine,
        *,
        namespaces: Collection[str] | str = ("/",),
        authorize: Authorize | None = None,
    ) -> None:
        self.engine = engine
        self._refusals: dict[str, int] = {}  # CONNECTs that were refused, by connection
        self._strays: dict[str, int] = {}  # acks that no event requested, by connection
        self.authorizer = authorize
        super().__init__(client_manager=Rooms(), serializer=Packet, logger=log, namespaces=namespaces)
        engine.handler = self

    def _engineio_server_class(self) -> Callable[..., EngineAdapter]:
        return lambda **options: EngineAdapter(self.engine, **options)

    async def authorize(self, eio_sid: str, namespace: str, auth: Any, environ: Environ) -> Admission:
        """Admit a CONNECT, or raise ConnectionRefused(message, data). By default the `connect` handler decides."""
        if self.authorizer is not None:
            return await self.authorizer(eio_sid, namespace, auth, environ)
        sid = await self.manager.pre_connect(eio_sid, namespace)
        if await self._trigger_event("connect", namespace, sid, environ, auth) is False:
            raise ConnectionRefused
        return Admission(sid=sid)

    async def departed(self, departure: Departure) -> None:
        """Handle a connected socket that has left, and its rooms with it; by default by the `disconnect` handler.

        Its sid may be back already, on another connection: compare `eio_sid`.
        """
        await self._trigger_event("disconnect", departure.namespace, departure.sid, departure.reason)

    def send_frame(self, sid: str, frame: bytes, namespace: str = "/") -> bool:
        """Write an encoded event to one socket now: the bytes of the wire, Engine.IO's `4` included (`42[…]`)."""
        member = self.manager.member(sid, namespace)
        return member is not None and member.connected and self.engine.send(member.eio_sid, frame)

    def publish_frame(self, room: Any, frame: bytes, skip: Collection[str] = (), namespace: str = "/") -> None:
        """Write an encoded event (`42[…]`) to a room, but not to the sids in `skip`: one native publish."""
        self.manager.write([(frame, False)], namespace, room, skip)

    def enter(self, sid: str, room: Any, namespace: str = "/") -> None:
        """Put a local socket into a room, without an await."""
        self.manager.basic_enter_room(sid, namespace, room)

    def leave(self, sid: str, room: Any, namespace: str = "/") -> None:
        """Take a local socket out of a room, without an await."""
        self.manager.basic_leave_room(sid, namespace, room)

    def buffered(self, sid: str, namespace: str = "/") -> int:
        """Return the bytes that the socket's client has not taken yet."""
        member = self.manager.member(sid, namespace)
        return self.engine.buffered(member.eio_sid) if member is not None else 0

    def inside(self, room: Any, namespace: str = "/") -> list[str]:
        """Return the sids of the local sockets in a room."""
        return [sid for sid, _ in self.manager.get_participants(namespace, room)]

    def count(self, room: Any, namespace: str = "/") -> int:
        """Return the number of local sockets in a room."""
        return len(self.manager.rooms.get(namespace, {}).get(room, ()))

    def abort(self, sid: str, namespace: str = "/") -> None:
        """Drop a socket's connection as a lost network would: its client reconnects by itself."""
        member = self.manager.member(sid, namespace)
        if member is not None:
            self.engine.abort(member.eio_sid)

    async def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        namespace = namespace or "/"
        member = self.manager.member(sid, namespace)
        if not ignore_queue and not await self.manager.can_disconnect(sid, namespace):
            return
        if member is not None and member.connected:
            self._write(member.eio_sid, encode(DISCONNECT, None, namespace))
            await self._notify_departed(self._drop(member, SERVER_DISCONNECT))

    def opened(self, sid: str, environ: Environ) -> None:
        """Handle a new connection, whose client has yet to CONNECT."""
        if not self.manager_initialized:
            self.manager_initialized = True
            self.manager.initialize()
        self.environ[sid] = environ

    def received(self, sid: str, data: str | bytes) -> Work | None:
        """Decode a message. Raising closes the connection; the returned work waits for the client's earlier events."""
        waiting: Packet | None = self._binary_packet.get(sid)
        if isinstance(data, str):
            if waiting is not None:
                raise ValueError("text in place of an attachment")
            if (ack := ack_of(data)) is not None and not self._requested(sid, ack):
                self._count_stray(sid, ack)
                return None
            packet = decode(data)
            if packet.attachment_count:
                if not self.manager.of_connection(sid):
                    raise ValueError("attachments from a client that has not connected")
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
            # Not behind the events: a handler may be waiting for this very answer.
            self.engine.spawn(self._handle_ack(sid, packet.namespace or "/", packet.id, packet.data))
            return None
        return self._handle(sid, packet)

    def _requested(self, sid: str, ack: AckHead) -> bool:
        member = self.manager.member(self.manager.sid_from_eio_sid(sid, ack.namespace), ack.namespace)
        return member is not None and member.callbacks is not None and ack.id in member.callbacks

    def _count_stray(self, sid: str, ack: AckHead) -> None:
        """Count an ack that no event requested, without decoding it; raises ValueError when there are too many."""
        self._strays[sid] = self._strays.get(sid, 0) + 1
        if ack.binary or self._strays[sid] > MOST_STRAY_ACKS:
            raise ValueError("it acknowledges events that requested no ack")

    def closed(self, sid: str, reason: str) -> None:
        """Handle the end of a connection, and with it of every namespace it was in."""
        self._binary_packet.pop(sid, None)
        self._strays.pop(sid, None)
        self._refusals.pop(sid, None)
        self.environ.pop(sid, None)
        for member in self.manager.of_connection(sid):
            if member.connected:
                self.engine.spawn(self._notify_departed(self._drop(member, reason)))
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
                self.engine.abort(eio_sid, "transport error")
        elif packet.packet_type == DISCONNECT:
            await self._handle_disconnect(eio_sid, namespace, CLIENT_DISCONNECT)
        else:
            await self._handle_event(eio_sid, namespace, packet.id, packet.data)

    async def _handle_connect(self, eio_sid: str, namespace: str, data: Any) -> None:
        if self.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            self.engine.abort(eio_sid, "transport error")
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
            self.engine.abort(member.eio_sid)
            member = None
        member = member or self.manager.register(sid, eio_sid, namespace)
        self._write(eio_sid, encode(CONNECT, {"sid": sid, **admission.answer}, namespace))
        self.manager.activate(member)
        if admission.connected is not None:
            admission.connected(sid)

    async def _handle_disconnect(self, eio_sid: str, namespace: str, reason: str | None = None) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        member = self.manager.member(sid, namespace)
        if member is not None:
            await self._notify_departed(self._drop(member, reason or CLIENT_DISCONNECT))

    def _drop(self, member: Member, reason: str) -> Departure:
        namespace, eio_sid = member.namespace, member.eio_sid
        session = self.engine.store(eio_sid).get(namespace, {})
        rooms = self.manager.drop(member)
        self.engine.unsettle(eio_sid)
        return Departure(member.sid, eio_sid, namespace, reason, rooms, session)

    async def _notify_departed(self, departure: Departure) -> None:
        try:
            await self.departed(departure)
        except Exception:
            log.exception("a disconnect handler failed")

    async def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: list[Any]) -> None:
        member = self.manager.member(self.manager.sid_from_eio_sid(eio_sid, namespace), namespace)
        if member is None or not member.connected:
            return
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
