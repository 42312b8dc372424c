"""The relay publishes outbox rows that the fast path left behind, in shards by the key of the event."""

from collections.abc import Mapping
from datetime import timedelta

from social.contracts.problems import Unavailable
from social.infra.broker.broker import BrokerAway
from social.infra.broker.topology import partition
from social.infra.observe import logs, metrics, tracing
from social.infra.process.plaza import Plaza
from social.infra.store.leases import Lease, work_in_parts
from social.ops import parked

log = logs.get("relay")

SHARDS = 4  # each is swept by a single worker, so that events with a key are published in order
LEASE = timedelta(seconds=10)
LEFT_BEHIND = timedelta(seconds=2)
SWEEP_EVERY_S = 1.0
BATCH = 500


async def run(plaza: Plaza) -> None:
    """Sweep the shards whose leases this process holds, each second, as long as it lives."""
    leases = [Lease(plaza.mongo, f"relay {shard}" if shard else "relay", LEASE) for shard in range(SHARDS)]
    await work_in_parts(
        plaza.members,
        "relay",
        leases,
        lambda held: sweep(plaza, held),
        every_s=SWEEP_EVERY_S,
        away=(Unavailable, BrokerAway),
    )


async def sweep(plaza: Plaza, held: Mapping[int, Lease]) -> None:
    """Publish the rows of these shards that are older than 2 s, in batches; raises BrokerAway, Unavailable.

    An event without a consumer in this release is parked as a dead letter: its age would make the API refuse writes.
    """
    after = ""
    while found := await plaza.outbox.due(LEFT_BEHIND, BATCH, after):
        rows = [row for row in found if partition(row.key, SHARDS) in held]
        unknown = [row for row in rows if not row.groups()]
        for row in unknown:
            with logs.working_for(row.trace):
                log.error("event parked", type=row.type, event_id=row.id)
                await parked.park_unrouted(plaza.mongo, row)
        await plaza.outbox.forget([row.id for row in unknown])
        if known := [row for row in rows if row.groups()]:
            with tracing.parts("producer", [(f"relay {row.type}", row.trace) for row in known]):
                await plaza.broker.publish(known)
            metrics.EVENTS_PUBLISHED.labels(path="relay").inc(len(known))
            log.info("events published", events=len(known), **logs.about(row.trace for row in known))
        after = found[-1].id
        if len(found) < BATCH or not all([await lease.take() for lease in held.values()]):
            return
