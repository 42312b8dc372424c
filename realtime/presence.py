"""Presence of people: a lease per person and gateway in Redis that expires, never a counter that drifts.

`presence:<user>` is a sorted set of gateways by the end of their lease, in milliseconds of Redis' clock. A person is
online while one of these ends lies ahead, by no more than a lease lasts; otherwise the latest end is when they were
last seen.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

from realtime.redis_channels import RedisChannels
from realtime.socketio.server import Server
from realtime.sockets import Sockets
from social.contracts.problems import Unavailable
from social.contracts.pushes import Presence, frame, presence_room
from social.infra import clock
from social.infra.observe import logs
from social.infra.redis.pushing import Hint, Pushes
from social.infra.redis.redis import AWAY, Redis

log = logs.get("presence")

REMEMBERED_S = 30 * 24 * 3600
CHUNK = 500
MOST_GATEWAYS = 16  # remembered per person; every start of a process is another one
FLUSH_S = 0.2
WHOLLY_EVERY = 10  # refreshes; between them, one command a person is enough


class Presences:
    """The leases of all people with sockets here, and the state that watchers here have of others."""

    def __init__(
        self,
        redis: Redis,
        pushes: Pushes,
        sockets: Sockets,
        server: Server,
        redis_channels: RedisChannels,
        *,
        lease_s: float,
        grace_s: float,
    ) -> None:
        self._redis = redis
        self._pushes = pushes
        self._sockets = sockets
        self._server = server
        self._redis_channels = redis_channels
        self._node = redis_channels.node
        self._lease_ms = round(lease_s * 1000)
        self._refresh_s = lease_s / 3
        self._grace_s = grace_s
        self._arrived: set[str] = set()
        self._leaving: dict[str, float] = {}  # people whose last socket here went, and when their lease ends
        self._changed = asyncio.Event()
        self._clock_ahead_ms: int | None = None  # our clock minus Redis' clock, at the last answer
        self._refreshes = 0
        self._watched: dict[str, bool] = {}  # people watched here, and whether watchers saw them online last

    def arrived(self, user_id: str) -> None:
        """Begin the lease of a person, a socket of whom connected."""
        if self._leaving.pop(user_id, None) is None:
            self._arrived.add(user_id)
            self._changed.set()

    def left(self, user_id: str) -> None:
        """End the lease of a person whose last socket left, `grace_s` later, since most come back at once."""
        if not self._here(user_id):
            self._leaving[user_id] = time.monotonic() + self._grace_s
            self._changed.set()

    async def read(self, user_ids: Sequence[str]) -> list[Presence]:
        """Return the presence of people now; raises Unavailable without Redis."""
        try:
            found = await self._read(user_ids)
        except AWAY as error:
            raise Unavailable from error
        for each in found:
            self._watched[each.user_id] = each.online
        return found

    async def run(self) -> None:
        """Write changes a few times a second, and renew and compare everything well before a lease ends."""
        due = time.monotonic() + self._refresh_s
        while True:
            if not self._arrived and not self._leaving:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(due - time.monotonic()):
                        await self._changed.wait()
            await asyncio.sleep(FLUSH_S)
            try:
                await self._flush()
                if time.monotonic() >= due:
                    due = time.monotonic() + self._refresh_s
                    await self._refresh()
            except AWAY as error:
                log.debug("redis away; presence lags", error=str(error))

    async def leave_all(self) -> None:
        """End the leases of all people who are still here: this gateway stops."""
        users = [*self._leaving, *self._sockets.users()]
        try:
            async with asyncio.timeout(1):
                for some in _chunks(users):
                    await self._end(some)
        except AWAY as error:
            log.debug("leases not ended; they expire", error=str(error))

    def _here(self, user_id: str) -> bool:
        return any(socket.connected and not socket.ended for socket in self._sockets.of_user(user_id))

    async def _flush(self) -> None:
        now = time.monotonic()
        arrived = list(islice(self._arrived, CHUNK))
        if arrived:
            await self._renew(arrived)
            self._arrived.difference_update(arrived)
        gone = [user for user, at in islice(self._leaving.items(), 4 * CHUNK) if at <= now][:CHUNK]
        if gone:
            await self._end(gone)
            for user in gone:
                self._leaving.pop(user, None)

    async def _refresh(self) -> None:
        self._refreshes += 1
        for some in _chunks(self._sockets.users()):
            if self._refreshes % WHOLLY_EVERY:
                await self._extend(some)
            else:
                await self._renew(some, announce=False)
        for user in [each for each in self._watched if not self._redis_channels.holds(presence_room(each))]:
            del self._watched[user]
        for some in _chunks(list(self._watched)):
            for found in await self._read(some):
                if self._watched.get(found.user_id, found.online) != found.online:  # a lease ran out, unannounced
                    self._watched[found.user_id] = found.online
                    self._server.publish_frame(presence_room(found.user_id), frame("presence", found))

    async def _extend(self, users: Sequence[str]) -> None:
        """Write later ends of leases; a lease that Redis has lost is begun anew."""
        end = await self._now_ms() + self._lease_ms
        async with self._redis.pipeline(transaction=False) as pipeline:
            for user in users:
                pipeline.zadd(presence_room(user), {self._node: end}, xx=True, ch=True)
            pipeline.time()
            *changed, at = await pipeline.execute()
        self._note_redis_time(at)
        if lost := [user for user, is_later in zip(users, changed, strict=True) if not is_later]:
            await self._renew(lost, announce=False)

    async def _renew(self, users: Sequence[str], *, announce: bool = True) -> None:
        """Renew leases; announce people who were not online before."""
        now = await self._now_ms()
        async with self._redis.pipeline(transaction=False) as pipeline:
            for user in users:
                key = presence_room(user)
                pipeline.zremrangebyscore(key, f"({now + 2 * self._lease_ms}", "+inf")  # of a clock that was ahead
                pipeline.zrevrange(key, 0, 0, withscores=True)
                pipeline.zadd(key, {self._node: now + self._lease_ms})
                pipeline.zremrangebyrank(key, 0, -1 - MOST_GATEWAYS)
                pipeline.expire(key, REMEMBERED_S)
            pipeline.time()
            *answers, at = await pipeline.execute()
        self._note_redis_time(at)
        fresh = [user for user, ends in zip(users, answers[1::5], strict=True) if not self._lasts(ends, now)]
        if announce and fresh:
            await self._announce([Presence.model_construct(user_id=each, online=True, version=now) for each in fresh])

    async def _end(self, users: Sequence[str]) -> None:
        """End leases now; announce people who have no lease elsewhere."""
        now = await self._now_ms()
        async with self._redis.pipeline(transaction=False) as pipeline:
            for user in users:
                pipeline.zadd(presence_room(user), {self._node: now})
                pipeline.zrevrange(presence_room(user), 0, 0, withscores=True)
            answers = await pipeline.execute()
        gone = [user for user, ends in zip(users, answers[1::2], strict=True) if not self._lasts(ends, now)]
        seen = _time(now)
        await self._announce(
            [Presence.model_construct(user_id=each, online=False, last_seen_at=seen, version=now) for each in gone]
        )

    async def _announce(self, changes: Iterable[Presence]) -> None:
        hints = [Hint([presence_room(each.user_id)], each, each.version, each.user_id) for each in changes]
        await self._pushes.hints("presence", hints)

    async def _read(self, users: Sequence[str]) -> list[Presence]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for user in users:
                pipeline.zrevrange(presence_room(user), 0, 0, withscores=True)
            pipeline.time()
            *answers, at = await pipeline.execute()
        now = self._note_redis_time(at)
        return [self._presence(user, ends, now) for user, ends in zip(users, answers, strict=True)]

    def _lasts(self, ends: list[tuple[bytes, float]], now: int) -> bool:
        """Return whether the latest lease lasts; a lease that ends too late was written by a clock that was ahead."""
        return bool(ends) and now < ends[0][1] <= now + 2 * self._lease_ms

    def _presence(self, user: str, ends: list[tuple[bytes, float]], now: int) -> Presence:
        online = self._lasts(ends, now)
        seen = _time(min(ends[0][1], now)) if ends and not online else None
        return Presence.model_construct(user_id=user, online=online, last_seen_at=seen, version=now)

    async def _now_ms(self) -> int:
        """Return the current time of Redis' clock, estimated from its last answer."""
        if self._clock_ahead_ms is None:
            self._note_redis_time(await self._redis.time())
        return _now_ms() - (self._clock_ahead_ms or 0)

    def _note_redis_time(self, at: tuple[int, int]) -> int:
        now = at[0] * 1000 + at[1] // 1000
        self._clock_ahead_ms = _now_ms() - now
        return now


def offline(user_id: str) -> Presence:
    """Return the presence shown of a person to a watcher who may no longer see them."""
    return Presence.model_construct(user_id=user_id, online=False, last_seen_at=None, version=_now_ms())


def _now_ms() -> int:
    return clock.millis(clock.now())


def _time(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _chunks(users: Sequence[str]) -> Iterable[Sequence[str]]:
    return (users[start : start + CHUNK] for start in range(0, len(users), CHUNK))
