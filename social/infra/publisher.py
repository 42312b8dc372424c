"""The fast path from a commit to the broker: in the background, bounded, behind a breaker. The relay does the rest."""

import asyncio
import time
from collections.abc import Sequence

from social.contracts.envelope import Envelope
from social.infra import logs, metrics, tracing
from social.infra.broker import Broker, BrokerAway
from social.infra.outbox import IN_FLIGHT

log = logs.get("publisher")

BREAKER_S = 2.0
BATCH = 200


class Publisher:
    """Publishes what just committed; whatever it drops is still in the outbox."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: asyncio.Queue[Envelope] = asyncio.Queue(IN_FLIGHT)
        self._closed_until = 0.0

    def offer(self, envelopes: Sequence[Envelope]) -> None:
        """Take committed events along, unless too many wait or the breaker is open."""
        if time.monotonic() < self._closed_until:
            return
        for envelope in envelopes:
            try:
                self._waiting.put_nowait(envelope)
            except asyncio.QueueFull:
                metrics.FAST_PATH_SKIPPED.inc()

    async def run(self) -> None:
        """Publish in batches as long as the process lives."""
        while True:
            await self._publish(await self._waiting.get())

    async def flush(self, timeout_s: float) -> None:
        """On the way out, when `run` has ended: publish what is queued, within reason."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._waiting.empty():
                    await self._publish(self._waiting.get_nowait())
        except TimeoutError:
            log.info("left to the relay of the next start", events=self._waiting.qsize())

    async def _publish(self, first: Envelope) -> None:
        batch = [first]
        while len(batch) < BATCH and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        try:
            with tracing.parts("producer", [(f"publish {each.type}", each.trace) for each in batch]):
                await self._broker.publish(batch)
            metrics.EVENTS_PUBLISHED.labels(path="fast").inc(len(batch))
            log.debug("events published", events=len(batch), **logs.about(each.trace for each in batch))
        except BrokerAway as error:
            self._closed_until = time.monotonic() + BREAKER_S
            log.warning("broker away; the relay will tell", events=len(batch), error=str(error))
        except Exception:
            log.exception("publishing failed; the relay will tell", events=len(batch))
