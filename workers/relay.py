"""The relay publishes outbox rows that the fast path left behind, in shards by the key of the event."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from social.contracts.envelope import Envelope
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

    Events that the broker does not accept, because of a queue that is gone or denied, do not keep it from those behind
    them: the sweep goes on as long as the broker answers, and raises at its end.
    """
    after, failure = "", None
    while found := await plaza.outbox.due(LEFT_BEHIND, BATCH, after):
        rows = await _without_hopeless(plaza, [row for row in found if partition(row.key, SHARDS) in held])
        try:
            await _publish(plaza, rows)
        except BrokerAway as error:
            await plaza.broker.ping()
            failure = error
        after = found[-1].id
        if len(found) < BATCH or not all([await lease.take() for lease in held.values()]):
            break
    if failure is not None:
        raise failure


async def _publish(plaza: Plaza, rows: Sequence[Envelope]) -> None:
    if rows:
        with tracing.parts("producer", [(f"relay {row.type}", row.trace) for row in rows]):
            await plaza.broker.publish(rows)
        metrics.EVENTS_PUBLISHED.labels(path="relay").inc(len(rows))
        log.info("events published", events=len(rows), **logs.about(row.trace for row in rows))


async def _without_hopeless(plaza: Plaza, rows: Sequence[Envelope]) -> list[Envelope]:
    """Park events that can never be published, as dead letters, and return the others.

    These are events without a consumer in this release, and events too large for the broker. Their age would make the
    API refuse writes.
    """
    reasons = {row.id: reason for row in rows if (reason := _hopeless(plaza, row))}
    for row in rows:
        if reason := reasons.get(row.id):
            with logs.working_for(row.trace):
                log.error("event parked", type=row.type, event_id=row.id, error=reason)
                await parked.park_unpublished(plaza.mongo, row, reason)
    await plaza.outbox.forget([*reasons])
    return [row for row in rows if row.id not in reasons]


def _hopeless(plaza: Plaza, row: Envelope) -> str | None:
    if not row.groups():
        return "no consumer in this release"
    return None if plaza.broker.fits(row) else "too large for the broker"
