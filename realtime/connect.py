"""Connecting: who may connect, and as a new socket or as one that returns and misses nothing."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from realtime import resume
from realtime.background import Background
from realtime.claims import Claims
from realtime.delivery import Delivery
from realtime.hidden_authors import HiddenAuthors
from realtime.lifecycle import Lifecycle
from realtime.limits import Bucket
from realtime.redis_channels import RedisChannels
from realtime.resume import Left, Pid, Pids
from realtime.room_access import RoomAccess
from realtime.settings import GatewaySettings
from realtime.socketio.admission import Admission
from realtime.socketio.packets import UNREADABLE
from realtime.socketio.server import ConnectionRefused
from realtime.sockets import Socket, Sockets
from social.contracts.auth import SessionEnd
from social.contracts.problems import MalformedJson, NotAuthenticated, Problem, RateLimited, Unavailable, unexpected
from social.contracts.pushes import ConnectAuth, user_room
from social.infra import clock
from social.infra.observe import logs, metrics
from social.infra.process.health import Health
from social.infra.process.plaza import Plaza
from social.infra.security.token_problems import find_problem, refusal
from social.infra.security.tokens import Access, Verifier
from social.infra.settings import StartError
from social.notifications import replay, streams

log = logs.get("connect")

RECHECK_S = 1.0  # how often a wait for a channel checks that the socket is still there


class Start(NamedTuple):
    """The start of a socket: its pid, its stream's position, and what it missed if it came back."""

    pid: Pid
    text: str  # the pid as the client keeps it
    position: streams.Position
    missed: replay.Replay | None = None
    rooms: tuple[str, ...] = ()


class Connecting:
    """The steps from a CONNECT packet to a socket that gets every event of its stream, in order, once."""

    def __init__(
        self,
        settings: GatewaySettings,
        plaza: Plaza,
        verifier: Verifier,
        pids: Pids,
        left: Left,
        *,
        health: Health,
        sockets: Sockets,
        claims: Claims,
        redis_channels: RedisChannels,
        hidden_authors: HiddenAuthors,
        lifecycle: Lifecycle,
        delivery: Delivery,
        room_access: RoomAccess,
        background: Background,
        abort_connection: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._plaza = plaza
        self._verifier = verifier
        self._pids = pids
        self._left = left
        self._health = health
        self._sockets = sockets
        self._claims = claims
        self._redis_channels = redis_channels
        self._hidden_authors = hidden_authors
        self._lifecycle = lifecycle
        self._delivery = delivery
        self._room_access = room_access
        self._background = background
        self._abort_connection = abort_connection
        self._handshakes = Bucket(settings.handshakes_per_s, settings.handshakes_per_s)
        self._under_way = 0  # connects after their token was verified: only people with a login may take places

    def places(self) -> int:
        """Return how many more connects may be worked on at once; where there are none, others come back later."""
        return max(0, self._settings.connects_at_once - self._under_way)

    async def authorize(self, eio_sid: str, namespace: str, auth: Any, environ: Mapping[str, Any]) -> Admission:
        """Admit or refuse a CONNECT packet; after a refusal for the moment the client comes back by itself."""
        logs.bind_trace(clock.new_id())
        try:
            admission = await self._admit(eio_sid, auth)
        except (Unavailable, RateLimited) as problem:
            self._count_refusal(problem)
            raise self._retry_later(eio_sid, problem) from None
        except Problem as problem:
            self._count_refusal(problem)
            raise ConnectionRefused(str(problem), problem.body()) from None
        except StartError as error:  # the store refuses us: only a start ends with that
            log.error("connect failed", error=str(error))
            raise self._retry_later(eio_sid, Unavailable()) from None
        except Exception:
            log.exception("connect failed")
            metrics.SOCKET_HANDSHAKES.labels(result="internal").inc()
            raise self._retry_later(eio_sid, unexpected()) from None
        metrics.SOCKET_HANDSHAKES.labels(result="ok").inc()
        return admission

    @staticmethod
    def _count_refusal(problem: Problem) -> None:
        metrics.SOCKET_HANDSHAKES.labels(result=problem.code).inc()
        log.info("connect refused", code=problem.code)

    def _retry_later(self, eio_sid: str, problem: Problem) -> ConnectionRefused:
        """Abort the connection: official clients stay away after a refusal, but reconnect after a lost connection."""
        self._abort_connection(eio_sid)
        return ConnectionRefused(problem.title, problem.body())

    async def _admit(self, eio_sid: str, auth: Any) -> Admission:
        if not self.places():
            raise RateLimited("Too many connects at once")
        request, access = self._authenticate(auth)
        if not self._handshakes.take():  # after the token: only people with a login may use these up
            raise RateLimited("Too many connects in a second")
        self._under_way += 1
        try:
            return await self._admit_login(eio_sid, request, access)
        finally:
            self._under_way -= 1

    async def _admit_login(self, eio_sid: str, request: ConnectAuth, access: Access) -> Admission:
        pid = self._pids.read(request.pid, user_id=access.user_id, login_id=access.session_id)
        others = [each for each in self._sockets.of_user(access.user_id) if pid is None or each.sid != pid.sid]
        if len(others) >= self._settings.sockets_per_user:
            raise TooManySockets
        socket = Socket(access, eio_sid, Bucket(self._settings.events_per_s, self._settings.events_burst))
        self._sockets.add_connecting(socket)  # before the check: a revocation from here on finds it
        self._redis_channels.acquire(user_room(socket.user_id))
        try:
            self._plaza.revocations.check(access)
            start, hidden = await asyncio.gather(
                self._start(socket, pid, request), self._hidden_authors.read(socket), return_exceptions=True
            )  # both end, whatever happens: neither goes on with a socket that is given up
            if isinstance(start, BaseException):
                raise start
            if isinstance(hidden, BaseException):
                raise hidden
            if socket.ended:
                self._plaza.revocations.check(access)
                raise Unavailable("The client came back on another connection")
        except BaseException:
            self._abandon(socket)
            raise
        # No await from here to `connected`, which the server calls before it lets anything else run.
        self._claims.complete(socket)
        return Admission(
            sid=socket.sid,
            answer={"pid": start.text},
            connected=lambda _: self._connected(socket, start),
            abandoned=lambda: self._abandon(socket),
        )

    def _authenticate(self, auth: Any) -> tuple[ConnectAuth, Access]:
        if self._health.stopping:
            raise Unavailable("This gateway stops")
        if auth is UNREADABLE:
            raise MalformedJson("auth is nested too deeply")
        fields = auth if isinstance(auth, dict) else {}
        if (wrong := find_problem(fields.get("token"))) is not None:
            raise refusal(wrong._replace(detail=f"{wrong.detail}; connect with auth: {{token}}"))
        try:
            request = ConnectAuth.model_validate(fields, strict=True)
        except ValidationError:
            raise NotAuthenticated("Connect with auth: {token}") from None
        return request, self._verifier.verify(request.token)

    async def _start(self, socket: Socket, pid: Pid | None, request: ConnectAuth) -> Start:
        room, confirm_s = user_room(socket.user_id), self._settings.confirm_s
        if pid is None:
            await self._redis_channels.confirmed(room, confirm_s)
            metrics.SOCKET_RESUMES.labels(outcome="fresh" if request.pid is None else "foreign").inc()
            return await self._fresh(socket)
        if pid.sid in self._left:
            metrics.SOCKET_RESUMES.labels(outcome="left").inc()
            return await self._fresh(socket)
        self._claims.take(socket, pid.sid)
        rooms, _ = await asyncio.gather(
            self._claims.claim(socket, pid), self._redis_channels.confirmed(room, confirm_s)
        )
        if rooms is None:
            return await self._unrecovered(socket, "left")
        missed = await replay.since(self._plaza.mongo, socket.user_id, resume.position(pid, request.offset))
        if not missed.recovered:
            return await self._unrecovered(socket, "outside_window")
        metrics.SOCKET_RESUMES.labels(outcome="recovered").inc()
        return Start(pid, str(request.pid), missed.position, missed, rooms)

    async def _unrecovered(self, socket: Socket, outcome: str) -> Start:
        """Give up the claim of the sid here, and start as a new socket."""
        metrics.SOCKET_RESUMES.labels(outcome=outcome).inc()
        self._claims.release(socket)
        return await self._fresh(socket)

    async def _fresh(self, socket: Socket) -> Start:
        position = await streams.position(self._plaza.mongo, socket.user_id)
        socket.sid, socket.claim_gen = clock.new_secret(15), 0
        pid = Pid(
            sid=socket.sid,
            user_id=socket.user_id,
            login_id=socket.login_id,
            epoch=position.epoch,
            base=position.seq,
            node=self._redis_channels.node,
            issued_at=int(clock.now().timestamp()),
        )
        return Start(pid, self._pids.sign(pid), position)

    def _connected(self, socket: Socket, start: Start) -> None:
        """Write what was missed and what waited, and enter the rooms, before anything else of the client is read."""
        log.info("socket connected", user_id=socket.user_id, recovered=start.missed is not None)
        self._lifecycle.begin(socket)
        self._delivery.begin(socket, start.missed, start.position)
        if not self._redis_channels.listens(user_room(socket.user_id)):
            self._background.spawn("late confirmation", self._reread_once_confirmed(socket))
        if start.rooms:
            self._background.spawn("restore rooms", self._room_access.restore(socket, start.rooms))
        try:
            self._plaza.revocations.check(socket.login)
        except Problem:
            self._lifecycle.end(socket, self._plaza.revocations.reason(socket.login) or SessionEnd.UNKNOWN)

    async def _reread_once_confirmed(self, socket: Socket) -> None:
        """Read the stream once more when Redis confirms the channel, which it did not in time."""
        while not await self._redis_channels.confirmed(user_room(socket.user_id), RECHECK_S):
            if socket.ended:
                return
        if not socket.ended:
            self._delivery.mark_stale(socket, "late confirmation")

    def _abandon(self, socket: Socket) -> None:
        socket.ended = True
        self._claims.release(socket)
        self._sockets.remove(socket)
        self._redis_channels.release(user_room(socket.user_id))


class TooManySockets(Problem):
    """A person has as many sockets on this gateway as they may."""

    status, code, title = 429, "too_many_sockets", "Too many sockets of one person"
