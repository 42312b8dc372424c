"""The messages that SQS delivers to a consumer of a group, from the queues of the partitions whose leases it holds.

SQS gives a message to any process that asks. A lease for each partition, in the store, makes one process its consumer:
messages count as delivered to it only while its lease lasts, whatever SQS believes.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from social.contracts.events import Group
from social.contracts.problems import Unavailable
from social.infra.broker.broker import BrokerAway, Delivery, raise_if_cancelled
from social.infra.broker.sqs_client import SqsClient
from social.infra.broker.sqs_partition import DEPTHS, SqsDelivery, SqsPartition
from social.infra.broker.sqs_sender import Sender
from social.infra.observe import logs, metrics
from social.infra.store.leases import Lease
from social.infra.store.members import Owners
from social.infra.store.mongo import Mongo

log = logs.get("broker")

LEASE = timedelta(seconds=10)
LEASES_EVERY_S = 1.0
CLOSE_S = 3.0
LEAST_AHEAD = 256  # unacked messages of a partition
MEASURE_EVERY_S = 60.0  # each is a request


class SqsDeliveries:
    """The messages that arrived and `take` has not returned, and the partitions they come from."""

    def __init__(
        self, client: SqsClient, mongo: Mongo, sender: Callable[[str], Sender], group: Group, ahead: int
    ) -> None:
        self._client = client
        self._mongo = mongo
        self._sender = sender
        self._group = group
        self._ahead = ahead
        self._wanted = 0  # partitions of the group
        self._mine: set[int] | None = None  # those this process is to consume; all, until other processes are known
        self._leases: dict[int, Lease] = {}
        self._partitions: dict[int, SqsPartition] = {}
        self._given_up: set[int] = set()  # partitions that are being given up
        self._closing: set[asyncio.Task[None]] = set()
        self._closed: list[SqsPartition] = []  # whose last request may still be answered
        self._arrived: deque[SqsDelivery] = deque()
        self._awake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self, partitions: int) -> None:
        """Begin to take leases, and to consume the partitions whose leases this process has."""
        self._wanted = max(self._wanted, partitions)
        self._tasks = [
            asyncio.create_task(self._keep_leases(), name=f"leases {self._group}"),
            asyncio.create_task(self._measure(), name=f"depth {self._group}"),
        ]
        for task in self._tasks:
            task.add_done_callback(lambda _: self._awake.set())

    async def close(self) -> None:
        """Stop consuming: acks are sent, all other messages are visible to the next consumer at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._show([])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*map(self._give_up, list(self._partitions)), *self._closing)
        for partition in (*self._partitions.values(), *self._closed):
            partition.end()

    def share(self, owners: Owners) -> None:
        """Learn who owns which partition: this process takes its leases, and gives up the others between batches."""
        self._wanted = max(self._wanted, len(owners))
        self._mine = {partition for partition, owner in owners.items() if owner is None}
        self._awake.set()

    async def _keep_leases(self) -> None:
        """Take and renew leases every second, beside the handling: a batch may take longer than a lease lasts."""
        while True:
            mine = range(self._wanted) if self._mine is None else sorted(self._mine)
            await asyncio.gather(*map(self._keep_lease, {*mine, *self._partitions}))
            metrics.CONSUMER_PARTITIONS.labels(group=self._group).set(len(self._partitions))
            await asyncio.sleep(LEASES_EVERY_S)

    async def _keep_lease(self, number: int) -> None:
        if number in self._given_up:
            return
        lease = self._leases.get(number)
        if lease is None:
            name = f"sqs {self._client.place.prefix} {self._group} {number}"
            lease = self._leases[number] = Lease(self._mongo, name, LEASE, measured=False)
        try:
            await lease.take()
        except Unavailable as error:
            log.debug("a lease could not be renewed", group=self._group, partition=number, error=repr(error))
        partition = self._partitions.get(number)
        if number in self._given_up:  # meanwhile
            return
        if partition is not None and lease.is_over:
            log.warning("the lease of a partition is lost", group=self._group, partition=number)
            self._close_soon(self._partitions.pop(number))
        elif partition is None and lease.held:
            self._open(number, lease)

    def _open(self, number: int, lease: Lease) -> None:
        queue = self._client.place.queue(self._group, number)
        most = max(LEAST_AHEAD, self._ahead // self._wanted)
        sender = self._sender(queue)
        partition = SqsPartition(self._client, sender, queue, lease=lease, most=most, arrived=self.arrived)
        self._partitions[number] = partition
        partition.start()

    def _close_soon(self, partition: SqsPartition) -> None:
        task = asyncio.create_task(self._close(partition), name=f"close {partition.queue}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, partition: SqsPartition) -> None:
        self._closed = [partition, *(each for each in self._closed if not each.has_ended)]
        await partition.close()

    async def _give_up(self, number: int) -> None:
        """Let another process have a partition: its messages first, then the lease."""
        partition = self._partitions.pop(number, None)
        if partition is None:  # its lease is over
            return
        self._given_up.add(number)
        try:
            await self._close(partition)
            with contextlib.suppress(Unavailable):  # then the lease is over by itself
                await self._leases[number].give_up()
        finally:
            self._given_up.discard(number)

    async def _adjust(self) -> None:
        """Give up partitions of other workers, and those that an error ended: between two batches.

        No message of them is being handled then. Whichever process takes the lease of such a partition begins anew.
        """
        others = set() if self._mine is None else self._partitions.keys() - self._mine
        await asyncio.gather(*map(self._give_up, {*others, *filter(self._ended, self._partitions)}))

    def _ended(self, number: int) -> bool:
        try:
            self._partitions[number].check()
        except Exception as error:
            log.error("a partition ended and begins anew", group=self._group, partition=number, exc_info=error)
            return True
        return False

    def arrived(self, deliveries: Sequence[SqsDelivery]) -> None:
        """Queue messages that were received."""
        self._arrived += deliveries
        self._awake.set()

    async def take(self, most: int, within_s: float | None = None) -> list[Delivery]:
        """Wait for a message, then return all that are there as they were sent; partitions change hands here."""
        end = math.inf if within_s is None else time.monotonic() + within_s
        while True:
            self._awake.clear()
            await self._adjust()
            raise_if_cancelled()
            for task in self._tasks:
                if task.done():
                    task.result()  # raises the error that ended it
            if taken := self._next(most):
                return taken
            left_s = end - time.monotonic()
            if left_s <= 0:
                return []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if left_s == math.inf else left_s):
                    await self._awake.wait()

    def _next(self, most: int) -> list[Delivery]:
        taken: list[SqsDelivery] = []
        while self._arrived and len(taken) < most:
            each = self._arrived.popleft()
            if each.held:
                taken.append(each)
        return [*sorted(taken, key=lambda each: each.sent_at_ms)]

    async def _measure(self) -> None:
        """Show once a minute how many messages the partitions of this process have, and how old the oldest is."""
        while True:
            await asyncio.sleep(MEASURE_EVERY_S)
            try:
                depths = await asyncio.gather(*(each.depth() for each in list(self._partitions.values())))
            except BrokerAway as error:
                log.debug("the queues cannot be measured", group=self._group, error=str(error))
            else:
                self._show(depths)

    def _show(self, depths: Sequence[Mapping[str, int]]) -> None:
        for state in DEPTHS:
            metrics.QUEUE_MESSAGES.labels(group=self._group, state=state).set(sum(each[state] for each in depths))
        oldest_s = max((each.oldest_s for each in self._partitions.values()), default=0.0)
        metrics.QUEUE_OLDEST_S.labels(group=self._group).set(oldest_s)
