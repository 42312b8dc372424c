"""The runner hands deliveries to a consumer in batches and acks them; a failing one is retried alone, then parked."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from social.contracts.events import Group
from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.broker.broker import RETRY_DELAYS_S, BrokerAway, Deliveries, Delivery, raise_if_cancelled
from social.infra.broker.inbox import ReceivedEvent
from social.infra.observe import logs, metrics, tracing
from social.infra.process.plaza import Plaza
from social.infra.settings import StartError
from social.ops import parked
from workers.deaths import MOST_DEATHS, Turns, handling_alone
from workers.lanes import MOST_AT_ONCE, Lanes, key

log = logs.get("runner")

MOST_TIMEOUTS = 5  # of a batch, while the store takes writes
PAUSE_S = 1.0  # while a server is away


@dataclass(frozen=True)
class Consumer:
    """A consumer group and its handler, which is idempotent.

    `due` does timed work beside the events, and returns the seconds until its next run; `handle` returns the seconds
    until timed work that it left, which may be earlier.
    `ahead` is about how many messages are taken ahead, so that messages with other keys can overtake a busy key.
    `collect_s` is how long a message that comes after a pause waits for others, to take effect together with them.
    """

    group: Group
    handle: Callable[[Plaza, Sequence[ReceivedEvent]], Awaitable[float | None]]
    due: Callable[[Plaza], Awaitable[float]] | None = None
    ahead: int = MOST_AT_ONCE
    collect_s: float = 0.0


class Alarm:
    """The time of the next run of timed work: the earliest that was set."""

    def __init__(self) -> None:
        self._at = 0.0
        self._sooner = asyncio.Event()

    def set(self, in_s: float) -> None:
        """Set the next run to `in_s` from now, unless an earlier one is set."""
        at = time.monotonic() + in_s
        if at < self._at:
            self._at = at
            self._sooner.set()

    async def wait(self) -> None:
        """Wait for the next run, and clear it."""
        while (left_s := self._at - time.monotonic()) > 0:
            self._sooner.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._sooner.wait()
        self._at = math.inf


async def consume(plaza: Plaza, consumer: Consumer, turns: Turns) -> None:
    """Consume the group's messages as long as the process lives; its groups share the turns."""
    warned, alarm = False, Alarm()  # warn once an outage: the process itself logs every 5 s that the broker is away
    timed = asyncio.create_task(_run_due(plaza, consumer, alarm, turns), name=f"due {consumer.group}")
    try:
        while True:
            try:
                async with plaza.broker.consume(consumer.group, consumer.ahead, plaza.members) as deliveries:
                    warned, lanes = False, Lanes()
                    while True:
                        await _take(consumer, deliveries, lanes)
                        batch = lanes.next()
                        with lanes.handling(len(batch)):
                            alarm.set(await handle(plaza, consumer, batch, turns))
            except BrokerAway as error:
                raise_if_cancelled()
                if not warned:
                    log.warning("waiting for the broker", group=consumer.group, error=str(error))
                warned = True
                await asyncio.sleep(PAUSE_S)
    finally:
        timed.cancel()


async def _take(consumer: Consumer, deliveries: Deliveries, lanes: Lanes) -> None:
    """Take the messages that are there; where none waits, wait for one, and collect for a moment."""
    if not lanes.waiting:
        lanes.put(await deliveries.take(consumer.ahead))
        if not consumer.collect_s:
            return
        await asyncio.sleep(consumer.collect_s)
    lanes.put(await deliveries.take(consumer.ahead, 0.0))


async def _run_due(plaza: Plaza, consumer: Consumer, alarm: Alarm, turns: Turns) -> None:
    """Run the timed work of a consumer when it is due, beside the events: neither waits for the other."""
    while consumer.due is not None:
        await alarm.wait()
        async with turns.together():
            alarm.set(await _due(plaza, consumer.group, consumer.due))


async def _due(plaza: Plaza, group: Group, due: Callable[[Plaza], Awaitable[float]]) -> float:
    try:
        return await due(plaza)
    except Exception as error:  # the work stays due
        log.warning("timed work failed and is tried again", group=group, error=repr(error.__cause__ or error))
        return PAUSE_S


async def handle(plaza: Plaza, consumer: Consumer, taken: Sequence[Delivery], turns: Turns) -> float:
    """Handle fresh messages together, and those that failed before alone, so that poison fails alone.

    A fresh message waits for a redelivered message with its key, which is older. A message whose handling ends one
    process after another is parked. Return in how many seconds timed work that they left is due, or infinity.
    """
    tries = [each for each in taken if each.attempt]
    again = [each for each in taken if each.redelivered and not each.attempt]
    earlier = {key(each) for each in again}
    fresh: list[Delivery] = []
    behind: list[Delivery] = []
    for each in taken:
        if not each.redelivered and not each.attempt:
            (behind if earlier and key(each) in earlier else fresh).append(each)
    due_s = math.inf
    for batch in filter(None, [fresh, *_growing(again), behind, *([each] for each in tries)]):
        metrics.BATCH_SIZE.labels(group=consumer.group).observe(len(batch))
        with metrics.BATCH_SECONDS.labels(group=consumer.group).time():
            anew = batch is fresh or batch is behind
            if len(batch) == 1 and batch[0].redelivered:
                due_s = min(due_s, await _alone(plaza, consumer, batch[0], turns))
            else:
                async with turns.together():
                    due_s = min(due_s, await _batch(plaza, consumer, batch, again=not anew))
    return due_s


async def _alone(plaza: Plaza, consumer: Consumer, delivery: Delivery, turns: Turns) -> float:
    async with handling_alone(plaza.redis, turns, consumer.group, delivery) as deaths:
        if deaths < MOST_DEATHS:
            return await _batch(plaza, consumer, [delivery], again=True)
        await _park(plaza, consumer, delivery, RuntimeError(f"{deaths} processes died while they handled it"))
        return math.inf


def _growing(again: Sequence[Delivery]) -> Iterator[Sequence[Delivery]]:
    """Yield redelivered messages in batches that double: the first alone, then 2, 4, 8 and so on.

    A message may have ended the process that had it. So each such end has acked the messages before its cause, and
    thousands of messages take few transactions.
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
    late = metrics.CONSUMER_LATENCY.labels(group=consumer.group)
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
    """Handle events; while the store is away wait here, because a later delivery would fare no better."""
    timeouts = 0
    while True:
        try:
            due_s = await consumer.handle(plaza, happened)
            return math.inf if due_s is None else due_s
        except (Unavailable, StartError) as error:
            timeouts += await plaza.mongo.takes_writes()
            if timeouts >= MOST_TIMEOUTS:
                raise  # the store works and this batch takes too long: it must not block the others
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
    """Return a context in which log lines carry the trace of this message, if it can be read."""
    try:
        return logs.working_for(delivery.envelope().trace)
    except ValueError:
        return logs.working_for(None)


async def _until_available(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await work()
        except (Unavailable, StartError, BrokerAway) as error:
            log.warning("waiting to retry or park a message", error=repr(error))
            await asyncio.sleep(PAUSE_S)
