"""The replaced edges of the product: clocks, chance, and the clients of store, broker, Redis and sockets.

Everything else that a simulation runs is the product's own code, as it is.
"""

import contextlib
import itertools
import logging
import random
import secrets
import time
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any, Self
from unittest import mock

import jwt
import structlog

from devtools.simulation import amqp
from devtools.simulation.sockets import MemoryEngine
from devtools.simulation.store import driver
from devtools.simulation.world import World
from realtime import transport
from social.infra import clock
from social.infra.broker import rabbit
from social.infra.broker.outbox import Outbox
from social.infra.process.plaza import Plaza
from social.infra.store import mongo, pipelined, store_transaction

PREFIX, PARTITIONS = "plaza", 2


class _Makers:
    """The part of ids that differs between processes, and their numbers within each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers: dict[int, itertools.count[int]] = {}

    @property
    def process(self) -> str:
        """The part of the running process."""
        return f"{self._world.loop.process.number:010x}"

    @property
    def numbers(self) -> "itertools.count[int]":
        """The numbers of the running process, from anywhere on."""
        number = self._world.loop.process.number
        if number not in self._numbers:
            self._numbers[number] = itertools.count(self._world.chance.randrange(1 << 23))
        return self._numbers[number]


def _dates_of(world: World) -> type[datetime]:
    """Return a class of dates whose `now` is this world's: a library that checks tokens asks no other clock."""

    class Dates(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(world.time_s(), tz)

    return Dates


@contextlib.contextmanager
def replaced(world: World) -> Iterator[None]:
    """Run the product on this world's servers and clock until the block ends."""
    state = random.getstate()
    random.seed(world.chance.random())
    with contextlib.ExitStack() as stack:

        def replace(owner: Any, name: str, by: Any) -> None:
            stack.enter_context(mock.patch.object(owner, name, by))

        replace(time, "time", world.time_s)
        replace(time, "monotonic", world.loop.time)
        replace(time, "perf_counter", world.loop.time)
        replace(time, "sleep", world.loop.sleep)
        replace(secrets, "token_bytes", lambda size=32: world.chance.randbytes(size))
        replace(clock, "now", world.now)
        replace(jwt.api_jwt, "datetime", _dates_of(world))
        replace(clock, "_maker", _Makers(world))
        replace(mongo, "AsyncIOMotorClient", lambda *_, **__: driver.Client(world.store, world.engine))
        replace(pipelined, "exchange", driver.exchange)
        replace(store_transaction, "exchange", driver.exchange)
        replace(rabbit, "aio_pika", amqp.namespace(world.broker))
        replace(rabbit, "NodesConnection", lambda _: amqp.NodesConnection(world.broker))
        replace(transport, "choose", lambda _: MemoryEngine)
        try:
            yield
        finally:
            random.setstate(state)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Log nothing until the block ends: faults are what a simulation is made of."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)


def connect(world: World) -> Plaza:
    """Return the system as the running process sees it."""
    store = mongo.Mongo("mongodb://simulated", "plaza")
    outbox = Outbox(store)
    broker = rabbit.RabbitBroker("amqp://simulated", PREFIX, outbox, PARTITIONS)
    return Plaza.over(store, world.redis.client(), broker, outbox)
