"""The life of a socket on this gateway: it is added once connected, and ended, aborted or removed."""

from collections.abc import Callable

from realtime import resume
from realtime.background import Background
from realtime.presence import Presences
from realtime.redis_channels import RedisChannels
from realtime.resume import Left
from realtime.room_access import RoomAccess
from realtime.socketio.admission import Departure
from realtime.socketio.server import CLIENT_DISCONNECT, SERVER_DISCONNECT, Server
from realtime.sockets import Socket, Sockets
from social.contracts.pushes import SessionEnded, frame, user_room
from social.infra.observe import logs, metrics
from social.infra.redis.redis import AWAY, Redis

log = logs.get("sockets")

FINAL = (CLIENT_DISCONNECT, SERVER_DISCONNECT)  # reasons after which a socket is not recovered, as Socket.IO has it


class Lifecycle:
    """Adds sockets to all that counts them, and takes them out again."""

    def __init__(
        self,
        sockets: Sockets,
        server: Server,
        redis_channels: RedisChannels,
        presences: Presences,
        room_access: RoomAccess,
        *,
        redis: Redis,
        background: Background,
        left: Left,
        close_connection: Callable[[str], None],
    ) -> None:
        self._sockets = sockets
        self._server = server
        self._redis_channels = redis_channels
        self._presences = presences
        self._room_access = room_access
        self._redis = redis
        self._background = background
        self._left = left
        self._close_connection = close_connection

    def begin(self, socket: Socket) -> None:
        """Add a socket whose CONNECT was written, and put it into its person's own room."""
        socket.connected = True
        self._sockets.add(socket)
        self._presences.arrived(socket.user_id)
        metrics.SOCKETS.set(len(self._sockets))
        self._server.enter(socket.sid, user_room(socket.user_id))

    def departed(self, departure: Departure) -> None:
        """Remove the socket of a connection that has ended, if no other connection has its sid by now."""
        metrics.SOCKET_DISCONNECTS.labels(reason=departure.reason).inc()
        socket = self._sockets.get(departure.sid)
        log.info("socket left", reason=departure.reason, user_id=socket.user_id if socket else None)
        if socket is not None and socket.eio_sid == departure.eio_sid:
            self._remove(socket)
            if departure.reason in FINAL:
                self._left.add(socket.sid)
                self._background.spawn("mark as left", self._mark_as_left(socket.sid))

    def abort(self, socket: Socket) -> None:
        """Drop a socket's connection and forget the socket here; its client reconnects by itself."""
        if socket.connected and not socket.ended:
            self._remove(socket)
            self._server.abort(socket.sid)

    def end(self, socket: Socket, reason: str) -> None:
        """Close a socket for good: its login ended."""
        if socket.connected and not socket.ended:
            self._server.send_frame(socket.sid, frame("session.revoked", SessionEnded(reason=reason)))
            self._background.spawn("end session", self._disconnect(socket))
        elif not socket.connected:
            socket.ended = True

    def disconnect(self, socket: Socket) -> None:
        """Disconnect a socket in the background; its client does not reconnect by itself."""
        if not socket.ended:
            self._background.spawn("disconnect", self._disconnect(socket))

    async def _disconnect(self, socket: Socket) -> None:
        await self._server.disconnect(socket.sid)
        self._close_connection(socket.eio_sid)  # for clients that do not close it themselves

    def _remove(self, socket: Socket) -> None:
        socket.ended = True
        self._room_access.leave_all(socket)
        self._redis_channels.release(user_room(socket.user_id))
        self._sockets.remove(socket)
        self._presences.left(socket.user_id)
        metrics.SOCKETS.set(len(self._sockets))

    async def _mark_as_left(self, sid: str) -> None:
        try:
            await resume.leave(self._redis, sid)
        except AWAY as error:
            log.debug("departure of a socket not published to other gateways", error=str(error))
