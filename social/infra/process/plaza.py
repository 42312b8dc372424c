"""The object that every process is given: store, broker, Redis and the one way to write."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, get_type_hints

from pydantic import TypeAdapter

from social.contracts.codec import decode, encode, encode_sorted
from social.contracts.problems import IdempotencyMismatch, Problem, Unavailable
from social.infra import clock
from social.infra.broker.broker import Broker
from social.infra.broker.opening import broker_of
from social.infra.broker.outbox import Outbox
from social.infra.broker.publisher import Publisher
from social.infra.observe import logs, metrics, tracing
from social.infra.process import watching
from social.infra.process.background import BestEffortTasks
from social.infra.process.process import Tasks
from social.infra.redis.cards import watch_cards
from social.infra.redis.delays import Delays
from social.infra.redis.pushing import Pushes
from social.infra.redis.redis import AWAY as REDIS_AWAY
from social.infra.redis.redis import BestEffortRedis, Redis, connect
from social.infra.redis.vouched import Vouched
from social.infra.security.revocations import Revocations
from social.infra.settings import Connections
from social.infra.store.members import Members
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.rows import IDEMPOTENCY, IdempotencyRow

log = logs.get("wiring")

P = ParamSpec("P")
T = TypeVar("T")
Verb = Callable[Concatenate[Transaction, P], Awaitable[T]]


# Fingerprints of idempotency keys hold the name of their verb, for a day and in processes of two releases at once: a
# module that moves keeps the name it had.
_FORMER_MODULES = {
    "social.posts.publishing": "social.posts",
    "social.posts.edits": "social.edits",
    "social.posts.comments": "social.comments",
    "social.posts.likes": "social.likes",
    "social.posts.reposts": "social.reposts",
    "social.posts.bookmarks": "social.bookmarks",
    "social.posts.media": "social.media",
    "social.people.follows": "social.follows",
    "social.ops.reports": "social.reports",
}


def stored_name(verb: Callable[..., Any]) -> str:
    """Return the name of a verb in stored fingerprints."""
    return f"{_FORMER_MODULES.get(verb.__module__, verb.__module__)}.{verb.__qualname__}"


class IdempotencyKey(NamedTuple):
    """A client's idempotency key: the write under it happens once, and a retry gets the first answer."""

    user_id: str
    key: str


class _Answered(Exception):
    """The request was answered before, by this row."""

    def __init__(self, row: IdempotencyRow) -> None:
        self.row = row


@dataclass(frozen=True)
class Plaza:
    """The system as the domain's functions see it."""

    mongo: Mongo
    redis: Redis
    broker: Broker
    outbox: Outbox
    publisher: Publisher
    pushes: Pushes
    revocations: Revocations
    delays: Delays
    cache: BestEffortRedis  # for values that can be computed again
    lines: Vouched[Any]  # the newest lines of home timelines, by owner
    members: Members
    best_effort: BestEffortTasks = field(default_factory=BestEffortTasks)

    @classmethod
    def over(cls, mongo: Mongo, redis_client: Redis, broker: Broker, outbox: Outbox) -> "Plaza":
        """Return the system over these clients."""
        publisher, pushes, revocations = Publisher(broker), Pushes(redis_client), Revocations(mongo)
        cache = BestEffortRedis(redis_client, "cached values are computed again")
        delays, members, lines = Delays(redis_client), Members(mongo), Vouched[Any](redis_client, "lines")
        return cls(mongo, redis_client, broker, outbox, publisher, pushes, revocations, delays, cache, lines, members)

    @classmethod
    def connect(cls, settings: Connections) -> "Plaza":
        """Return the system over real servers; nothing is contacted before it is used."""
        mongo = Mongo(settings.mongo_url, settings.mongo_database)
        outbox = Outbox(mongo)
        broker = broker_of(settings.broker_url, settings.amqp_prefix, outbox, settings.worker_partitions)
        return cls.over(mongo, connect(settings.redis_url), broker, outbox)

    async def commit(self, verb: "Verb[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a verb in a transaction; when this returns, its writes and events are durable."""
        return await self._commit(verb, lambda tx: verb(tx, *args, **kwargs))

    async def commit_idempotent(
        self, idempotency_key: IdempotencyKey | None, verb: "Verb[P, T]", *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a verb as `commit` does, under an idempotency key whose row commits with the write.

        A repeated request gets the stored answer. Raises IdempotencyMismatch when the key was used for another verb or
        other arguments.
        """
        if idempotency_key is None:
            return await self.commit(verb, *args, **kwargs)
        row_id = f"{idempotency_key.user_id}:{idempotency_key.key}"
        fingerprint = hashlib.sha256(encode_sorted([stored_name(verb), args, kwargs])).hexdigest()

        async def work(tx: Transaction) -> T:
            if tx.attempt and (row := await tx.get(IDEMPOTENCY, row_id)):
                raise _Answered(row)
            result = await verb(tx, *args, **kwargs)
            body = encode(result)
            tx.insert(IDEMPOTENCY, IdempotencyRow(_id=row_id, fingerprint=fingerprint, body=body, at=clock.now()))
            return result

        try:
            return await self._commit(verb, work)
        except _Answered as twin:
            stored = twin.row
        except Unavailable:
            raise
        except Problem:
            found = await self.mongo.one(IDEMPOTENCY, {"_id": row_id})
            if found is None:
                raise
            stored = found
        if stored["fingerprint"] != fingerprint:
            raise IdempotencyMismatch
        answer: T = _answer(verb).validate_python(decode(stored["body"]))
        return answer

    async def commit_always(self, verb: "Verb[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a verb as `commit` does, even while a full outbox refuses other writes: for logins and their ends."""
        return await self._committed(verb, lambda tx: verb(tx, *args, **kwargs))

    async def _commit(self, verb: Callable[..., Any], work: Callable[[Transaction], Awaitable[T]]) -> T:
        self.outbox.admit()
        return await self._committed(verb, work)

    async def _committed(self, verb: Callable[..., Any], work: Callable[[Transaction], Awaitable[T]]) -> T:
        started = time.perf_counter()
        with tracing.part(f"commit {verb.__qualname__}"):
            result, tx = await self.mongo.transact(work)
        metrics.TRANSACTION_SECONDS.labels(verb=verb.__qualname__).observe(time.perf_counter() - started)
        self.publisher.offer(tx.recorded)
        await self.lines.forget(tx.lines)
        await self.forget_cards(tx.stale)
        return result

    async def forget_cards(self, keys: Sequence[str]) -> None:
        """Make all processes drop what they cache under these keys: at once, or without Redis within 2 s."""
        if keys:
            self.mongo.memory.forget(keys)
            await self.pushes.control({"cards": list(keys)})

    def start(self, tasks: Tasks) -> None:
        """Start the background work that every process does."""
        tasks.keep("publisher", self.publisher.run)
        tasks.keep("outbox", self.outbox.watch)
        tasks.keep("store watch", lambda: watching.watch_store(self.mongo))
        tasks.keep("clocks", lambda: watching.watch_clocks(self.mongo, self.redis))
        tasks.keep("loop lag", watching.watch_loop)
        tasks.keep("revocations", self.revocations.run)
        tasks.keep("members", self.members.run)
        tasks.keep("cards", lambda: watch_cards(self.redis, self.mongo.memory))

    async def close(self) -> None:
        """Close all connections; a relay publishes the events that the publisher still holds."""
        await self.best_effort.finish(1.0)
        await self.broker.close()
        try:
            async with asyncio.timeout(1):
                await self.redis.aclose()
        except REDIS_AWAY:
            log.debug("redis connection did not close in time")
        await self.outbox.finish(1.0)
        await self.mongo.commits.finish(1.0)
        self.mongo.close()


@cache
def _answer(verb: Callable[..., Any]) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(verb)["return"])
