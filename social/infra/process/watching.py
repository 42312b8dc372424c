"""Observations of a running process for its log and metrics: the servers it needs, the clocks, and its event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from pymongo.errors import PyMongoError

from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.broker.broker import Broker, BrokerAway, BrokerRefuses
from social.infra.observe import logs, metrics
from social.infra.redis.redis import AWAY, REFUSES, Redis
from social.infra.settings import StartError
from social.infra.store.mongo import Mongo

log = logs.get("watching")

EVERY_S = 5.0
CLOCKS_EVERY_S = 30.0
CLOCKS_ASK_S = 2.0
CLOCKS_APART = timedelta(seconds=15)  # most: beyond it tokens are refused and scheduled work comes late
CLOCKS_NOTICED = timedelta(seconds=2)
STORE_S = 2.0
LAG_EVERY_S = 1.0


class Away(Exception):
    """A server is not there, or not yet; says why."""


async def watch_servers(redis: Redis, broker: Broker) -> None:
    """Log every 5 s while Redis or the broker is away, as long as the process lives; it can start without them.

    Raises StartError when a server that has not answered yet refuses the credentials: its setting is wrong.
    """

    async def redis_answers() -> None:
        try:
            await redis.ping()
        except REFUSES as error:
            raise StartError(f"REDIS_URL is wrong: the server says {error}") from error
        except AWAY as error:
            raise Away(str(error) or type(error).__name__) from error

    async def broker_answers() -> None:
        try:
            await broker.ping()
        except BrokerRefuses as error:
            raise StartError(f"BROKER_URL is wrong: the server says {error}") from error
        except BrokerAway as error:
            raise Away(str(error)) from error

    await asyncio.gather(_watch("Redis", "redis", redis_answers), _watch("broker", "broker", broker_answers))


async def watch_store(mongo: Mongo) -> None:
    """Log every 5 s while the document store is away; it was there when the process started."""

    async def store_answers() -> None:
        try:
            await mongo.ping(STORE_S)
        except (Unavailable, StartError, PyMongoError) as error:  # an observation stops no process
            raise Away(why_away(error)) from error

    await _watch("MongoDB", "store", store_answers)


async def _watch(name: str, server: str, answers: Callable[[], Awaitable[None]]) -> None:
    up = metrics.SERVER_UP.labels(server=server)
    known, away = False, False
    while True:
        try:
            await answers()
        except (Away, StartError) as error:
            if isinstance(error, StartError) and not known:
                raise
            away = True
            up.set(0)
            log.warning("waiting", waits_for=f"{name} ({error})")
        else:
            if away:
                log.info("server is back", server=name)
            known, away = True, False
            up.set(1)
        await asyncio.sleep(EVERY_S)  # after the answer: a first one that comes late makes no second line early


def why_away(error: Exception) -> str:
    """Return why MongoDB is away, without the driver's view of the topology."""
    return str(error.__cause__ or error).partition(", Timeout:")[0].partition(" (configured")[0]


async def watch_clocks(mongo: Mongo, redis: Redis) -> None:
    """Measure every 30 s how far this clock is from those of the servers, and log it beyond 2 s.

    Work that must not be missed goes by the servers' clocks; tokens and due times go by this machine's clock.
    """

    async def of_redis() -> datetime:
        seconds, micros = await redis.time()
        return clock.EPOCH + timedelta(seconds=seconds, microseconds=micros)

    while True:
        for server, asks in (("store", mongo.now), ("redis", of_redis)):
            try:
                async with asyncio.timeout(CLOCKS_ASK_S):
                    report_offset(server, await clock_offset(asks))
            except (Unavailable, StartError, PyMongoError, *AWAY) as error:
                log.debug("clock not readable", server=server, error=str(error))
        await asyncio.sleep(CLOCKS_EVERY_S)


async def clock_offset(asks: Callable[[], Awaitable[datetime]]) -> timedelta:
    """Return by how much this clock is at least ahead of another; the request itself takes part of the difference."""
    asked_at = clock.now()
    its = await asks()
    answered_at = clock.now()
    if its < asked_at:
        return asked_at - its
    return min(answered_at - its, timedelta(0))


def report_offset(server: str, ahead: timedelta) -> None:
    """Set the metric, and log an offset of 2 s or more."""
    metrics.CLOCK_OFFSET_S.labels(server=server).set(ahead.total_seconds())
    if abs(ahead) < CLOCKS_NOTICED:
        return
    say = log.error if abs(ahead) > CLOCKS_APART else log.warning
    advice = "have every machine keep time by NTP (chrony, systemd-timesyncd)"
    say("clocks are apart", server=server, ahead_s=round(ahead.total_seconds(), 1), most_s=15, advice=advice)


async def watch_loop() -> None:
    """Measure every second by how much the event loop is late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        metrics.EVENT_LOOP_LAG_S.observe(max(0.0, loop.time() - due))
