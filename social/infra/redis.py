"""Redis: pushes between processes, and small shared state that may be forgotten."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from social.infra.settings import StartError

__all__ = ["AWAY", "REFUSES", "Redis", "connect", "listening"]

AWAY = (RedisError, OSError, TimeoutError)
REFUSES = (AuthenticationError, ResponseError)  # of AWAY: it is there and does not take us


def connect(url: str) -> Redis:
    """A client whose every command has a deadline of 2 s and no hidden retries."""
    try:
        client: Redis = Redis.from_url(
            url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0), health_check_interval=15
        )
    except ValueError:  # whose words may hold the password
        raise StartError("REDIS_URL is wrong: it is no URL; are user and password percent-encoded?") from None
    return client


def listening(redis: Redis) -> Any:
    """A pub/sub connection of its own; who reads it guards against silence (the beat), not a socket timeout."""
    return redis.pubsub(ignore_subscribe_messages=False)
