"""The relay: whoever holds its lease hands the outbox rows that the fast path left behind to the broker."""

import asyncio
import contextlib
from datetime import timedelta

from social import parked
from social.contracts.problems import Unavailable
from social.infra import logs, metrics, tracing
from social.infra.broker import BrokerAway
from social.infra.leases import Lease
from social.infra.wiring import Social

log = logs.get("relay")

LEASE = timedelta(seconds=10)
LEFT_BEHIND = timedelta(seconds=2)
SWEEP_EVERY_S = 1.0
BATCH = 500


async def run(social: Social) -> None:
    """Sweep each second, as the only one in the cluster, as long as the process lives."""
    lease = Lease(social.mongo, "relay", LEASE)
    try:
        while True:
            try:
                if await lease.take():
                    await sweep(social, lease)
            except (Unavailable, BrokerAway) as error:
                log.warning("waiting", error=repr(error))
            await asyncio.sleep(SWEEP_EVERY_S)
    finally:
        with contextlib.suppress(Unavailable, TimeoutError):  # then it is over by itself
            async with asyncio.timeout(1):
                await lease.give_up()


async def sweep(social: Social, lease: Lease) -> None:
    """Publish all rows older than 2 s, in batches; raises BrokerAway, Unavailable.

    What this release knows no consumer of is parked: left here it would grow too old, and writes be refused for it.
    """
    after = ""
    while rows := await social.outbox.due(LEFT_BEHIND, BATCH, after):
        unknown = [row for row in rows if not row.groups()]
        for row in unknown:
            with logs.working_for(row.trace):
                log.error("event parked", type=row.type, event_id=row.id)
                await parked.park_unrouted(social.mongo, row)
        await social.outbox.forget([row.id for row in unknown])
        known = [row for row in rows if row.groups()]
        with tracing.parts("producer", [(f"relay {row.type}", row.trace) for row in known]):
            await social.broker.publish(known)
        metrics.EVENTS_PUBLISHED.labels(path="relay").inc(len(known))
        log.info("events published", events=len(known), **logs.about(row.trace for row in known))
        after = rows[-1].id
        if len(rows) < BATCH or not await lease.take():
            return
