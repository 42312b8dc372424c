"""Who may connect, and as what: a fresh socket, or one that returns and misses nothing."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from realtime import resume
from realtime.limits import Bucket
from realtime.resume import Pid
from realtime.socketio.packets import UNREADABLE
from realtime.socketio.server import Admission, ConnectionRefused
from realtime.sockets import Socket
from social.contracts.auth import SessionEnd
from social.contracts.problems import MalformedJson, NotAuthenticated, Problem, RateLimited, Unavailable, unexpected
from social.contracts.pushes import ConnectAuth, user_room
from social.infra import clock
from social.infra.observe import logs, metrics
from social.infra.process.settings import StartError
from social.infra.redis.redis import AWAY
from social.infra.security.tokens import mistake, refusal
from social.notifications import replay, streams

if TYPE_CHECKING:
    from realtime.app import Gateway

log = logs.get("connect")

CLAIM_S = 1.0
LOOK_S = 1.0  # between two looks whether a socket that waits for its channel is still there


class Start(NamedTuple):
    """Where a socket begins: its pid, its stream's position, and what it missed if it came back."""

    pid: Pid
    text: str  # the pid as the client keeps it
    position: streams.Position
    missed: replay.Replay | None = None
    rooms: tuple[str, ...] = ()


class Connecting:
    """The steps from a CONNECT packet to a socket that is told everything, in order, once."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._handshakes = Bucket(gateway.settings.handshakes_per_s, gateway.settings.handshakes_per_s)
        self._claims: dict[str, asyncio.Event] = {}  # the last claim under way of each sid
        self._by_sid: dict[str, Socket] = {}  # who of those connecting claimed a sid last

    async def authorize(self, eio_sid: str, namespace: str, auth: Any, environ: Mapping[str, Any]) -> Admission:
        """Admit or refuse a CONNECT packet; what is away for a moment makes the client come back by itself."""
        logs.bind_trace(clock.new_id())
        try:
            admission = await self._admit(eio_sid, auth)
        except (Unavailable, RateLimited) as problem:
            self._refused(problem)
            raise self._later(eio_sid, problem) from None
        except Problem as problem:
            self._refused(problem)
            raise ConnectionRefused(str(problem), problem.body()) from None
        except StartError as error:  # the store refuses us: only a start ends with that
            log.error("connect failed", error=str(error))
            raise self._later(eio_sid, Unavailable()) from None
        except Exception:
            log.exception("connect failed")
            metrics.HANDSHAKES.labels(result="internal").inc()
            raise self._later(eio_sid, unexpected()) from None
        metrics.HANDSHAKES.labels(result="ok").inc()
        return admission

    @staticmethod
    def _refused(problem: Problem) -> None:
        metrics.HANDSHAKES.labels(result=problem.code).inc()
        log.info("connect refused", code=problem.code)

    def _later(self, eio_sid: str, problem: Problem) -> ConnectionRefused:
        """Official clients stay away after a refusal, and come back by themselves after a lost connection."""
        self._gateway.transport.cut_connection(eio_sid)
        return ConnectionRefused(problem.title, problem.body())

    async def _admit(self, eio_sid: str, auth: Any) -> Admission:
        gateway = self._gateway
        if gateway.health.stopping:
            raise Unavailable("This gateway stops")
        if auth is UNREADABLE:
            raise MalformedJson("auth is nested too deeply")
        fields = auth if isinstance(auth, dict) else {}
        if (wrong := mistake(fields.get("token"))) is not None:
            raise refusal(wrong._replace(detail=f"{wrong.detail}; connect with auth: {{token}}"))
        try:
            asked = ConnectAuth.model_validate(fields, strict=True)
        except ValidationError:
            raise NotAuthenticated("Connect with auth: {token}") from None
        access = gateway.verifier.verify(asked.token)
        if not self._handshakes.take():  # after the token: strangers must not use up what people need to come back
            raise RateLimited("Too many connects at once")
        pid = gateway.pids.read(asked.pid, user_id=access.user_id, session_id=access.session_id)
        others = [each for each in gateway.sockets.of_user(access.user_id) if pid is None or each.sid != pid.sid]
        if len(others) >= gateway.settings.sockets_per_user:
            raise TooManySockets
        socket = Socket(gateway, access, eio_sid, Bucket(gateway.settings.events_per_s, gateway.settings.events_burst))
        gateway.sockets.expect(socket)  # before the check: a revocation from here on finds it
        gateway.redis_channels.want(user_room(socket.user_id))
        try:
            gateway.plaza.revocations.check(socket)
            start, looked = await asyncio.gather(
                self._start(socket, pid, asked), gateway.hidden_authors.read(socket), return_exceptions=True
            )  # both end, whatever happens: neither goes on with a socket that is given up
            if isinstance(start, BaseException):
                raise start
            if isinstance(looked, BaseException):
                raise looked
            if socket.ended:
                gateway.plaza.revocations.check(socket)
                raise Unavailable("The client came back on another connection")
        except BaseException:
            self._abandon(socket)
            raise
        # No await from here to `connected`, which the server calls before it lets anything else run.
        self._by_sid.pop(socket.sid, None)
        if (holder := gateway.sockets.get(socket.sid)) is not None:
            gateway.cut(holder)
        return Admission(
            sid=socket.sid,
            answer={"pid": start.text},
            connected=lambda _: self._connected(socket, start),
            abandoned=lambda: self._abandon(socket),
        )

    async def _start(self, socket: Socket, pid: Pid | None, asked: ConnectAuth) -> Start:
        gateway = self._gateway
        room = user_room(socket.user_id)
        if pid is None:
            await gateway.redis_channels.confirmed(room, gateway.settings.confirm_s)
            metrics.RESUMES.labels(outcome="fresh" if asked.pid is None else "foreign").inc()
            return await self._fresh(socket)
        if pid.sid in gateway.left:
            metrics.RESUMES.labels(outcome="left").inc()
            return await self._fresh(socket)
        self._take(socket, pid.sid)
        rooms, _ = await asyncio.gather(
            self._claim(socket, pid), gateway.redis_channels.confirmed(room, gateway.settings.confirm_s)
        )
        if rooms is None:
            return await self._anew(socket, pid, "left")
        missed = await replay.since(gateway.plaza.mongo, socket.user_id, resume.position(pid, asked.offset))
        if not missed.recovered:
            return await self._anew(socket, pid, "outside_window")
        metrics.RESUMES.labels(outcome="recovered").inc()
        return Start(pid, str(asked.pid), missed.position, missed, rooms)

    async def _anew(self, socket: Socket, pid: Pid, outcome: str) -> Start:
        """Start afresh after all, and give up the claim of the sid here."""
        metrics.RESUMES.labels(outcome=outcome).inc()
        if self._by_sid.get(pid.sid) is socket:
            del self._by_sid[pid.sid]
        return await self._fresh(socket)

    async def _fresh(self, socket: Socket) -> Start:
        position = await streams.position(self._gateway.plaza.mongo, socket.user_id)
        socket.sid, socket.gen = clock.new_secret(15), 0
        pid = Pid(
            sid=socket.sid,
            user_id=socket.user_id,
            session_id=socket.session_id,
            epoch=position.epoch,
            base=position.seq,
            node=self._gateway.redis_channels.node,
            issued_at=int(clock.now().timestamp()),
        )
        return Start(pid, self._gateway.pids.sign(pid), position)

    # ---- a socket id is held once

    def _take(self, socket: Socket, sid: str) -> None:
        """Whoever holds or claims this sid here gives way: its client is on this connection now."""
        gateway = self._gateway
        socket.sid = sid
        earlier = self._by_sid.get(sid)
        if earlier is not None:
            earlier.ended = True
        self._by_sid[sid] = socket
        if (holder := gateway.sockets.get(sid)) is not None:
            metrics.EVICTED.inc()
            gateway.cut(holder)

    async def _claim(self, socket: Socket, pid: Pid) -> tuple[str, ...] | None:
        """Claim the sid in the cluster, after those who claimed it here before; without Redis the old one times out.

        The answer is the rooms it was in, None when its client had left for good.
        """
        socket.gen = None
        earlier = self._claims.get(pid.sid)
        done = self._claims[pid.sid] = asyncio.Event()
        try:
            if earlier is not None:
                await earlier.wait()
            if socket.ended:  # only the newest of those connecting here may claim, or the last claim would be nobody's
                return ()
            rooms = await self._claim_now(socket, pid)
        finally:
            done.set()
            if self._claims.get(pid.sid) is done:
                del self._claims[pid.sid]
        socket.ended = socket.ended or socket.outrun > (socket.gen or 0)
        return rooms

    async def _claim_now(self, socket: Socket, pid: Pid) -> tuple[str, ...] | None:
        gateway = self._gateway
        try:
            async with asyncio.timeout(CLAIM_S):
                claimed = await resume.claim(gateway.plaza.redis, pid.sid, gateway.redis_channels.node)
        except AWAY as error:
            log.warning("socket id not claimed", error=str(error))
            socket.gen = clock.millis(clock.now())
            return ()
        socket.gen = claimed.gen
        if claimed.left:
            return None
        holder = claimed.held_by or pid.node
        if holder != gateway.redis_channels.node:
            await gateway.redis_channels.tell(holder, {"evict": pid.sid, "gen": claimed.gen})
        return tuple(claimed.rooms)

    def evict(self, sid: str, gen: int) -> None:
        """Another gateway has this sid under a later claim."""
        for socket in (self._gateway.sockets.get(sid), self._by_sid.get(sid)):
            if socket is None:
                continue
            socket.outrun = max(socket.outrun, gen)
            if socket.gen is not None and socket.gen < gen:
                if socket.connected:
                    metrics.EVICTED.inc()
                    self._gateway.cut(socket)
                else:
                    socket.ended = True

    # ---- the end of it

    def _connected(self, socket: Socket, start: Start) -> None:
        """CONNECT is written: what was missed, what was held, and the rooms, all before anything else is read."""
        gateway = self._gateway
        socket.connected = True
        gateway.sockets.add(socket)
        gateway.presences.came(socket.user_id)
        metrics.SOCKETS.set(len(gateway.sockets))
        log.info("socket connected", user_id=socket.user_id, recovered=start.missed is not None)
        gateway.server.enter(socket.sid, user_room(socket.user_id))
        gateway.delivery.begin(socket, start.missed, start.position)
        if not gateway.redis_channels.listens(user_room(socket.user_id)):
            gateway.background.spawn("late confirmation", self._reread_later(socket))
        if start.rooms:
            gateway.background.spawn("restore rooms", gateway.room_access.restore(socket, start.rooms))
        try:
            gateway.plaza.revocations.check(socket)
        except Problem:
            gateway.end(socket, gateway.plaza.revocations.reason(socket) or SessionEnd.UNKNOWN)

    async def _reread_later(self, socket: Socket) -> None:
        """The channel was not confirmed in time: look once more when it is."""
        while not await self._gateway.redis_channels.confirmed(user_room(socket.user_id), LOOK_S):
            if socket.ended:
                return
        if not socket.ended:
            self._gateway.delivery.mark_stale(socket, "late confirmation")

    def _abandon(self, socket: Socket) -> None:
        socket.ended = True
        if self._by_sid.get(socket.sid) is socket:
            del self._by_sid[socket.sid]
        self._gateway.sockets.remove(socket)
        self._gateway.redis_channels.release(user_room(socket.user_id))


class TooManySockets(Problem):
    status, code, title = 429, "too_many_sockets", "Too many sockets of one person"
