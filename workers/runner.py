"""Takes what is there, hands it to a consumer, acks; a message that fails is retried alone and at last parked."""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from social.contracts.events import Group
from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.broker.broker import RETRY_DELAYS_S, BrokerAway, Delivery
from social.infra.broker.inbox import ReceivedEvent
from social.infra.observe import logs, metrics, tracing
from social.infra.process.plaza import Plaza
from social.infra.process.settings import StartError
from social.ops import parked

log = logs.get("runner")

MOST_AT_ONCE = 256
MOST_TIMEOUTS = 5  # of a batch, while the store answers
PAUSE_S = 1.0  # while a server is away
BUSY = 32  # messages about one thing that wait at once
PIECE_S = 0.05  # for a piece of those, before others have their turn again


@dataclass(frozen=True)
class Consumer:
    """A group and what it does with events; `handle` has the same effect however often it runs.

    `due` does what has its own time, beside the events, and says in how many seconds to look again; where `handle`
    left something to be done earlier than that, it says in how many seconds.
    `ahead` is about how many messages it holds, so that others need not wait behind a thing to which much happens.
    """

    group: Group
    handle: Callable[[Plaza, Sequence[ReceivedEvent]], Awaitable[float | None]]
    due: Callable[[Plaza], Awaitable[float]] | None = None
    ahead: int = MOST_AT_ONCE


class Alarm:
    """When to look next at what is due: the earliest time that anybody named."""

    def __init__(self) -> None:
        self._at = 0.0
        self._sooner = asyncio.Event()

    def set(self, in_s: float) -> None:
        """Look in so many seconds, or earlier."""
        at = time.monotonic() + in_s
        if at < self._at:
            self._at = at
            self._sooner.set()

    async def wait(self) -> None:
        """Wait for the next time, and forget it."""
        while (left_s := self._at - time.monotonic()) > 0:
            self._sooner.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._sooner.wait()
        self._at = math.inf


class Lanes:
    """Messages that wait here: those about what little happens to in one lane, the rest in another, by turns."""

    def __init__(self) -> None:
        self._quiet: list[Delivery] = []
        self._busy: list[Delivery] = []
        self._lately: Counter[str] = Counter()  # how many wait about each thing
        self._in_busy: Counter[str] = Counter()  # and how many of them in the busy lane
        self._turn, self._busy_turn = False, False
        self._piece = MOST_AT_ONCE

    @property
    def waiting(self) -> bool:
        """Whether there is a next batch already."""
        return bool(self._quiet or self._busy)

    def put(self, taken: Sequence[Delivery]) -> None:
        """Let these wait; all about one thing in one lane, so that they keep their order."""
        keys = [_key(each) for each in taken]
        self._lately.update(keys)
        self._make_busy({key for key in keys if self._lately[key] > BUSY and not self._in_busy[key]})
        for each, key in zip(taken, keys, strict=True):
            if self._lately[key] > BUSY or self._in_busy[key]:
                self._busy.append(each)
                self._in_busy[key] += 1
            else:
                self._quiet.append(each)

    def _make_busy(self, keys: set[str]) -> None:
        if keys and self._quiet:
            moved = [each for each in self._quiet if _key(each) in keys]
            self._in_busy.update(map(_key, moved))
            self._busy += moved
            self._quiet = [each for each in self._quiet if _key(each) not in keys]

    def next(self) -> list[Delivery]:
        """What to handle next: a piece of the busy lane only after all that waits in the other, which then goes on."""
        self._turn = not self._turn or not self._busy
        self._busy_turn = bool(self._busy) and not (self._turn and self._quiet)
        lane, most = (self._busy, self._piece) if self._busy_turn else (self._quiet, MOST_AT_ONCE)
        batch, lane[:] = lane[:most], lane[most:]
        keys = [_key(each) for each in batch]
        for waiting in (self._lately, self._in_busy) if self._busy_turn else (self._lately,):
            waiting.subtract(keys)
            waiting += Counter()  # forget what is not there
        return [each for each in batch if each.held]  # the others' partition went to another worker meanwhile

    @contextmanager
    def handling(self, count: int) -> Iterator[None]:
        """Size pieces of the busy lane by what they take: nobody is to wait long for one."""
        started = time.monotonic()
        yield
        if self._busy_turn:
            fits = round(count * PIECE_S / max(time.monotonic() - started, 0.001))
            self._piece = max(BUSY, min(MOST_AT_ONCE, fits))


def _key(delivery: Delivery) -> str:
    try:
        return delivery.envelope().key
    except ValueError:
        return ""  # it will be parked


async def consume(plaza: Plaza, consumer: Consumer) -> None:
    """Consume as long as the process lives."""
    told, alarm = False, Alarm()  # once an outage: the process itself says every 5 s that RabbitMQ is away
    looking = asyncio.create_task(_look(plaza, consumer, alarm), name=f"due {consumer.group}")
    try:
        while True:
            try:
                async with plaza.broker.consume(consumer.group, consumer.ahead, plaza.members) as deliveries:
                    told, lanes = False, Lanes()
                    while True:
                        lanes.put(await deliveries.take(consumer.ahead, 0.0 if lanes.waiting else None))
                        batch = lanes.next()
                        with lanes.handling(len(batch)):
                            alarm.set(await handle(plaza, consumer, batch))
            except BrokerAway as error:
                if not told:
                    log.warning("waiting for the broker", group=consumer.group, error=str(error))
                told = True
                await asyncio.sleep(PAUSE_S)
    finally:
        looking.cancel()


async def _look(plaza: Plaza, consumer: Consumer, alarm: Alarm) -> None:
    """Do what is due when it is, beside the events: neither waits for the other."""
    while consumer.due is not None:
        await alarm.wait()
        alarm.set(await _due(plaza, consumer.group, consumer.due))


async def _due(plaza: Plaza, group: Group, due: Callable[[Plaza], Awaitable[float]]) -> float:
    try:
        return await due(plaza)
    except Exception as error:  # it is due still
        log.warning("what is due has to wait", group=group, error=repr(error.__cause__ or error))
        return PAUSE_S


async def handle(plaza: Plaza, consumer: Consumer, taken: Sequence[Delivery]) -> float:
    """Fresh messages together; what failed before alone, so that poison cannot take its neighbours along.

    What is fresh but about the same as something that comes again has to wait for that: it is newer.
    In how many seconds what they left is due, or infinity.
    """
    tries = [each for each in taken if each.attempt]
    again = [each for each in taken if each.redelivered and not each.attempt]
    earlier = {_key(each) for each in again}
    fresh: list[Delivery] = []
    behind: list[Delivery] = []
    for each in taken:
        if not each.redelivered and not each.attempt:
            (behind if earlier and _key(each) in earlier else fresh).append(each)
    due_s = math.inf
    for batch in filter(None, [fresh, *_growing(again), behind, *([each] for each in tries)]):
        metrics.BATCH_SIZE.labels(group=consumer.group).observe(len(batch))
        with metrics.BATCH_SECONDS.labels(group=consumer.group).time():
            anew = batch is fresh or batch is behind
            due_s = min(due_s, await _batch(plaza, consumer, batch, again=not anew))
    return due_s


def _growing(again: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
    """What a process left behind that ended, perhaps by one of these: the first alone, then ever more at once.

    So each such end has acked what came before its cause, and what thousands left in a storm takes few transactions.
    """
    start, size = 0, 1
    while start < len(again):
        yield again[start : start + size]
        start, size = start + size, size * 2


async def _batch(plaza: Plaza, consumer: Consumer, batch: Sequence[Delivery], *, again: bool) -> float:
    readable = [(each, happened) for each in batch if (happened := await _read(plaza, consumer, each, again=again))]
    if not readable:
        return math.inf
    started, now, all_happened = time.perf_counter(), clock.now(), [happened for _, happened in readable]
    late = metrics.CONSUME_SECONDS.labels(group=consumer.group)
    for happened in all_happened:
        late.observe(max(0.0, (now - happened.at).total_seconds()))
    names = [(f"{consumer.group} {type(each.event).__name__}", each.trace) for each in all_happened]
    try:
        with tracing.parts("consumer", names) as traces:
            all_happened = [each._replace(trace=trace) for each, trace in zip(all_happened, traces, strict=True)]
            with logs.working_for(traces[0] if len(set(traces)) == 1 else None):
                due_s = await _take_effect(plaza, consumer, all_happened)
    except Exception as error:
        if len(readable) > 1:
            alone = [await _batch(plaza, consumer, [each], again=True) for each, _ in readable]
            return min(alone)
        await _failed(plaza, consumer, readable[0][0], error)
        return math.inf
    first, *others = (each for each, _ in readable)
    await first.ack(*others)
    metrics.EVENTS_CONSUMED.labels(group=consumer.group, outcome="done").inc(len(readable))
    took_ms = round((time.perf_counter() - started) * 1000, 1)
    about = logs.about(each.trace for each in all_happened)
    log.info("events handled", group=consumer.group, events=len(readable), ms=took_ms, **about)
    return due_s


async def _take_effect(plaza: Plaza, consumer: Consumer, happened: Sequence[ReceivedEvent]) -> float:
    """Handle events; while the store is away wait here, since another time would be no better."""
    timeouts = 0
    while True:
        try:
            due_s = await consumer.handle(plaza, happened)
            return math.inf if due_s is None else due_s
        except (Unavailable, StartError) as error:
            timeouts += await plaza.mongo.takes_writes()
            if timeouts >= MOST_TIMEOUTS:
                raise  # the store is well and this takes too long for it: no reason to hold everybody up
            log.warning("waiting for the store", group=consumer.group, error=repr(error.__cause__))
            happened = [each._replace(again=True) for each in happened]
            await asyncio.sleep(PAUSE_S)


async def _read(plaza: Plaza, consumer: Consumer, delivery: Delivery, *, again: bool) -> ReceivedEvent | None:
    try:
        envelope = delivery.envelope()
        return ReceivedEvent(envelope.id, envelope.at, envelope.event(), envelope.trace, again)
    except ValueError as error:  # not JSON, not an envelope, an unknown event, or one with wrong fields
        await _park(plaza, consumer, delivery, error)
        return None


async def _failed(plaza: Plaza, consumer: Consumer, delivery: Delivery, error: Exception) -> None:
    if delivery.attempt >= len(RETRY_DELAYS_S):
        await _park(plaza, consumer, delivery, error)
        return
    with _of(delivery):
        log.warning("event failed; retrying later", group=consumer.group, attempt=delivery.attempt, exc_info=error)
    metrics.EVENTS_CONSUMED.labels(group=consumer.group, outcome="retried").inc()
    await _until_available(delivery.retry)


async def _park(plaza: Plaza, consumer: Consumer, delivery: Delivery, error: Exception) -> None:
    with _of(delivery):
        log.error("event parked", group=consumer.group, attempt=delivery.attempt, exc_info=error)
    await _until_available(lambda: parked.park(plaza.mongo, consumer.group, delivery, error))
    await delivery.ack()


def _of(delivery: Delivery) -> AbstractContextManager[None]:
    """What is said in here is about this message, as far as it can be read."""
    try:
        return logs.working_for(delivery.envelope().trace)
    except ValueError:
        return logs.working_for(None)


async def _until_available(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await work()
        except (Unavailable, StartError, BrokerAway) as error:
            log.warning("waiting to give a message away", error=repr(error))
            await asyncio.sleep(PAUSE_S)
