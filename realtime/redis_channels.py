"""This gateway's ear on Redis: one task owns the connection, and a channel counts once Redis confirmed it."""

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

log = logs.get("cluster")

BATCH = 1_000  # channels in one SUBSCRIBE
RECONNECT_S = 0.25
ALL_CONFIRMED_S = 10.0
CLOSE_S = 1.0
MOST_LINGERING = 20_000  # channels without a member; watching and leaving again and again cannot hold more
BEAT = b'{"beat":1}'

Pushed = Callable[[str, bytes], None]
Told = Callable[[dict[str, Any]], None]
Regained = Callable[[], Awaitable[None]]


class Lost(Exception):
    """The listener may have missed something."""


class RedisChannels:
    """The rooms somebody here wants to hear; `pushed(room, push)` for each push, `told(message)` for control.

    `regained()` runs whenever pushes may have been missed and all channels are confirmed again. `others` are channels
    that are always heard, each by its own handler, which raises ValueError for what is not for it.
    """

    def __init__(
        self, redis: Redis, *, pushed: Pushed, told: Told, regained: Regained, linger_s: float, beat_s: float,
        silence_s: float, others: Mapping[str, Callable[[bytes], None]],
    ) -> None:  # fmt: skip
        self.node = clock.new_epoch() + clock.new_epoch()
        self.up = False
        self._redis = redis
        self._pushed = pushed
        self._told = told
        self._regained = regained
        self._linger_s = linger_s
        self._beat_s = beat_s
        self._silence_s = silence_s
        self._members: Counter[str] = Counter()  # rooms by how many sockets here are in
        self._others = others
        self._wanted: set[str] = {CONTROL_CHANNEL, node_channel(self.node), *others}  # channels
        self._leaving: dict[str, float] = {}  # rooms whose last member left, and when to stop listening
        self._dirty: dict[str, None] = {}  # channels whose wish changed, in program order
        self._wake = asyncio.Event()
        self._sent: set[str] = set()  # channels as asked of Redis on this connection
        self._unconfirmed: Counter[str] = Counter()  # answers that are still to come
        self._confirmed: set[str] = set()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._heard_at = 0.0

    # ---- what others ask

    def want(self, room: str) -> None:
        """One more socket is in this room."""
        self._members[room] += 1
        self._leaving.pop(room, None)
        self._wish(channel(room), True)

    def release(self, room: str) -> None:
        """One socket left; after the last one the channel is kept for a while."""
        self._members[room] -= 1
        if self._members[room] <= 0:
            del self._members[room]
            self._leaving[room] = time.monotonic() + self._linger_s
            if len(self._leaving) > MOST_LINGERING:
                longest = next(iter(self._leaving))
                del self._leaving[longest]
                self._wish(channel(longest), False)

    async def confirmed(self, room: str, timeout_s: float) -> bool:
        """Wait until Redis confirmed the room's channel; False when it did not in time."""
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
                waiting.remove(future)  # who asks again and again leaves nothing behind
            return False
        return True

    def listens(self, room: str) -> bool:
        """Whether pushes of the room arrive here now."""
        return channel(room) in self._confirmed

    def rooms(self) -> list[str]:
        """The rooms that somebody here is in."""
        return list(self._members)

    def holds(self, room: str) -> bool:
        """Whether somebody here is in the room."""
        return room in self._members

    async def tell(self, node: str, message: dict[str, Any]) -> None:
        """A word to one gateway, as far as Redis is there."""
        with contextlib.suppress(*AWAY):
            await self._redis.publish(node_channel(node), encode(message))

    # ---- the one task

    async def run(self) -> None:
        """Listen as long as the process lives; connect again at once after a loss."""
        while True:
            try:
                await self._listen()
            except (Lost, *AWAY) as error:
                say = log.warning if self.up else log.debug  # once per loss, not once per attempt
                say("redis listener lost", error=str(error) or type(error).__name__)
            except Exception:
                log.exception("redis listener failed")
            finally:
                self._reset()
            await asyncio.sleep(RECONNECT_S)

    def _reset(self) -> None:
        self.up = False
        metrics.LISTENER_UP.set(0)
        for name in [each for each, waiting in self._waiting.items() if all(future.done() for future in waiting)]:
            del self._waiting[name]
        self._sent.clear()
        self._confirmed.clear()
        self._unconfirmed.clear()

    async def _listen(self) -> None:
        pubsub = listening(self._redis)
        self._dirty = dict.fromkeys(self._wanted)
        self._heard_at = time.monotonic()
        self._wake.set()
        await self._ask(pubsub.subscribe, [CONTROL_CHANNEL, node_channel(self.node)])
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
            self._confirmed.clear()  # from here on nothing is heard
            await _end(work)
            with contextlib.suppress(*AWAY):
                async with asyncio.timeout(CLOSE_S):
                    await pubsub.aclose()

    async def _close_gap(self, channels: Sequence[str]) -> None:
        """Once everything is confirmed, have what was missed read from the streams."""
        async with asyncio.timeout(ALL_CONFIRMED_S):
            for name in channels:
                if name in self._wanted and name not in self._confirmed:
                    await self._future(name)
        self.up = True
        metrics.LISTENER_UP.set(1)
        log.info("redis listener confirmed", channels=len(channels))
        await self._regained()

    def _future(self, name: str) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, []).append(future)
        return future

    async def _write(self, pubsub: Any) -> None:
        """Ask Redis for what is wanted now, many channels at a time."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._dirty = list(self._dirty), {}
            await self._ask(pubsub.subscribe, [c for c in changed if c in self._wanted and c not in self._sent])
            await self._ask(pubsub.unsubscribe, [c for c in changed if c not in self._wanted and c in self._sent])

    async def _ask(self, ask: Callable[..., Awaitable[None]], channels: Sequence[str]) -> None:
        for start in range(0, len(channels), BATCH):
            batch = channels[start : start + BATCH]
            for name in batch:
                self._unconfirmed[name] += 1
            self._sent.symmetric_difference_update(batch)
            self._confirmed.difference_update(batch)
            await ask(*batch)

    async def _read(self, pubsub: Any) -> None:
        # `pubsub.get_message` asks for a health check, a retry and a handler of each message, which takes three times
        # as long as to read it; the beat, the loop in `run` and this method do these.
        connection = pubsub.connection
        connection.health_check_interval = 0  # it would read the clock for each message
        while True:
            response = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            if response is None:
                continue
            self._heard_at = time.monotonic()
            kind, name, data = response
            if kind == b"message":
                self._hear(name.decode(), data)
            else:
                await pubsub.handle_message(response)  # forgets what was unsubscribed
                self._confirm(name.decode())

    def _hear(self, name: str, data: bytes) -> None:
        try:
            if name.startswith("room:"):
                self._pushed(name[5:], data)
            elif name in self._others:
                self._others[name](data)
            elif data != BEAT:
                message = decode(data)
                if isinstance(message, dict):
                    self._told(message)
        except ValueError as error:
            log.warning("not a push", channel=name, error=str(error))

    def _confirm(self, name: str) -> None:
        if name not in self._unconfirmed:
            raise Lost(f"subscribed again without being asked: {name}")
        self._unconfirmed[name] -= 1
        if self._unconfirmed[name]:
            return  # asked differently since
        del self._unconfirmed[name]
        if name in self._sent:
            self._confirmed.add(name)
            for future in self._waiting.pop(name, ()):
                if not future.done():
                    future.set_result(None)

    async def _beat(self) -> None:
        """Say something to oneself each second."""
        while True:
            await asyncio.sleep(self._beat_s)
            with contextlib.suppress(*AWAY):
                await self._redis.publish(node_channel(self.node), BEAT)

    async def _watch(self) -> None:
        """Notice when it is not heard; stop listening to rooms that are empty for long."""
        while True:
            await asyncio.sleep(self._beat_s)
            if time.monotonic() - self._heard_at > self._silence_s:
                raise Lost(f"silent for {self._silence_s} s")
            self._leave(self._leaving.items())

    def _leave(self, leaving: Iterable[tuple[str, float]]) -> None:
        now = time.monotonic()
        for room in [room for room, at in leaving if at <= now]:
            del self._leaving[room]
            self._wish(channel(room), False)

    def _wish(self, name: str, wanted: bool) -> None:
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
