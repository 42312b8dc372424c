"""What a process looks at while it runs, for its log and metrics: the servers it needs, and its own loop."""

import asyncio
from collections.abc import Awaitable, Callable

from pymongo.errors import PyMongoError

from social.contracts.problems import Unavailable
from social.infra import logs, metrics
from social.infra.broker import Broker, BrokerAway, BrokerRefuses
from social.infra.mongo import Mongo
from social.infra.redis import AWAY, REFUSES, Redis
from social.infra.settings import StartError

log = logs.get("watching")

EVERY_S = 5.0
STORE_S = 2.0
LAG_EVERY_S = 1.0


class Away(Exception):
    """A server is not there, or not yet; says why."""


async def watch_servers(redis: Redis, broker: Broker) -> None:
    """Say every 5 s that one of these two is away, as long as the process lives; without them it can begin.

    Raises StartError when one that has not answered yet refuses us: the setting that names it is wrong.
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
            raise StartError(f"AMQP_URL is wrong: the server says {error}") from error
        except BrokerAway as error:
            raise Away(str(error)) from error

    await asyncio.gather(_watch("Redis", "redis", redis_answers), _watch("RabbitMQ", "broker", broker_answers))


async def watch_store(mongo: Mongo) -> None:
    """The same for the document store, which was there when the process began."""

    async def store_answers() -> None:
        try:
            await mongo.ping(STORE_S)
        except (Unavailable, StartError, PyMongoError) as error:  # this only looks: no process ends for it
            raise Away(why_away(error)) from error

    await _watch("MongoDB", "store", store_answers)


async def _watch(name: str, server: str, answers: Callable[[], Awaitable[None]]) -> None:
    loop, up = asyncio.get_running_loop(), metrics.SERVER_UP.labels(server=server)
    known, away = False, False
    while True:
        began = loop.time()
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
                log.info("here", server=name)
            known, away = True, False
            up.set(1)
        await asyncio.sleep(max(0.1, began + EVERY_S - loop.time()))


def why_away(error: Exception) -> str:
    """Why MongoDB is away, without the driver's view of the topology."""
    return str(error.__cause__ or error).partition(", Timeout:")[0].partition(" (configured")[0]


async def watch_loop() -> None:
    """Measure each second by how much the loop is late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        metrics.LOOP_LAG_S.observe(max(0.0, loop.time() - due))
