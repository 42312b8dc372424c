"""Workers of a test that share the partitions of a group, and a record of what each handled, in which order."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fakeredis import FakeAsyncRedis

from social.contracts.envelope import Envelope
from social.contracts.events import Group, PostLiked
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent
from social.infra.broker.opening import broker_of
from social.infra.broker.outbox import Outbox
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Mongo, Transaction
from workers import counters, runner
from workers.deaths import Turns
from workers.runner import Consumer

GROUP = Group.COUNTERS


class Handled:
    """The events that were handled of each key, by which worker, in the order of their beginnings and ends."""

    def __init__(self) -> None:
        self.by: dict[str, list[str]] = defaultdict(list)  # the workers of each key
        self.numbers: dict[str, list[int]] = defaultdict(list)
        self.now: dict[str, str] = {}  # the worker that handles a key at this moment
        self.together: set[str] = set()  # keys that two workers handled at once

    def first(self, key: str) -> list[int]:
        """Return the numbers of a key in the order in which each was handled first."""
        return list(dict.fromkeys(self.numbers[key]))

    @property
    def count(self) -> int:
        """Return how many different events were handled."""
        return sum(len(set(each)) for each in self.numbers.values())


class Worker:
    """A worker that consumes the group, to the others like a process of its own."""

    def __init__(
        self, name: str, mongo_url: str, database: str, broker_url: str, handled: Handled, partitions: int
    ) -> None:
        mongo = Mongo(mongo_url, database)
        outbox = Outbox(mongo)
        self.name, self.handled, self.pause_s = name, handled, 0.005
        self.poison: str | None = None
        self.may_go_on = asyncio.Event()  # cleared, it stays in its batch
        self.may_go_on.set()
        self.counts = False  # likes, into the queues of their posts, as the consumer of counters does
        self.batches: list[list[str]] = []  # the keys in each
        self.broker = broker_of(broker_url, "plaza", outbox, partitions)
        self.plaza = Plaza.over(mongo, FakeAsyncRedis(), self.broker, outbox)
        self.tasks: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        consuming = runner.consume(self.plaza, Consumer(GROUP, self.handle), Turns())
        self.tasks = [asyncio.create_task(each) for each in (self.plaza.members.run(), consuming)]

    async def handle(self, plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
        events = [each.event for each in happened]
        keys = {event.key for event in events}
        if self.poison in keys:
            raise RuntimeError("poison")
        self.batches.append([event.key for event in events])
        for key in keys:
            if self.handled.now.setdefault(key, self.name) != self.name:
                self.handled.together.add(key)
        for event in events:
            assert isinstance(event, PostLiked)
            self.handled.by[event.key].append(self.name)
            self.handled.numbers[event.key].append(int(event.by))
        try:
            await asyncio.sleep(self.pause_s)
            await self.may_go_on.wait()
            if self.counts:
                await counters.handle(plaza, happened)
        finally:
            for key in keys:
                if self.handled.now.get(key) == self.name:
                    del self.handled.now[key]

    def kill(self) -> None:
        """End without a word to the others."""
        self.plaza.members._announced = False
        for task in self.tasks:
            task.cancel()
        self.tasks = []

    async def stop(self) -> None:
        """Stop in order; raises the error that ended its work before."""
        ended = [task for task in self.tasks if task.done()]
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks = []
        await self.plaza.close()
        for task in ended:
            task.result()


class Company:
    """Workers, and events for them."""

    def __init__(self, mongo_url: str, database: str, broker_url: str) -> None:
        self.places = (mongo_url, database, broker_url)
        self.ordered = broker_url.startswith("amqp")  # SQS promises no order
        self.handled = Handled()
        self.workers: list[Worker] = []
        self.posts = [clock.new_id() for _ in range(16)]
        self.sent = 0

    def worker(self, name: str, *, partitions: int = 4, broker_url: str | None = None) -> Worker:
        """Start another worker."""
        mongo_url, database, url = self.places
        made = Worker(name, mongo_url, database, broker_url or url, self.handled, partitions)
        self.workers.append(made)
        made.start()
        return made

    def events(self, count: int, posts: Sequence[str] = ()) -> list[Envelope]:
        """Return the next likes of each of the posts in turn, numbered."""
        posts, recorded = posts or self.posts, Transaction(self.workers[0].plaza.mongo)
        for _ in range(count):
            for post in posts:
                recorded.record(PostLiked(post_id=post, author_id=post, by=f"{self.sent:024}"))
                self.sent += 1
        return recorded.recorded

    def owners(self) -> dict[str, str]:
        """Return which worker handled each key last."""
        return {key: by[-1] for key, by in self.handled.by.items()}

    async def settled(self) -> None:
        """Wait until the workers know of each other, twice over: workers that must step back have done so."""
        for _ in range(2):
            for each in self.workers:
                if each.tasks:
                    await each.plaza.members.refresh()
            await asyncio.sleep(0.3)


@asynccontextmanager
async def company(mongo_url: str, database: str, broker_url: str) -> AsyncIterator[Company]:
    """Yield workers that are stopped at the end."""
    made = Company(mongo_url, database, broker_url)
    try:
        yield made
    finally:
        for each in made.workers:
            await each.stop()
