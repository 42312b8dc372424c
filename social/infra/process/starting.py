"""The start before its servers are there: the process is not ready, and logs every 5 s what it waits for."""

import asyncio
import contextlib
from collections.abc import Callable

from aiohttp import web

from social.contracts.codec import encode
from social.contracts.problems import Unavailable
from social.infra.observe import logs
from social.infra.process import process
from social.infra.process.health import Health
from social.infra.process.process import Tasks
from social.infra.process.watching import EVERY_S, why_away
from social.infra.settings import StartError
from social.infra.store.mongo import Mongo
from social.infra.store.schema import migrate, missing

log = logs.get("starting")

PING_S = 1.0  # a process that is stopped waits for it: the driver cannot be interrupted earlier


async def wait_for_schema(health: Health, mongo: Mongo, tasks: Tasks) -> bool:
    """Wait until `migrate` has run, so that unique indexes exist before the first write; False when stopped meanwhile.

    Raises StartError when the store refuses the credentials.
    """
    with health.starting():
        return await _until_migrated(mongo, tasks)


async def wait_on_port(health: Health, host: str, port: int, mongo: Mongo, tasks: Tasks) -> bool:
    """Wait as `wait_for_schema` does, with the port open: it answers health checks, and 503 to all else."""
    if await _waits_for(mongo) is None:
        return True
    app = web.Application()
    app.add_routes(health.routes())
    app.router.add_route("*", "/{path:.*}", _later)
    runner = await process.listen(app, host, port, shutdown_timeout=1)
    with health.starting():  # to the end: the port that closes now must not report that the process is ready
        try:
            return await _until_migrated(mongo, tasks)
        finally:
            await runner.cleanup()


async def _until_migrated(mongo: Mongo, tasks: Tasks) -> bool:
    while not tasks.stop.is_set():
        waits_for = await _waits_for(mongo)
        if waits_for is None:
            return True
        log.info("waiting", waits_for=waits_for)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(tasks.stop.wait(), EVERY_S)
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


async def migrated(mongo: Mongo, wait_s: float, say: Callable[[str], None], *, last: bool) -> None:
    """Migrate once the store is there, and `say` every 5 s what is awaited; raises StartError after `wait_s`.

    `last` as `migrate` has it.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    while True:
        began = loop.time()
        try:
            await mongo.ping(PING_S)
            return await migrate(mongo, last=last)
        except Unavailable as error:
            waits_for = store(error)
        if loop.time() >= until:
            raise StartError(f"gave up waiting for {waits_for}; MONGO_URL says where it is")
        say(waits_for)
        await asyncio.sleep(max(0.1, min(began + EVERY_S, until) - loop.time()))


def store(error: Unavailable) -> str:
    """Return "MongoDB" with the reason why it is away."""
    return f"MongoDB ({why_away(error)})"
