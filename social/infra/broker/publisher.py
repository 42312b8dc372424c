"""The fast path from a commit to the broker: in the background, bounded, with a breaker. The relay does the rest."""

import asyncio
from collections.abc import Sequence

from social.contracts.envelope import Envelope
from social.infra.breaker import Breaker
from social.infra.broker.broker import Broker, BrokerAway, PartlyAccepted
from social.infra.broker.outbox import IN_FLIGHT
from social.infra.observe import logs, metrics, tracing

log = logs.get("publisher")

REST_S = 2.0
BATCH = 200
AT_ONCE = 4  # batches that wait for their confirmation


class Publisher:
    """Publishes events that just committed; events that it drops are still in the outbox."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: list[Envelope] = []
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._breaker = Breaker(REST_S)

    def offer(self, envelopes: Sequence[Envelope]) -> None:
        """Queue committed events, unless too many wait or the breaker is open."""
        if not envelopes or self._breaker.is_open:
            return
        room = IN_FLIGHT - len(self._waiting)
        self._waiting += envelopes[:room]
        if room < len(envelopes):
            metrics.FAST_PATH_SKIPPED.inc(len(envelopes) - room)
        self._wake.set()

    async def run(self) -> None:
        """Publish queued events without waiting for confirmations under way, as long as the process lives."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while batch := self._next():
                if len(self._under_way) >= AT_ONCE:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.create_task(self._publish(batch), name="publish")
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def flush(self, timeout_s: float) -> None:
        """Publish what is queued, within `timeout_s`, and await the confirmations: for the stop."""
        try:
            async with asyncio.timeout(timeout_s):
                while batch := self._next():
                    await self._publish(batch)
                if self._under_way:
                    await asyncio.wait(self._under_way)
        except TimeoutError:
            log.info("left to the relay of the next start", events=len(self._waiting))

    def _next(self) -> list[Envelope]:
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        return batch

    async def _publish(self, batch: Sequence[Envelope]) -> None:
        try:
            with tracing.parts("producer", [(f"publish {each.type}", each.trace) for each in batch]):
                await self._broker.publish(batch)
            metrics.EVENTS_PUBLISHED.labels(path="fast").inc(len(batch))
            log.debug("events published", events=len(batch), **logs.about(each.trace for each in batch))
        except BrokerAway as error:
            if not isinstance(error, PartlyAccepted):  # a queue that fails is no reason to delay others' events
                self._breaker.trip()
            log.warning("broker away; the relay publishes later", events=len(batch), error=str(error))
        except Exception:
            log.exception("publishing failed; the relay publishes later", events=len(batch))
