"""A subscription connection to one Redis: one task owns it, and a channel counts once Redis confirmed it."""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from redis.exceptions import ResponseError

from social.infra.observe import logs
from social.infra.redis.redis import AWAY, Redis, listening

log = logs.get("redis_listener")

BATCH = 1_000  # channels in one SUBSCRIBE
RECONNECT_S = 0.25
ALL_CONFIRMED_S = 10.0
CLOSE_S = 1.0
BEAT = b'{"beat":1}'


class ListenerLost(Exception):
    """The listener may have missed something."""


class Hub(Protocol):
    """The owner of listeners, which are its connections."""

    def received(self, name: str, data: bytes) -> None:
        """Handle a message on a channel."""

    def on_confirmed(self, name: str) -> None:
        """Handle Redis' confirmation of a channel."""

    def on_lost(self) -> None:
        """Handle the loss of a listener's connection."""

    async def on_regained(self) -> None:
        """Handle that a listener's channels are all confirmed, for the first time or again."""

    def tick(self) -> None:
        """Do what is due; called at every beat."""


class Listener:
    """A connection to one Redis that keeps the channels it is given subscribed; `run` owns it."""

    message_kind = b"message"

    def __init__(self, redis: Redis, hub: Hub, *, beat_channel: str, beat_s: float, silence_s: float) -> None:
        """Listen at `redis` for `hub`, and publish beats on `beat_channel`."""
        self.up = False
        self.channels = {beat_channel}  # those that are wanted
        self.confirmed: set[str] = set()
        self._redis = redis
        self._hub = hub
        self.beat_channel = beat_channel
        self._beat_s = beat_s
        self._silence_s = silence_s
        self._dirty: dict[str, None] = {}  # channels that became wanted or unwanted, in program order
        self._wake = asyncio.Event()
        self._sent: set[str] = set()  # channels as requested from Redis on this connection
        self._unconfirmed: Counter[str] = Counter()  # answers that are still to come
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._received_at = 0.0

    def want(self, name: str, wanted: bool) -> None:
        """Subscribe or unsubscribe a channel soon."""
        if wanted != (name in self.channels):
            self.channels.symmetric_difference_update((name,))
            self._dirty[name] = None
            self._wake.set()
            if not wanted:
                self._resolve(name)  # nobody has to wait for it any more

    def is_confirmed(self, name: str) -> bool:
        """Return whether messages on a channel arrive here now."""
        return name in self.confirmed

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

    def open(self) -> Any:
        """Return a pub/sub connection, not connected yet."""
        return listening(self._redis)

    async def subscribe(self, pubsub: Any, names: Sequence[str]) -> None:
        """Request channels."""
        await pubsub.subscribe(*names)

    async def unsubscribe(self, pubsub: Any, names: Sequence[str]) -> None:
        """Request the end of channels."""
        await pubsub.unsubscribe(*names)

    def _reset(self) -> None:
        self.up = False
        self._hub.on_lost()
        self.confirmed.clear()
        self._waiting.clear()
        self._sent.clear()
        self._unconfirmed.clear()

    async def _listen(self) -> None:
        pubsub = self.open()
        try:
            self._dirty = dict.fromkeys(self.channels)
            self._received_at = time.monotonic()
            self._wake.set()
            await self._request(self.subscribe, pubsub, [self.beat_channel])
            await self._work(pubsub)
        finally:
            self.confirmed.clear()  # from here on nothing arrives
            with contextlib.suppress(*AWAY):
                async with asyncio.timeout(CLOSE_S):
                    await pubsub.aclose()

    async def _work(self, pubsub: Any) -> None:
        work = [
            asyncio.create_task(each, name=f"listener {name}")
            for name, each in (
                ("writer", self._write(pubsub)),
                ("reader", self._read(pubsub)),
                ("beat", self._beat()),
                ("watch", self._watch()),
                ("gap", self._close_gap(list(self.channels))),
            )
        ]
        try:
            pending = set(work)
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            self.confirmed.clear()
            await _end(work)

    async def _close_gap(self, channels: Sequence[str]) -> None:
        """Wait until all channels are confirmed, then have the hub read from the streams what was missed."""
        async with asyncio.timeout(ALL_CONFIRMED_S):
            for name in channels:
                if name in self.channels and name not in self.confirmed:
                    await self._future(name)
        self.up = True
        log.info("redis listener confirmed", channels=len(channels))
        await self._hub.on_regained()

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
            new = [each for each in changed if each in self.channels and each not in self._sent]
            await self._request(self.subscribe, pubsub, new)
            old = [each for each in changed if each not in self.channels and each in self._sent]
            await self._request(self.unsubscribe, pubsub, old)

    async def _request(
        self, request: Callable[[Any, Sequence[str]], Awaitable[None]], pubsub: Any, channels: Sequence[str]
    ) -> None:
        for start in range(0, len(channels), BATCH):
            batch = channels[start : start + BATCH]
            for name in batch:
                self._unconfirmed[name] += 1
            self._sent.symmetric_difference_update(batch)
            self.confirmed.difference_update(batch)
            await request(pubsub, batch)

    async def _read(self, pubsub: Any) -> None:
        while True:
            try:
                await self._read_on(pubsub)
            except ResponseError as error:
                self.refused(error)

    async def _read_on(self, pubsub: Any) -> None:
        # `pubsub.get_message` asks for a health check, a retry and a handler of each message, which takes three times
        # as long as to read it; the beat, the loop in `run` and this method do these.
        connection, message_kind, received = pubsub.connection, self.message_kind, self.receiver
        connection.health_check_interval = 0  # it would read the clock for each message
        while True:
            response = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            if response is None:
                continue
            self._received_at = time.monotonic()
            kind, name, data = response
            if kind == message_kind:
                received(name.decode(), data)
            else:
                await self.answered(pubsub, response)

    @property
    def receiver(self) -> Callable[[str, bytes], None]:
        """The handler of messages."""
        return self._hub.received

    async def answered(self, pubsub: Any, response: list[Any]) -> None:
        """Handle the answer to a request."""
        await pubsub.handle_message(response)  # forgets what was unsubscribed
        self.confirm(response[1].decode())

    def refused(self, error: ResponseError) -> None:
        """Handle a request that Redis refused: raise the error, which ends the connection."""
        raise error

    def confirm(self, name: str) -> None:
        """Count the answer to a request; raises ListenerLost where none was made."""
        if name not in self._unconfirmed:
            raise ListenerLost(f"subscribed again without a request: {name}")
        self._unconfirmed[name] -= 1
        if self._unconfirmed[name]:
            return  # a later request of this channel is still unconfirmed
        del self._unconfirmed[name]
        if name in self._sent:
            self.confirmed.add(name)
            self._hub.on_confirmed(name)
            self._resolve(name)

    def _resolve(self, name: str) -> None:
        for future in self._waiting.pop(name, ()):
            if not future.done():
                future.set_result(None)

    async def _beat(self) -> None:
        """Publish a message to this node every `beat_s`, which shows that the connection is alive."""
        while True:
            await asyncio.sleep(self._beat_s)
            with contextlib.suppress(*AWAY):
                await self.publish_beat()

    async def publish_beat(self) -> None:
        """Publish a message on the beat's channel; raises errors of Redis."""
        await self._redis.publish(self.beat_channel, BEAT)

    async def _watch(self) -> None:
        """Raise ListenerLost when nothing arrives for `silence_s`."""
        while True:
            await asyncio.sleep(self._beat_s)
            if time.monotonic() - self._received_at > self._silence_s:
                raise ListenerLost(f"silent for {self._silence_s} s")
            self._hub.tick()


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
