"""A start before the servers it needs: it answers that it is not ready, and says every 5 s what it waits for."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from social.contracts.codec import encode
from social.contracts.problems import Unavailable
from social.infra import logs, process
from social.infra.broker import Broker, BrokerAway, BrokerRefuses
from social.infra.health import Health
from social.infra.mongo import Mongo
from social.infra.process import Tasks
from social.infra.redis import AWAY, REFUSES, Redis
from social.infra.schema import migrate, missing
from social.infra.settings import StartError

log = logs.get("starting")

EVERY_S = 5.0
PING_S = 1.0  # a process that is told to stop waits for it: the driver does not let go earlier


class Away(Exception):
    """A server is not there, or not yet; says why."""


async def wait_for_schema(health: Health, mongo: Mongo, tasks: Tasks) -> bool:
    """Wait until `migrate` has run: unique indexes exist before the first write. False when told to stop meanwhile.

    Raises StartError when the store refuses us.
    """
    with health.starting():
        return await _until_migrated(mongo, tasks)


async def wait_on_port(health: Health, host: str, port: int, mongo: Mongo, tasks: Tasks) -> bool:
    """The same for a process that listens later; meanwhile its port answers its health, and 503 to all else."""
    if await _waits_for(mongo) is None:
        return True
    app = web.Application()
    app.add_routes(health.routes())
    app.router.add_route("*", "/{path:.*}", _later)
    runner = await process.listen(app, host, port, shutdown_timeout=1)
    with health.starting():  # to the end: nobody is to hear that it is ready from what closes now
        try:
            return await _until_migrated(mongo, tasks)
        finally:
            await runner.cleanup()


async def _until_migrated(mongo: Mongo, tasks: Tasks) -> bool:
    loop = asyncio.get_running_loop()
    while not tasks.stop.is_set():
        began = loop.time()
        waits_for = await _waits_for(mongo)
        if waits_for is None:
            return True
        log.info("waiting", waits_for=waits_for)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(tasks.stop.wait(), max(0.1, began + EVERY_S - loop.time()))
    return False


async def _later(_: web.Request) -> web.Response:
    problem = Unavailable("This process is starting")
    headers = {"Content-Type": "application/problem+json", **problem.headers()}
    return web.Response(status=problem.status, body=encode(problem.body()), headers=headers)


async def _waits_for(mongo: Mongo) -> str | None:
    try:
        await mongo.ping(PING_S)
        absent = await missing(mongo)
    except Unavailable as error:
        return store(error)
    return f"`python -m social migrate` to create {absent[0]}" if absent else None


async def migrated(mongo: Mongo, wait_s: float, say: Callable[[str], None]) -> None:
    """Migrate, once the store is there, and `say` every 5 s what is waited for; raises StartError after `wait_s`."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        began = loop.time()
        try:
            await mongo.ping(PING_S)
            return await migrate(mongo)
        except Unavailable as error:
            waits_for = store(error)
        if loop.time() >= until:
            raise StartError(f"gave up waiting for {waits_for}; MONGO_URL says where it is")
        say(waits_for)
        await asyncio.sleep(max(0.1, min(began + EVERY_S, until) - loop.time()))


async def watch(redis: Redis, broker: Broker) -> None:
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

    await asyncio.gather(_watch("Redis", redis_answers), _watch("RabbitMQ", broker_answers))


async def _watch(name: str, answers: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    known, away = False, False
    while True:
        began = loop.time()
        try:
            await answers()
        except (Away, StartError) as error:
            if isinstance(error, StartError) and not known:
                raise
            away = True
            log.warning("waiting", waits_for=f"{name} ({error})")
        else:
            if away:
                log.info("here", server=name)
            known, away = True, False
        await asyncio.sleep(max(0.1, began + EVERY_S - loop.time()))


def store(error: Unavailable) -> str:
    """MongoDB and why it is away, without the driver's view of the topology."""
    return f"MongoDB ({str(error.__cause__ or error).partition(', Timeout:')[0].partition(' (configured')[0]})"
