"""RabbitMQ: reached, takes messages, and has the topology that every process declares."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import aio_pika
import aiohttp
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from social.infra.broker.rabbit import AWAY
from social.infra.broker.rabbit_nodes import urls_of
from social.infra.broker.topology import Topology
from social.ops.doctor import members
from social.ops.doctor.findings import Finding, ok, problem, warning, where, why

REFUSED = (AuthenticationError, ProbableAuthenticationError)
NOT_LET_IN = (ConnectionNotAllowed, InvalidFrameError)  # the second: a close where aiormq expects to be let in
OLDEST = (3, 10)
WITHIN_S = 5.0
CONFIRMS_WITHIN_S = 3.0
MANAGEMENT_PORT = 15672
MANY = 10_000
LOSING = ("message-ttl", "max-length", "max-length-bytes", "expires", "delivery-limit")  # what a policy may not say
DECLARED = "restart any process: each declares what is missing at its start"
LET = "let its user configure, write and read everything in its virtual host: rabbitmqctl set_permissions"


async def examine(url: str, topology: Topology, management_url: str | None) -> AsyncIterator[Finding]:
    """Check RabbitMQ, from whether it is there to whether every binding is."""
    missing = False
    try:
        nodes = urls_of(url)
    except ValueError as error:
        yield _away(error, url)
        return
    connections = await asyncio.gather(*(_connected(str(each)) for each in nodes))
    reached = [each for each in connections if not isinstance(each, BaseException)]
    for node, each in zip(nodes, connections, strict=True):
        if isinstance(each, BaseException):
            yield _away(each, str(node))
    if not reached:
        return
    connection, *others = reached
    await asyncio.gather(*(each.close() for each in others), return_exceptions=True)
    at = str(nodes[connections.index(connection)])
    try:
        yield _version(connection, at)
        async for finding in _queues(connection, topology):
            missing |= finding.level == "problem"
            yield finding
        if not missing:
            yield ok("rabbitmq", "exchanges and quorum queues are as declared")
        yield await _takes_messages(connection)
    except AWAY as error:
        yield problem("rabbitmq", f"stopped answering: {why(error)}", "see its log, and ask again")
    finally:
        try:
            async with asyncio.timeout(1):
                await connection.close()
        except AWAY:
            pass  # one that takes no messages does not take this either
    async for finding in _management(at, topology, management_url, len(nodes)):
        yield finding


async def _connected(url: str) -> Any:
    """Return a connection to a node, or the error that there is none."""
    try:
        return await aio_pika.connect(url, timeout=WITHIN_S)
    except (*REFUSED, *NOT_LET_IN, *AWAY, OSError, ValueError) as error:
        return error


def _away(error: BaseException, url: str) -> Finding:
    at = where(url)
    if isinstance(error, REFUSED):
        return problem("rabbitmq", f"{at} refuses the user or the password", "correct them in BROKER_URL")
    if isinstance(error, ValueError):  # whose words may hold a piece of the password
        return problem("rabbitmq", "BROKER_URL is wrong: it is no URL", "write what is special in its password as %XX")
    if isinstance(error, NOT_LET_IN):
        remedy = "make the virtual host at the end of BROKER_URL, and let its user in"
        return problem("rabbitmq", f"{at} has no such virtual host for this user", remedy)
    return problem("rabbitmq", f"{at} cannot be reached: {why(error)}", "start it, or correct BROKER_URL")


def _version(connection: Any, url: str) -> Finding:
    said = connection.transport.connection.server_properties["version"]
    version = said.decode() if isinstance(said, bytes) else str(said)
    if tuple(int(each) for each in version.split(".")[:2]) < OLDEST:
        return problem("rabbitmq", f"is version {version}", f"use {'.'.join(map(str, OLDEST))} or newer")
    return ok("rabbitmq", f"{where(url)} is version {version}")


async def _queues(connection: Any, topology: Topology) -> AsyncIterator[Finding]:
    """Check exchanges and queues: passively, so that none is made, then declared, which is refused if one differs."""
    refused: list[str] = []
    for name, kind in topology.exchanges().items():
        try:
            async with asyncio.timeout(WITHIN_S), connection.channel() as channel:
                await channel.declare_exchange(name, passive=True)
                await channel.declare_exchange(name, kind, durable=True)
        except ChannelNotFoundEntity:
            yield problem("rabbitmq", f"there is no exchange {name}", DECLARED)
        except ChannelPreconditionFailed:
            yield problem("rabbitmq", f"the exchange {name} is of another kind", "delete it, then " + DECLARED)
        except ChannelAccessRefused:
            refused.append(name)
    for name, arguments in topology.queues().items():
        there: Any = None
        try:
            async with asyncio.timeout(WITHIN_S), connection.channel() as channel:
                there = await channel.declare_queue(name, passive=True)
                await channel.declare_queue(name, durable=True, arguments=arguments)
        except ChannelNotFoundEntity:
            yield problem("rabbitmq", f"there is no queue {name}", DECLARED)
            continue
        except ChannelPreconditionFailed:
            says = f"the queue {name} was declared with other arguments, or is no quorum queue"
            yield problem("rabbitmq", says, "when it is empty delete it, then " + DECLARED)
            continue
        except ChannelAccessRefused:
            refused.append(name)
        if there is not None:
            for finding in _waiting(topology, name, there.declaration_result):
                yield finding
    if refused:
        some = refused[0] + (f" and {len(refused) - 1} more" if len(refused) > 1 else "")
        yield problem("rabbitmq", f"its user may not declare {some}, as each process does at its start", LET)


def _waiting(topology: Topology, name: str, queue: Any) -> Iterator[Finding]:
    role = topology.group_of(name)
    if role and not queue.consumer_count:
        says = f"nobody consumes {name}, where {queue.message_count} messages wait"
        yield warning("workers", says, f"start workers with the role {role}")
    elif queue.message_count > MANY:
        yield warning(
            "rabbitmq", f"{queue.message_count} messages wait in {name}", "see the workers' logs, or start more"
        )


async def _takes_messages(connection: Any) -> Finding:
    """Return a message to a queue of our own and back; whoever is short of memory or disk does not confirm it."""
    try:
        async with asyncio.timeout(CONFIRMS_WITHIN_S):
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            queue = await channel.declare_queue("", exclusive=True, auto_delete=True)
            await channel.default_exchange.publish(aio_pika.Message(b"doctor"), queue.name)
            await queue.get(no_ack=True, fail=False)  # which a user that may not read is refused
    except TimeoutError:
        remedy = "free memory or disk there: rabbitmq-diagnostics alarms"
        return problem("rabbitmq", "takes no messages: an alarm for memory or disk", remedy)
    except ChannelAccessRefused as error:
        return problem("rabbitmq", f"its user may not send and receive a message: {why(error)}", LET)
    return ok("rabbitmq", "takes a message, confirms it and hands it out")


async def _management(url: str, topology: Topology, management_url: str | None, nodes: int) -> AsyncIterator[Finding]:
    """Check what AMQP does not show, bindings and policies, by the management plugin where there is one."""
    parts = urlsplit(url)
    base = (management_url or f"http://{parts.hostname}:{MANAGEMENT_PORT}").rstrip("/")
    vhost = quote(unquote(parts.path[1:]) or "/", safe="")
    login = aiohttp.encode_basic_auth(unquote(parts.username or "guest"), unquote(parts.password or "guest"))
    deadline = aiohttp.ClientTimeout(total=WITHIN_S)
    try:
        async with aiohttp.ClientSession(headers={"Authorization": login}, timeout=deadline) as session:
            rows = await _get(session, f"{base}/api/bindings/{vhost}", {"source", "destination", "routing_key"})
            queues = await _get(session, f"{base}/api/queues/{vhost}", {"name"})
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        remedy = (
            "enable rabbitmq_management, name it in AMQP_MANAGEMENT_URL and give the user the tag management;"
            " or restart a process, which binds again"
        )
        says = f"bindings and policies cannot be seen at {where(base)}: {_refusal(error)}"
        yield warning("bindings", says, remedy)
        return
    there = {(row["source"], row["destination"], row["routing_key"]) for row in rows}
    missing = sorted(each for each in topology.bindings() if tuple(each) not in there)
    for each in missing:
        says = f"{each.taker} is not bound to {each.exchange} for {each.routing_key}: it would miss that"
        yield problem("bindings", says, DECLARED)
    if not missing:
        yield ok("bindings", f"all {len(topology.bindings())} are there")
    ours = [queue for queue in queues if queue["name"] in topology.queues()]
    for finding in members.examine(ours, nodes):
        yield finding
    for queue in ours:
        if said := _loses(queue):
            says = f"the policy {queue.get('policy') or queue.get('operator_policy')} sets {said} for {queue['name']}"
            yield problem("rabbitmq", f"{says}: it would drop events", "take that out of the policy")


async def _get(session: aiohttp.ClientSession, url: str, names: set[str]) -> list[dict[str, Any]]:
    """Return rows that have all of these names; raises ValueError for an answer that is none of the plugin's."""
    async with session.get(url, raise_for_status=True) as answer:
        rows = await answer.json()
    if not (isinstance(rows, list) and all(isinstance(row, dict) and names <= row.keys() for row in rows)):
        raise ValueError("what answers there is not RabbitMQ's management plugin")
    return rows


def _refusal(error: Exception) -> str:
    return f"status {error.status}" if isinstance(error, aiohttp.ClientResponseError) else why(error)


def _loses(queue: Mapping[str, Any]) -> str:
    policy = queue.get("effective_policy_definition") or {}
    return ", ".join(name for name in LOSING if name in policy)
