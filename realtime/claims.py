"""Claims of socket ids: in the whole cluster a socket id belongs to one connection, which claimed it last."""

import asyncio
from collections.abc import Callable

from realtime import resume
from realtime.redis_channels import RedisChannels
from realtime.resume import Pid
from realtime.sockets import Socket, Sockets
from social.infra import clock
from social.infra.observe import logs, metrics
from social.infra.redis.redis import AWAY, Redis

log = logs.get("claims")

CLAIM_S = 1.0


class Claims:
    """Takes the socket ids of returning clients over from the connections that had them, here and elsewhere."""

    def __init__(
        self, redis: Redis, redis_channels: RedisChannels, sockets: Sockets, *, abort: Callable[[Socket], None]
    ) -> None:
        self._redis = redis
        self._redis_channels = redis_channels
        self._sockets = sockets
        self._abort = abort
        self._under_way: dict[str, asyncio.Event] = {}  # the last claim under way of each sid
        self._connecting: dict[str, Socket] = {}  # the connecting socket that claimed a sid last

    def take(self, socket: Socket, sid: str) -> None:
        """Give a connecting socket its sid; another socket here that holds or claims the sid gives way."""
        socket.sid = sid
        earlier = self._connecting.get(sid)
        if earlier is not None:
            earlier.ended = True
        self._connecting[sid] = socket
        if (holder := self._sockets.get(sid)) is not None:
            metrics.SOCKETS_EVICTED.inc()
            self._abort(holder)

    async def claim(self, socket: Socket, pid: Pid) -> tuple[str, ...] | None:
        """Claim the socket's sid in the cluster, after earlier claims of it here; return the rooms it was in.

        Return None when its client had left for good. Without Redis the sid's earlier connection times out.
        """
        socket.claim_gen = None
        earlier = self._under_way.get(pid.sid)
        done = self._under_way[pid.sid] = asyncio.Event()
        try:
            if earlier is not None:
                await earlier.wait()
            if (
                socket.ended
            ):  # only the newest of the sockets connecting here may claim, or no socket had the last claim
                return ()
            rooms = await self._claim(socket, pid)
        finally:
            done.set()
            if self._under_way.get(pid.sid) is done:
                del self._under_way[pid.sid]
        socket.ended = socket.ended or socket.newest_claim_gen > (socket.claim_gen or 0)
        return rooms

    async def _claim(self, socket: Socket, pid: Pid) -> tuple[str, ...] | None:
        try:
            async with asyncio.timeout(CLAIM_S):
                claimed = await resume.claim(self._redis, pid.sid, self._redis_channels.node)
        except AWAY as error:
            log.warning("socket id not claimed", error=str(error))
            socket.claim_gen = clock.millis(clock.now())
            return ()
        socket.claim_gen = claimed.gen
        if claimed.left:
            return None
        holder = claimed.held_by or pid.node
        if holder != self._redis_channels.node:
            await self._redis_channels.send_to(holder, {"evict": pid.sid, "gen": claimed.gen})
        return tuple(claimed.rooms)

    def release(self, socket: Socket) -> None:
        """Give up a connecting socket's claim here, unless another socket has claimed its sid since."""
        if self._connecting.get(socket.sid) is socket:
            del self._connecting[socket.sid]

    def complete(self, socket: Socket) -> None:
        """End the claim of a socket that connects now: the connected socket that holds its sid gives way."""
        self._connecting.pop(socket.sid, None)
        if (holder := self._sockets.get(socket.sid)) is not None:
            self._abort(holder)

    def evict(self, sid: str, gen: int) -> None:
        """Abort the socket that has this sid here: another gateway holds a later claim of it."""
        for socket in (self._sockets.get(sid), self._connecting.get(sid)):
            if socket is None:
                continue
            socket.newest_claim_gen = max(socket.newest_claim_gen, gen)
            if socket.claim_gen is not None and socket.claim_gen < gen:
                if socket.connected:
                    metrics.SOCKETS_EVICTED.inc()
                    self._abort(socket)
                else:
                    socket.ended = True
