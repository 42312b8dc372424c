"""Redis: pushes between processes, and small shared state that may be forgotten."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

__all__ = ["AWAY", "Redis", "connect", "listening"]

AWAY = (RedisError, OSError, TimeoutError)


def connect(url: str) -> Redis:
    """A client whose every command has a deadline of 2 s and no hidden retries."""
    client: Redis = Redis.from_url(
        url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0), health_check_interval=15
    )
    return client


def listening(redis: Redis) -> Any:
    """A pub/sub connection of its own; who reads it guards against silence (the beat), not a socket timeout."""
    return redis.pubsub(ignore_subscribe_messages=False)
