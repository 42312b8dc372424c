"""`make cluster REDIS_NODES=6`: a master of the Redis Cluster is killed, another hangs, while a crowd is busy."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import require
from support.account import settle
from support.cluster import Cluster
from support.crowd import crowd
from support.eventually import eventually
from support.nginx import Nginx
from support.ports import free_ports
from support.servers import ImpatientStore, RabbitServer, RedisServer

pytestmark = pytest.mark.skipif(not os.environ.get("PLAZA_SOAK"), reason="make soak runs it: nodes fail over")

PEOPLE = 6


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    for server in (RedisServer, RabbitServer, Nginx):
        require(server)
    store = ImpatientStore(tmp_path / "documents")
    await store.start()
    few = {"API_PROCESSES": 1, "REALTIME_PROCESSES": 2, "WORKERS_PROCESSES": 1}
    started = Cluster(tmp_path, free_ports(1)[0], REDIS_NODES=6, DRAIN_S=1, MONGO_URL=store.url, **few)
    try:
        yield await started.start()
    finally:
        await started.program.kill()
        await store.kill()


async def test_masters_die_and_hang_and_nobody_loses_anything(cluster: Cluster) -> None:
    async with crowd(cluster.url, PEOPLE) as people:
        async with people.busy():
            await asyncio.sleep(1)
            await cluster.kill("redis-1")

            async def it_runs_again() -> None:
                assert (await cluster.parts())["redis-1"]["starts"] == 2

            await eventually(it_runs_again)
            hung = int((await cluster.parts())["redis-2"]["pid"])
            os.kill(hung, signal.SIGSTOP)
            await asyncio.sleep(12)  # longer than the timeout of the nodes: its replica takes over
            os.kill(hung, signal.SIGCONT)
            await asyncio.sleep(1)
        account = await settle(people)
        account.flawless()
        assert account.notifications > PEOPLE
