"""Count the requests to SQS that an event causes, and what a million events cost; measure the client's processor time.

    python loadtests/benchmarks/sqs.py [--events 10000] [--quick]

Starts fauxqs, an SQS on this machine. Likes are published by the broker of the product and consumed from the queues of
both their groups, each with four partitions, with an ack for each batch that is there. At three rates: as fast as SQS
takes them, 50 and 2 a second. The last line is one JSON object. Prices are those of a standard queue, for requests of
up to 64 KiB: 0.40 dollars per million. Queues that nothing comes to are asked three times a minute.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from devtools.cluster.servers import SqsServer
from social.contracts.envelope import Envelope
from social.contracts.events import Group, PostLiked
from social.infra import clock
from social.infra.broker.sqs import SqsBroker
from social.infra.broker.sqs_client import POLL_S
from social.infra.broker.sqs_deliveries import MEASURE_EVERY_S
from social.infra.broker.sqs_partition import SqsDelivery, SqsPartition
from social.infra.observe import metrics
from social.infra.settings import PARTITIONS

DOLLARS = 0.40  # per million requests
GROUPS = PostLiked.groups
BATCH = 200  # events that the publisher hands over at once
HANDLED_IN_S = 0.005
DONE_WITHIN_S = 120.0


class Outbox:
    """An outbox without a store."""

    mongo: Any = None

    async def announce_partitions(self, partitions: int) -> None:
        """Do nothing: no worker listens."""

    def forget_soon(self, ids: Sequence[str]) -> None:
        """Do nothing: there are no rows."""


class Lease:
    """A lease that is never over."""

    is_over = False


class Handling:
    """The consumer of a group: it handles what is there, and acks it."""

    def __init__(self, broker: SqsBroker, group: Group) -> None:
        self.handled = 0
        self._waiting: list[SqsDelivery] = []
        self._awake = asyncio.Event()
        self._partitions = [self._partition(broker, broker.place.queue(group, each)) for each in range(PARTITIONS)]
        self._task = asyncio.create_task(self._handle())

    def _partition(self, broker: SqsBroker, queue: str) -> SqsPartition:
        lease: Any = Lease()
        sender = broker.sender(queue)
        made = SqsPartition(broker.client, sender, queue, lease=lease, most=2_500, arrived=self._arrived)
        made.start()
        return made

    def _arrived(self, deliveries: Sequence[SqsDelivery]) -> None:
        self._waiting += deliveries
        self._awake.set()

    async def _handle(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            batch, self._waiting = self._waiting, []
            if not batch:
                continue
            for each in batch:
                each.envelope()
            await asyncio.sleep(HANDLED_IN_S)
            await batch[0].ack(*batch[1:])
            self.handled += len(batch)

    async def close(self) -> None:
        """Stop, with all acks sent."""
        self._task.cancel()
        await asyncio.gather(*(each.close() for each in self._partitions))
        for each in self._partitions:
            each.end()


def likes(count: int) -> list[Envelope]:
    """Return likes of as many posts."""
    events = [PostLiked(post_id=clock.new_id(), author_id=clock.new_id(), by=clock.new_id()) for _ in range(count)]
    return [
        Envelope(id=clock.new_id(), type="PostLiked", v=1, key=each.key, at=clock.now(), data=each.model_dump())
        for each in events
    ]


def requests() -> Counter[str]:
    """Return the requests so far, by operation."""
    (family,) = metrics.SQS_REQUESTS.collect()
    return Counter(
        {each.labels["operation"]: round(each.value) for each in family.samples if each.name.endswith("_total")}
    )


async def publish(broker: SqsBroker, events: Sequence[Envelope], rate: float) -> None:
    """Publish events one by one at a rate, without waiting for SQS, or at rate 0 in batches that wait."""
    if not rate:
        for start in range(0, len(events), BATCH):
            await broker.publish(events[start : start + BATCH])
        return
    began = time.perf_counter()
    async with asyncio.TaskGroup() as sending:
        for number, event in enumerate(events):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            sending.create_task(broker.publish([event]))


async def measure(broker: SqsBroker, count: int, rate: float) -> dict[str, float]:
    """Publish events at a rate, 0 for as fast as can be, until all are handled and acked; return the figures."""
    groups = [Handling(broker, each) for each in GROUPS]
    before, began, cpu = requests(), time.perf_counter(), time.process_time()
    await publish(broker, likes(count), rate)
    async with asyncio.timeout(DONE_WITHIN_S):
        while any(each.handled < count for each in groups):  # noqa: ASYNC110 - a counter
            await asyncio.sleep(0.01)
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    await asyncio.gather(*(each.close() for each in groups))
    made = requests() - before
    made.pop("get_queue_url", None)
    each_event = sum(made.values()) / count
    return {
        "events": count,
        "events_s": round(count / took, 1),
        "cpu_us": round(spent / count / len(GROUPS) * 1e6),
        "requests": round(each_event, 2),
        "dollars": round(each_event * DOLLARS, 2),
        **{name: round(of / count, 3) for name, of in sorted(made.items())},
    }


def idle_dollars() -> float:
    """Return what a month of all queues costs to which nothing comes."""
    a_month = 30 * 24 * 3600 * PARTITIONS * len(Group)
    return round(a_month * (1 / POLL_S + 1 / MEASURE_EVERY_S) / 1e6 * DOLLARS, 2)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000, help="of the fastest round")
    parser.add_argument("--quick", action="store_true", help="a moment of it, to see that it runs")
    options = parser.parse_args()
    rounds = [(options.events, 0.0), (1_000, 50.0), (40, 2.0)]
    if options.quick:
        rounds = [(400, 0.0), (50, 50.0), (4, 2.0)]
    os.environ.update(SqsServer.credentials)
    with TemporaryDirectory() as folder:
        server = SqsServer(Path(folder))
        await server.start()
        outbox: Any = Outbox()
        broker = SqsBroker(server.url, "bench", outbox)
        try:
            await broker.client.find(broker.place.queues(PARTITIONS), create=True)
            found = {f"{rate:g}": await measure(broker, count, rate) for count, rate in rounds}
        finally:
            await broker.close()
            await server.kill()
            await server.stop()
    for name, figures in found.items():
        print(name, figures)
    print(json.dumps({**found, "idle_dollars": idle_dollars()}))


if __name__ == "__main__":
    asyncio.run(main())
