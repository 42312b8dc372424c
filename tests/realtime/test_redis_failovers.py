"""A Redis Cluster that fails over by itself, by its timeout and its votes: `make soak` runs these."""

import os
import signal
from collections.abc import Iterator

import pytest
from support.eventually import eventually
from support.redis_nodes import RedisCluster, info, redis_cluster_in
from support.sockets import until

from social.contracts.pushes import user_room

pytestmark = pytest.mark.skipif(not os.environ.get("PLAZA_SOAK"), reason="make soak runs it: it waits for timeouts")


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Run a cluster that declares a silent master dead after two seconds."""
    with redis_cluster_in(tmp_path_factory.mktemp("redis-cluster"), node_timeout_ms=2_000) as cluster:
        yield cluster


@pytest.fixture
def redis_url(cluster: RedisCluster) -> str:
    return cluster.url


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_everybody_is_notified_through_the_failover_of_each_master(cluster, world, bob, fault):
    gateway = await world.gateway(silence_s=3, sweep_s=600)
    people = [await world.person(f"p{n}") for n in range(12)]
    wires = [await each.connect(gateway) for each in people]
    posts = [await each.publish() for each in people]
    for master in await cluster.masters():
        liker = await world.person("liker")
        replica = await cluster.replica_of(master)
        if fault == "killed":
            await master.kill()
        else:
            os.kill(master.pid, signal.SIGSTOP)
        for person, post in zip(people, posts, strict=True):
            await world.like(post, by=liker, author=person)
        await eventually(lambda replica=replica: is_master(replica))
        await until(lambda: gateway.redis_channels.up)
        for person, wire in zip(people, wires, strict=True):
            row = await world.plaza.mongo.one("streams", {"_id": person.id})
            await wire.until(lambda wire=wire, row=row: (wire.offset or "").endswith(f".{row['seq']}"))
        if fault == "frozen":
            await master.kill()
        await cluster.start()
    assert all(gateway.redis_channels.listens(user_room(each.id)) for each in people)


async def is_master(node) -> None:
    assert (await info(node, "replication"))["role"] == "master"
