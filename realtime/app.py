"""The composition root of the realtime process: one gateway, startable inside another process too."""

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Any

import realtime.events  # noqa: F401 - registers what clients may send
from realtime import resume
from realtime.background import Background
from realtime.connect import Connecting
from realtime.delivery import Delivery
from realtime.dispatch import Ack, dispatch
from realtime.hidden_authors import HiddenAuthors
from realtime.presence import Presences
from realtime.redis_bridge import CHANNEL, SocketIORedisBridge
from realtime.redis_channels import RedisChannels
from realtime.resume import Left, Pids
from realtime.room_access import RoomAccess
from realtime.settings import GatewaySettings
from realtime.socketio.server import CLIENT_DISCONNECT, SERVER_DISCONNECT, Departure
from realtime.sockets import Socket, Sockets
from realtime.transport import Transport
from social.contracts.auth import SessionEnd
from social.contracts.messages import SessionRenewed
from social.contracts.problems import NotAuthenticated, Unavailable
from social.contracts.pushes import Drain, SessionEnded, frame, user_room
from social.infra import clock
from social.infra.observe import logs, metrics
from social.infra.process.admission import Admission
from social.infra.process.health import Health
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks
from social.infra.redis.limits import Limiter
from social.infra.redis.redis import AWAY
from social.infra.security.tokens import LEEWAY, Verifier

log = logs.get("gateway")

TICK_S = 1.0
IN_FLIGHT_S = 0.5  # a push that takes longer from its append to us counts as lost
SWEEP_WITHOUT_LISTENER_S = 5.0
FOR_GOOD = (CLIENT_DISCONNECT, SERVER_DISCONNECT)  # reasons after which a socket is not recovered, as Socket.IO has it


class Gateway:
    """One realtime node: its sockets, its ear on Redis, and what ties them together."""

    def __init__(self, settings: GatewaySettings, plaza: Plaza, verifier: Verifier, tasks: Tasks) -> None:
        self.settings = settings
        self.plaza = plaza
        self.verifier = verifier
        self.port = 0
        self._tasks = tasks
        self.background = Background()
        self.admission = Admission()
        self.limiter = Limiter(plaza.redis)
        self.sockets = Sockets()
        self.health = Health({"mongo": plaza.mongo.ping})
        self._connecting = Connecting(self)
        self.transport = Transport(settings, self.health, authorize=self._connecting.authorize, departed=self._departed)
        self.transport.received(self._received)
        self.server = self.transport.server
        self.delivery = Delivery(
            plaza.mongo,
            self.sockets,
            self.server,
            self.background,
            cut=self.cut,
            most_unread=settings.max_buffered_bytes // 4,
        )
        self.redis_channels = RedisChannels(
            plaza.redis,
            pushed=self.delivery.pushed,
            told=self._told,
            regained=self._regained,
            linger_s=settings.linger_s,
            beat_s=settings.beat_s,
            silence_s=settings.silence_s,
            others={CHANNEL: self._heard_of_stock},
        )
        self.presences = Presences(
            plaza.redis,
            plaza.pushes,
            self.sockets,
            self.server,
            self.redis_channels,
            lease_s=settings.presence_lease_s,
            grace_s=settings.presence_grace_s,
        )
        self.room_access = RoomAccess(
            plaza,
            self.redis_channels,
            self.server,
            self.presences,
            self.background,
            sockets=self.sockets,
            most_posts=settings.watched_posts,
            most_people=settings.watched_people,
            confirm_s=settings.confirm_s,
        )
        self.hidden_authors = HiddenAuthors(plaza.mongo, self.sockets, self.room_access, self.background, cut=self.cut)
        self.redis_bridge = SocketIORedisBridge(
            self.server,
            self.sockets,
            self.room_access,
            disconnect=self._disconnect,
            max_bytes=settings.max_message_bytes,
        )
        self.pids = Pids(_pid_key(settings))
        self.left = Left()

    # ---- life

    async def start(self) -> None:
        """Listen for pushes, then for clients; raises StartError. `social.start` is the process's to call."""
        self.plaza.revocations.listen(self._revoked, self._revoked_all)
        await self.plaza.revocations.poll()
        self._tasks.keep("cluster", self.redis_channels.run)
        self._tasks.keep("presence", self.presences.run)
        self._tasks.keep("positions", self._sweep)
        self._tasks.keep("sight", self.hidden_authors.run)
        self._tasks.keep("expiry", self._expire)
        self.port = await self.transport.start()
        log.info("listening", port=self.port, node=self.redis_channels.node)

    async def drain(self) -> None:
        """Take nobody new, and send everybody to another gateway over `drain_s`."""
        self.health.stopping = True
        self.transport.refuse_newcomers()
        leaving = list(self.sockets)
        random.shuffle(leaving)
        step_s = self.settings.drain_s * 0.9 / max(1, len(leaving))
        for at, socket in enumerate(leaving):
            told = Drain.model_construct(after_ms=round(at * step_s * 1000))
            self.server.send_frame(socket.sid, frame("drain", told))
        started = time.monotonic()
        for at, socket in enumerate(leaving):
            late = started + at * step_s - time.monotonic()
            if late > 0:
                await asyncio.sleep(late)
            self.cut(socket)

    async def stop(self) -> None:
        """Close what is left. The long tasks end with the process's `tasks.cancel()`."""
        self.health.stopping = True
        await self.presences.leave_all()
        await self.transport.stop()
        await self.background.cancel()
        await self.limiter.close()

    # ---- sockets

    async def _received(self, event: str, sid: str, *arguments: Any) -> Ack | None:
        socket = self.sockets.get(sid)
        if socket is None:
            return None
        return await dispatch(socket, event, arguments, self.settings.event_timeout_s)

    def _departed(self, departure: Departure) -> None:
        metrics.DISCONNECTS.labels(reason=departure.reason).inc()
        socket = self.sockets.get(departure.sid)
        log.info("socket left", reason=departure.reason, user_id=socket.user_id if socket else None)
        if socket is not None and socket.eio_sid == departure.eio_sid:
            self._forget(socket)
            if departure.reason in FOR_GOOD:
                self.left.add(socket.sid)
                self.background.spawn("leave", self._leave(socket.sid))

    async def _leave(self, sid: str) -> None:
        try:
            await resume.leave(self.plaza.redis, sid)
        except AWAY as error:
            log.debug("other gateways do not know that a socket left", error=str(error))

    def cut(self, socket: Socket) -> None:
        """Drop a socket's connection; its client comes back by itself, and finds nothing of it here."""
        if socket.connected and not socket.ended:
            self._forget(socket)
            self.server.cut(socket.sid)

    def _forget(self, socket: Socket) -> None:
        socket.ended = True
        self.room_access.leave_all(socket)
        self.redis_channels.release(user_room(socket.user_id))
        self.sockets.remove(socket)
        self.presences.left(socket.user_id)
        metrics.SOCKETS.set(len(self.sockets))

    def end(self, socket: Socket, reason: str) -> None:
        """Close a socket for good: its login ended."""
        if socket.connected and not socket.ended:
            self.server.send_frame(socket.sid, frame("session.revoked", SessionEnded(reason=reason)))
            self.background.spawn("end session", self._end(socket))
        elif not socket.connected:
            socket.ended = True

    def _disconnect(self, socket: Socket) -> None:
        if not socket.ended:
            self.background.spawn("disconnect", self._end(socket))

    async def _end(self, socket: Socket) -> None:
        await self.server.disconnect(socket.sid)
        self.transport.close_connection(socket.eio_sid)  # for clients that do not close it themselves

    def renew(self, socket: Socket, token: str) -> SessionRenewed:
        """Take the next access token of the same login; raises NotAuthenticated, SessionRevoked."""
        access = self.verifier.verify(token)
        if (access.user_id, access.session_id) != (socket.user_id, socket.session_id):
            raise NotAuthenticated("This token is of another login")
        self.plaza.revocations.check(access)
        socket.expires_at = access.expires_at
        return SessionRenewed(expires_at=datetime.fromtimestamp(access.expires_at, UTC))

    # ---- what others say

    def _told(self, message: dict[str, Any]) -> None:
        """Control: a login ended, another gateway has a socket id, people see others, or are seen otherwise."""
        match message:
            case {"revoked": str(session_id), **more}:
                self.plaza.revocations.add(session_id, str(more.get("reason", SessionEnd.UNKNOWN)))
            case {"sessions_ended": str(user_id), "generation": int(generation), **more}:
                keep, reason = more.get("keep"), str(more.get("reason", SessionEnd.UNKNOWN))
                self.plaza.revocations.add_all(
                    user_id, generation, reason, keep=keep if isinstance(keep, str) else None
                )
            case {"evict": str(sid), "gen": int(gen)}:
                self._connecting.evict(sid, gen)
            case {"visibility": list(people)}:
                self.hidden_authors.told(people)
            case {"cards": list(keys)}:  # here too: what is pushed after this comes by the same connection
                self.plaza.mongo.memory.forget(each for each in keys if isinstance(each, str))

    def _heard_of_stock(self, said: bytes) -> None:
        self.redis_bridge.heard(said)

    def _revoked(self, session_id: str, reason: str) -> None:
        for socket in self.sockets.of_family(session_id):
            self.end(socket, reason)

    def _revoked_all(self, user_id: str) -> None:
        for socket in self.sockets.of_user(user_id):
            if (reason := self.plaza.revocations.reason(socket)) is not None:
                self.end(socket, reason)

    async def _regained(self) -> None:
        """Redis is back: whatever was pushed meanwhile is in the streams."""
        self.background.spawn("re-read", self.delivery.reread_until_done("redis lost"))
        self.background.spawn("tell again", self._tell_again())

    async def _tell_again(self) -> None:
        try:
            await self.room_access.tell_again(self.redis_channels.rooms())
        except Unavailable as error:
            log.debug("counts not told again", error=str(error))

    # ---- the long tasks

    async def _sweep(self) -> None:
        """Compare all positions now and then: even a push that vanished without a trace is found."""
        while True:
            most = self.settings.sweep_s
            every = most if self.redis_channels.up else min(most, SWEEP_WITHOUT_LISTENER_S)
            await asyncio.sleep(every * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
            try:
                await self.delivery.reread("sweep", IN_FLIGHT_S)
            except Unavailable as error:
                log.warning("positions not readable", error=str(error))

    async def _expire(self) -> None:
        """Cut sockets whose token ran out; they come back, are told so, and renew."""
        while True:
            await asyncio.sleep(TICK_S)
            over = time.time() - LEEWAY.total_seconds()
            for socket in self.sockets:
                if socket.expires_at <= over:
                    self.cut(socket)


def _pid_key(settings: GatewaySettings) -> bytes:
    key = settings.pid_key.get_secret_value() if settings.pid_key else clock.new_secret(32)
    return key.encode()
