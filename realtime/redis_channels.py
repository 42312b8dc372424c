"""The Redis channels that this gateway listens to: one task owns the connection; a channel counts once confirmed."""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from social.contracts.codec import decode, encode
from social.contracts.pushes import CONTROL_CHANNEL, channel, node_channel
from social.infra import clock
from social.infra.observe import logs, metrics
from social.infra.redis.redis import AWAY, Redis, listening

log = logs.get("redis_channels")

BATCH = 1_000  # channels in one SUBSCRIBE
RECONNECT_S = 0.25
ALL_CONFIRMED_S = 10.0
CLOSE_S = 1.0
MOST_LINGERING = 20_000  # channels without a member; watching and leaving again and again cannot hold more
BEAT = b'{"beat":1}'

Pushed = Callable[[str, bytes], None]
Control = Callable[[dict[str, Any]], None]
Regained = Callable[[], Awaitable[None]]


class ListenerLost(Exception):
    """The listener may have missed something."""


class RedisChannels:
    """The channels of rooms with members here, of control messages, and of this node; `handle` sets their handlers."""

    _pushed: Pushed
    _control: Control
    _regained: Regained
    _others: Mapping[str, Callable[[bytes], None]]

    def __init__(self, redis: Redis, *, linger_s: float, beat_s: float, silence_s: float) -> None:
        self.node = clock.new_epoch() + clock.new_epoch()
        self.up = False
        self._redis = redis
        self._linger_s = linger_s
        self._beat_s = beat_s
        self._silence_s = silence_s
        self._members: Counter[str] = Counter()  # rooms by how many sockets here are in
        self._wanted: set[str] = {CONTROL_CHANNEL, node_channel(self.node)}  # channels
        self._leaving: dict[str, float] = {}  # rooms whose last member left, and when to stop listening
        self._dirty: dict[str, None] = {}  # channels that became wanted or unwanted, in program order
        self._wake = asyncio.Event()
        self._sent: set[str] = set()  # channels as requested from Redis on this connection
        self._unconfirmed: Counter[str] = Counter()  # answers that are still to come
        self._confirmed: set[str] = set()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._received_at = 0.0

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
        self._wanted |= others.keys()

    def acquire(self, room: str) -> None:
        """Count one more socket in this room; its channel is subscribed with the first."""
        self._members[room] += 1
        self._leaving.pop(room, None)
        self._set_wanted(channel(room), True)

    def release(self, room: str) -> None:
        """Count one socket less in this room; after the last the channel is kept for `linger_s`."""
        self._members[room] -= 1
        if self._members[room] <= 0:
            del self._members[room]
            self._leaving[room] = time.monotonic() + self._linger_s
            if len(self._leaving) > MOST_LINGERING:
                longest = next(iter(self._leaving))
                del self._leaving[longest]
                self._set_wanted(channel(longest), False)

    async def confirmed(self, room: str, timeout_s: float) -> bool:
        """Wait until Redis confirms the room's channel; return False when it does not in time."""
        name = channel(room)
        if name in self._confirmed:
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
        return channel(room) in self._confirmed

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
        while True:
            try:
                await self._listen()
            except (ListenerLost, *AWAY) as error:
                report = log.warning if self.up else log.debug  # once per loss, not once per attempt
                report("redis listener lost", error=str(error) or type(error).__name__)
            except Exception:
                log.exception("redis listener failed")
            finally:
                self._reset()
            await asyncio.sleep(RECONNECT_S)

    def _reset(self) -> None:
        self.up = False
        metrics.REDIS_LISTENER_UP.set(0)
        for name in [each for each, waiting in self._waiting.items() if all(future.done() for future in waiting)]:
            del self._waiting[name]
        self._sent.clear()
        self._confirmed.clear()
        self._unconfirmed.clear()

    async def _listen(self) -> None:
        pubsub = listening(self._redis)
        self._dirty = dict.fromkeys(self._wanted)
        self._received_at = time.monotonic()
        self._wake.set()
        await self._request(pubsub.subscribe, [CONTROL_CHANNEL, node_channel(self.node)])
        work = [
            asyncio.create_task(each, name=f"cluster {name}")
            for name, each in (
                ("writer", self._write(pubsub)),
                ("reader", self._read(pubsub)),
                ("beat", self._beat()),
                ("watch", self._watch()),
                ("gap", self._close_gap(list(self._wanted))),
            )
        ]
        try:
            pending = set(work)
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            self._confirmed.clear()  # from here on nothing arrives
            await _end(work)
            with contextlib.suppress(*AWAY):
                async with asyncio.timeout(CLOSE_S):
                    await pubsub.aclose()

    async def _close_gap(self, channels: Sequence[str]) -> None:
        """Wait until all channels are confirmed, then have `regained` read from the streams what was missed."""
        async with asyncio.timeout(ALL_CONFIRMED_S):
            for name in channels:
                if name in self._wanted and name not in self._confirmed:
                    await self._future(name)
        self.up = True
        metrics.REDIS_LISTENER_UP.set(1)
        log.info("redis listener confirmed", channels=len(channels))
        await self._regained()

    def _future(self, name: str) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(future)
        return future

    async def _write(self, pubsub: Any) -> None:
        """Subscribe and unsubscribe channels as they become wanted or unwanted, many at a time."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._dirty = list(self._dirty), {}
            await self._request(pubsub.subscribe, [c for c in changed if c in self._wanted and c not in self._sent])
            await self._request(pubsub.unsubscribe, [c for c in changed if c not in self._wanted and c in self._sent])

    async def _request(self, request: Callable[..., Awaitable[None]], channels: Sequence[str]) -> None:
        for start in range(0, len(channels), BATCH):
            batch = channels[start : start + BATCH]
            for name in batch:
                self._unconfirmed[name] += 1
            self._sent.symmetric_difference_update(batch)
            self._confirmed.difference_update(batch)
            await request(*batch)

    async def _read(self, pubsub: Any) -> None:
        # `pubsub.get_message` asks for a health check, a retry and a handler of each message, which takes three times
        # as long as to read it; the beat, the loop in `run` and this method do these.
        connection = pubsub.connection
        connection.health_check_interval = 0  # it would read the clock for each message
        while True:
            response = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            if response is None:
                continue
            self._received_at = time.monotonic()
            kind, name, data = response
            if kind == b"message":
                self._received(name.decode(), data)
            else:
                await pubsub.handle_message(response)  # forgets what was unsubscribed
                self._confirm(name.decode())

    def _received(self, name: str, data: bytes) -> None:
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

    def _confirm(self, name: str) -> None:
        if name not in self._unconfirmed:
            raise ListenerLost(f"subscribed again without a request: {name}")
        self._unconfirmed[name] -= 1
        if self._unconfirmed[name]:
            return  # a later request of this channel is still unconfirmed
        del self._unconfirmed[name]
        if name in self._sent:
            self._confirmed.add(name)
            for future in self._waiting.pop(name, ()):
                if not future.done():
                    future.set_result(None)

    async def _beat(self) -> None:
        """Publish a message to this node every `beat_s`, which shows that the connection is alive."""
        while True:
            await asyncio.sleep(self._beat_s)
            with contextlib.suppress(*AWAY):
                await self._redis.publish(node_channel(self.node), BEAT)

    async def _watch(self) -> None:
        """Raise ListenerLost when nothing arrives for `silence_s`; unsubscribe rooms that are empty for long."""
        while True:
            await asyncio.sleep(self._beat_s)
            if time.monotonic() - self._received_at > self._silence_s:
                raise ListenerLost(f"silent for {self._silence_s} s")
            self._leave(self._leaving.items())

    def _leave(self, leaving: Iterable[tuple[str, float]]) -> None:
        now = time.monotonic()
        for room in [room for room, at in leaving if at <= now]:
            del self._leaving[room]
            self._set_wanted(channel(room), False)

    def _set_wanted(self, name: str, wanted: bool) -> None:
        if wanted != (name in self._wanted):
            self._wanted.symmetric_difference_update((name,))
            self._dirty[name] = None
            self._wake.set()


async def _end(work: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: `asyncio.wait_for` of Python 3.11 can swallow a cancellation."""
    pending = set(work)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=0.2)
        for task in done:
            if not task.cancelled():
                task.exception()  # the first one was raised already
