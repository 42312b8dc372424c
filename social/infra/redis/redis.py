"""Redis: pushes between processes, and small shared state that may be lost."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, RedisError, ResponseError

from social.infra.breaker import Breaker
from social.infra.observe import logs
from social.infra.redis.cluster import ClusterRedis
from social.infra.redis.sentinel import watched_master
from social.infra.redis.slots import Address
from social.infra.redis_urls import servers_of
from social.infra.settings import StartError

__all__ = ["AWAY", "REFUSES", "BestEffortRedis", "Redis", "connect", "listen", "listening", "together"]

log = logs.get("redis")

AWAY = (RedisError, OSError, TimeoutError)
REFUSES = (AuthenticationError, ResponseError)  # those of AWAY with which a server rejects the connection

OPTIONS: dict[str, Any] = {
    "protocol": 2,  # with RESP3 redis-py formats a log line for each push it receives: 3 µs
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "retry": Retry(NoBackoff(), 0),
    "health_check_interval": 15,
}

ASK_S = 0.25
REST_S = 1.0
CLOSE_S = 1.0


class BestEffortRedis:
    """Redis for callers that go on without it: 250 ms for an answer, and after a failure no request for 1 s."""

    def __init__(self, redis: Redis, without: str, ask_s: float | None = None) -> None:
        """Use this client; `without` says in the log how callers go on without it; `ask_s` is by default `ASK_S`."""
        self._redis = redis
        self._ask_s = ASK_S if ask_s is None else ask_s
        self._without = without
        self._breaker = Breaker(REST_S)

    async def ask(self, command: Callable[[Redis], Awaitable[Any]]) -> Any:
        """Run a command; return its answer, or None while Redis is away."""
        if self._breaker.is_open:
            return None
        try:
            async with asyncio.timeout(self._ask_s):
                return await command(self._redis)
        except AWAY as error:
            self._breaker.trip()
            log.warning("redis away", goes_on=self._without, error=str(error) or type(error).__name__)
            return None


def connect(url: str) -> Redis:
    """Return a client whose every command has a deadline of 2 s and no hidden retries."""
    try:
        servers = servers_of(url)
        if servers is None:
            return _noticing(Redis.from_url(url, **OPTIONS))
    except ValueError:  # whose message may hold the password
        raise StartError("REDIS_URL is wrong: it is no URL; are user and password percent-encoded?") from None
    options = OPTIONS | {"username": servers.username, "password": servers.password, "ssl": servers.tls}
    if servers.kind == "sentinel":
        return _noticing(watched_master(servers, options))
    seeds = [Address(host, port) for host, port in servers.hosts]
    return ClusterRedis(seeds, lambda node: _noticing(Redis(host=node.host, port=node.port, **options)))


def together(redis: Redis, name: str) -> str:
    """Return `name` as it is written in keys that a script needs together: a cluster then has them on one node."""
    return f"{{{name}}}" if isinstance(redis, ClusterRedis) else name


def _noticing(client: Redis) -> Redis:
    pool = client.connection_pool
    pool.connection_class = _noticing_its_loss(pool.connection_class)
    return client


def _noticing_its_loss(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return a kind of connections that raise ConnectionError where uvloop raises RuntimeError: after a reset."""

    class Noticing(kind):  # type: ignore[misc, valid-type]
        async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
            try:
                await super().send_packed_command(command, check_health)
            except RuntimeError as error:
                raise ConnectionError(str(error)) from error

    return Noticing


async def listen(redis: Redis, channel: str) -> AsyncGenerator[bytes, None]:
    """Yield the messages on a channel as long as its server sends them; raises errors of Redis."""
    sharded = isinstance(redis, ClusterRedis)
    pubsub = listening(await redis.node_of(channel) if isinstance(redis, ClusterRedis) else redis)
    try:
        await (pubsub.ssubscribe if sharded else pubsub.subscribe)(channel)
        while True:
            message = await pubsub.get_message(timeout=None)
            if message is not None and message["type"] in ("message", "smessage"):
                yield message["data"]
            elif message is not None and message["type"] == "sunsubscribe":
                raise ConnectionError("the slot of the channel moved")
    finally:
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(CLOSE_S):
                await pubsub.aclose()


def listening(redis: Redis) -> Any:
    """Return a pub/sub connection of its own; its reader detects silence by heartbeats, not by a socket timeout."""
    return redis.pubsub(ignore_subscribe_messages=False)
