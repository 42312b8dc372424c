"""Redis: reached, carries a push, and neither grows without end nor forgets at each restart."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from social.infra import clock
from social.infra.redis.redis import AWAY, Redis, connect, listening
from social.infra.settings import StartError
from social.ops.doctor import clocks
from social.ops.doctor.findings import Finding, ok, problem, warning, where, why

OLDEST = 7
FULL = 0.9
PUSH_WITHIN_S = 2.0


async def examine(url: str) -> AsyncIterator[Finding]:
    """Check Redis, from whether it is there to whether a push arrives."""
    try:
        client = connect(url)
    except StartError as error:
        yield problem("redis", str(error), "write what is special in its password as %XX")
        return
    try:
        async for finding in _examine(client, url):
            yield finding
    except AuthenticationError:
        yield problem("redis", f"{where(url)} refuses the user or the password", "correct them in REDIS_URL")
    except NoPermissionError as error:
        remedy = "let its user do that: it needs all commands but the dangerous ones, INFO, and every key and channel"
        yield problem("redis", f"{where(url)} refuses: {why(error)}", remedy)
    except AWAY as error:
        yield problem("redis", f"{where(url)} cannot be used: {why(error)}", "start it, or correct REDIS_URL")
    finally:
        await client.aclose()


async def _examine(client: Redis, url: str) -> AsyncIterator[Finding]:
    info: dict[str, Any] = await client.info()
    version = str(info["redis_version"])
    if int(version.partition(".")[0]) < OLDEST:
        yield problem("redis", f"is version {version}", f"use Redis {OLDEST} or newer")
    else:
        yield ok("redis", f"{where(url)} is version {version}")
    asked_at = clock.now()
    seconds, micros = await client.time()
    its = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros // 1000 * 1000)
    yield clocks.compare("Redis", its, asked_at)
    if info.get("role") == "slave":
        yield problem("redis", "is a replica, which takes no writes", "name the primary in REDIS_URL")
        return
    yield _persistence(info)
    yield _memory(info)
    if finding := await _listens_to_keys(client):
        yield finding
    yield await _push(client)


def _persistence(info: dict[str, Any]) -> Finding:
    if info.get("aof_enabled") != 1:
        says = "keeps nothing over a restart: who is online, limits and delays begin anew"
        return warning("redis", says, "set appendonly yes")
    if info.get("aof_last_write_status") != "ok":
        return problem("redis", "cannot write its append-only file", "see its log, and whether the disk is full")
    return ok("redis", "keeps its data over a restart")


def _memory(info: dict[str, Any]) -> Finding:
    most, policy = int(info.get("maxmemory", 0)), info.get("maxmemory_policy")
    if not most:
        says = "has no maxmemory: it grows until the machine kills it"
        return warning("redis", says, "set maxmemory, and maxmemory-policy volatile-ttl")
    if policy == "noeviction":
        return warning("redis", "refuses writes once its memory is full", "set maxmemory-policy volatile-ttl")
    share = int(info.get("used_memory", 0)) / most
    if share >= FULL:
        return warning("redis", f"uses {share:.0%} of its maxmemory", "give it more")
    return ok("redis", f"uses {share:.0%} of its maxmemory; {policy} when it is full")


async def _listens_to_keys(client: Redis) -> Finding | None:
    try:
        events = (await client.config_get("notify-keyspace-events")).get("notify-keyspace-events")
    except ResponseError:  # hosted ones let nobody look at this
        return None
    if not events:
        return None
    return warning("redis", "announces each change of a key, to nobody", "set notify-keyspace-events to nothing")


async def _push(client: Redis) -> Finding:
    """Return a message to ourselves, as a gateway sends its beat."""
    channel, pubsub = f"node:doctor-{clock.new_id()}", listening(client)
    try:
        async with asyncio.timeout(PUSH_WITHIN_S):
            await pubsub.subscribe(channel)
            await client.publish(channel, b"beat")
            async for message in pubsub.listen():
                if message["type"] == "message":
                    return ok("redis", "a push arrives")
    except TimeoutError:
        pass
    finally:
        await pubsub.aclose()
    return problem("redis", f"a push did not arrive within {PUSH_WITHIN_S:g} s", "see its log and its load")
