"""Plaza on a Redis that sentinels watch: pushes come back from the new master."""

import os
from collections.abc import Iterator

import pytest
from conftest import require, run
from support.eventually import eventually
from support.redis_nodes import FOR_EVER_MS, WatchedRedis, info
from support.servers import RedisServer
from support.sockets import until

from social.infra.redis.redis import AWAY, connect

SOAK = bool(os.environ.get("PLAZA_SOAK"))  # make soak


@pytest.fixture
def down_after_ms() -> int:
    """Return after how long a silence the sentinels fail over by themselves: never on a machine that is busy."""
    return FOR_EVER_MS


@pytest.fixture
def watched(tmp_path_factory: pytest.TempPathFactory, down_after_ms: int) -> Iterator[WatchedRedis]:
    """Run a master, a replica and three sentinels for one test."""
    require(RedisServer)
    watched = WatchedRedis(tmp_path_factory.mktemp("redis-sentinel"), down_after_ms=down_after_ms)
    try:
        run(watched.start())
        yield watched
    finally:
        run(watched.kill())


@pytest.fixture
def redis_url(watched: WatchedRedis) -> str:
    return watched.url


@pytest.mark.parametrize(
    ("killed", "down_after_ms"),
    [
        (False, FOR_EVER_MS),
        pytest.param(True, 5_000, marks=pytest.mark.skipif(not SOAK, reason="make soak runs it")),
    ],
)
async def test_the_new_master_carries_the_pushes(watched, world, ada, bob, killed):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    post = await ada.publish()
    await world.like(post, by=bob, author=ada)
    await wire.event("notification")
    if killed:
        await watched.master.kill()
        await until(lambda: not gateway.redis_channels.up)
        await world.record(post, by=await world.person("eve"), author=ada)
    else:
        await watched.fail_over()

    async def promoted() -> None:
        assert (await info(watched.replica, "replication"))["role"] == "master"

    await eventually(promoted)
    await world.record(post, by=await world.person("carl"), author=ada)

    async def arrives() -> None:
        await world.push(ada)
        assert max((each["count"] for each in wire.named("notification.updated")), default=0) == 2 + killed
        assert (await info(watched.replica, "commandstats")).get("cmdstat_publish")

    await eventually(arrives)
    await until(lambda: gateway.redis_channels.up)


async def test_a_sentinel_that_is_away_is_passed_over(watched):
    await watched.sentinels[0].kill()
    client = connect(watched.url)
    try:
        assert await client.ping()
        await watched.sentinels[1].kill()
        await watched.sentinels[2].kill()
        await client.connection_pool.disconnect()
        with pytest.raises(AWAY):
            await client.ping()
    finally:
        await client.aclose()
