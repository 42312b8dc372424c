"""Redis: reached, carries a push, and neither grows without end nor forgets at each restart."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from social.infra import clock
from social.infra.redis.cluster import ClusterRedis
from social.infra.redis.redis import AWAY, Redis, connect, listening
from social.infra.redis.slots import Address
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
        parts = _nodes(client) if isinstance(client, ClusterRedis) else _examine(client, client, where(url))
        async for finding in parts:
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


async def _nodes(cluster: ClusterRedis) -> AsyncIterator[Finding]:
    """Check every master of a cluster, and whether all slots have one."""
    await cluster.refresh()
    masters = cluster.masters
    yield ok("redis", f"is a cluster of {len(masters)} masters: {', '.join(map(str, masters))}")
    if missing := cluster.uncovered:
        yield problem("redis", f"has {missing} slots that no master owns", "redis-cli --cluster fix")
    for address in masters:
        async for finding in _examine(cluster.node(address), cluster, str(address), address):
            yield finding if str(address) in finding.says else finding._replace(says=f"{address} {finding.says}")


async def _examine(client: Redis, through: Redis, name: str, node: Address | None = None) -> AsyncIterator[Finding]:
    """Check a server; `through` publishes, and `node` is the server's address in a cluster."""
    info: dict[str, Any] = await client.info()
    version = str(info["redis_version"])
    if int(version.partition(".")[0]) < OLDEST:
        yield problem("redis", f"is version {version}", f"use Redis {OLDEST} or newer")
    else:
        yield ok("redis", f"{name} is version {version}")
    asked_at = clock.now()
    seconds, micros = await client.time()
    its = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros // 1000 * 1000)
    yield clocks.compare("Redis", its, asked_at)
    if info.get("cluster_enabled") and node is None:
        yield problem("redis", "is a node of a cluster", "write redis+cluster:// in REDIS_URL")
        return
    if info.get("role") == "slave":
        yield problem("redis", "is a replica, which takes no writes", "name the primary in REDIS_URL")
        return
    yield _persistence(info)
    yield _memory(info)
    if finding := await _listens_to_keys(client):
        yield finding
    yield await _push(through, node)


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


async def _push(client: Redis, node: Address | None) -> Finding:
    """Return a message to ourselves, as a gateway sends its beat; in a cluster on a channel that the node owns."""
    channel = f"node:doctor-{clock.new_id()}"
    if isinstance(client, ClusterRedis) and node is not None:
        channel = client.name_on(node, channel)
        pubsub = listening(client.node(node))
        subscribe = pubsub.ssubscribe
    else:
        pubsub = listening(client)
        subscribe = pubsub.subscribe
    try:
        async with asyncio.timeout(PUSH_WITHIN_S):
            await subscribe(channel)
            await client.publish(channel, b"beat")
            async for message in pubsub.listen():
                if message["type"] in ("message", "smessage"):
                    return ok("redis", "a push arrives")
    except TimeoutError:
        pass
    finally:
        await pubsub.aclose()
    return problem("redis", f"a push did not arrive within {PUSH_WITHIN_S:g} s", "see its log and its load")
