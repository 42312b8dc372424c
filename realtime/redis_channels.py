"""The Redis channels that this gateway listens to: those of rooms with members here, of control messages, of itself."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from realtime.redis_listener import BEAT, Listener
from realtime.redis_shards import Shards
from social.contracts.codec import decode, encode
from social.contracts.pushes import CONTROL_CHANNEL, channel, node_channel
from social.infra import clock
from social.infra.observe import logs, metrics
from social.infra.redis.cluster import ClusterRedis
from social.infra.redis.redis import AWAY, Redis

log = logs.get("redis_channels")

MOST_LINGERING = 20_000  # channels without a member; watching and leaving again and again cannot hold more

Pushed = Callable[[str, bytes], None]
Control = Callable[[dict[str, Any]], None]
Regained = Callable[[], Awaitable[None]]


class Listening(Protocol):
    """A connection to one Redis, or one to each node of a cluster."""

    @property
    def up(self) -> bool:
        """Whether all channels that were wanted at the last connect are confirmed."""

    def want(self, name: str, wanted: bool) -> None:
        """Subscribe or unsubscribe a channel soon."""

    def is_confirmed(self, name: str) -> bool:
        """Return whether messages on a channel arrive here now."""

    async def run(self) -> None:
        """Listen as long as the process lives."""


class RedisChannels:
    """The channels of rooms with members here, of control messages, and of this node; `handle` sets their handlers."""

    _pushed: Pushed
    _control: Control
    _regained: Regained
    _others: Mapping[str, Callable[[bytes], None]]

    def __init__(self, redis: Redis, *, linger_s: float, beat_s: float, silence_s: float) -> None:
        self.node = clock.new_epoch() + clock.new_epoch()
        self._redis = redis
        self._linger_s = linger_s
        self._members: Counter[str] = Counter()  # rooms by how many sockets here are in
        self._leaving: dict[str, float] = {}  # rooms whose last member left, and when to stop listening
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        own = node_channel(self.node)
        self._listening: Listening
        if isinstance(redis, ClusterRedis):
            self._listening = Shards(redis, self, beats=own, beat_s=beat_s, silence_s=silence_s)
        else:
            self._listening = Listener(redis, self, beat_channel=own, beat_s=beat_s, silence_s=silence_s)
        for name in (CONTROL_CHANNEL, own):
            self._listening.want(name, True)

    @property
    def up(self) -> bool:
        """Whether pushes of all rooms arrive here, as far as is known."""
        return self._listening.up

    def handle(
        self, *, pushed: Pushed, control: Control, regained: Regained, others: Mapping[str, Callable[[bytes], None]]
    ) -> None:
        """Set the handlers, before `run`: `pushed(room, push)` for pushes, `control(message)` for control messages.

        `regained()` runs whenever pushes may have been missed and all channels are confirmed again. `others` are more
        channels that are always listened to, each with its handler, which raises ValueError for a malformed message.
        """
        self._pushed = pushed
        self._control = control
        self._regained = regained
        self._others = others
        if isinstance(self._listening, Shards):
            self._listening.unsharded.update(others)  # python-socketio publishes to all nodes
        for name in others:
            self._listening.want(name, True)

    def acquire(self, room: str) -> None:
        """Count one more socket in this room; its channel is subscribed with the first."""
        self._members[room] += 1
        self._leaving.pop(room, None)
        self._listening.want(channel(room), True)

    def release(self, room: str) -> None:
        """Count one socket less in this room; after the last the channel is kept for `linger_s`."""
        self._members[room] -= 1
        if self._members[room] <= 0:
            del self._members[room]
            self._leaving[room] = time.monotonic() + self._linger_s
            if len(self._leaving) > MOST_LINGERING:
                longest = next(iter(self._leaving))
                del self._leaving[longest]
                self._listening.want(channel(longest), False)

    async def confirmed(self, room: str, timeout_s: float) -> bool:
        """Wait until Redis confirms the room's channel; return False when it does not in time."""
        name = channel(room)
        if self._listening.is_confirmed(name):
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            if future in (waiting := self._waiting.get(name, [])):
                waiting.remove(future)  # repeated waits leave nothing behind
            return False
        return True

    def listens(self, room: str) -> bool:
        """Return whether pushes of the room arrive here now."""
        return self._listening.is_confirmed(channel(room))

    def rooms(self) -> list[str]:
        """Return the rooms that have members here."""
        return list(self._members)

    def holds(self, room: str) -> bool:
        """Return whether the room has members here."""
        return room in self._members

    async def send_to(self, node: str, message: dict[str, Any]) -> None:
        """Publish a control message to one gateway; without Redis it is lost."""
        with contextlib.suppress(*AWAY):
            await self._redis.publish(node_channel(node), encode(message))

    async def run(self) -> None:
        """Listen as long as the process lives; reconnect after a loss."""
        await self._listening.run()

    def received(self, name: str, data: bytes) -> None:
        """Pass a message to its handler."""
        try:
            if name.startswith("room:"):
                self._pushed(name[5:], data)
            elif name in self._others:
                self._others[name](data)
            elif data != BEAT:
                message = decode(data)
                if isinstance(message, dict):
                    self._control(message)
        except ValueError as error:
            log.warning("malformed message on a channel", channel=name, error=str(error))

    def on_confirmed(self, name: str) -> None:
        """Let those go on who wait for a channel."""
        if name in self._waiting and self._listening.is_confirmed(name):
            for future in self._waiting.pop(name):
                if not future.done():
                    future.set_result(None)

    def on_lost(self) -> None:
        """Note that a connection was lost."""
        metrics.REDIS_LISTENER_UP.set(0)
        for name in [each for each, waiting in self._waiting.items() if all(future.done() for future in waiting)]:
            del self._waiting[name]

    async def on_regained(self) -> None:
        """Have what may have been missed read from the streams."""
        metrics.REDIS_LISTENER_UP.set(1 if self.up else 0)
        await self._regained()

    def tick(self) -> None:
        """Unsubscribe rooms that are empty for long."""
        self._leave(self._leaving.items())

    def _leave(self, leaving: Iterable[tuple[str, float]]) -> None:
        now = time.monotonic()
        for room in [room for room, at in leaving if at <= now]:
            del self._leaving[room]
            self._listening.want(channel(room), False)
