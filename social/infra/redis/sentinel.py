"""The master that Redis Sentinel names: each new connection asks the sentinels where it is."""

from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis, Sentinel

from social.infra.redis_urls import ServersUrl

ASK_S = 1.0  # a sentinel that takes longer is passed over


class SentinelRedis(Redis):
    """A client of the master; it closes its connections to the sentinels, too."""

    watchers: Sentinel

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections to the master and to the sentinels."""
        await super().aclose(close_connection_pool)
        await self.watchers.aclose()


def watched_master(servers: ServersUrl, options: Mapping[str, Any]) -> Redis:
    """Return a client of the master that these sentinels watch."""
    asking = dict(options) | {"socket_timeout": ASK_S, "socket_connect_timeout": ASK_S}
    asking |= {"username": servers.sentinel_username, "password": servers.sentinel_password}
    sentinel = Sentinel(list(servers.hosts), sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    client: SentinelRedis = sentinel.master_for(servers.service, SentinelRedis, db=servers.db, **options)
    client.watchers = sentinel
    return client
