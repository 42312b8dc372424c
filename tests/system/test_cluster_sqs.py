"""`make cluster BROKER=sqs`: production's processes over SQS, which is killed and slow while a crowd is busy."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from conftest import require
from support.account import settle
from support.cluster import Cluster
from support.crowd import crowd
from support.eventually import eventually
from support.nginx import Nginx
from support.ports import free_ports
from support.processes import Program
from support.servers import ImpatientStore, RedisServer, SqsServer

PEOPLE = 6
KILLED = ("workers-1", "fauxqs")


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    for server in (RedisServer, SqsServer, Nginx):
        require(server)
    store = ImpatientStore(tmp_path / "documents")
    await store.start()
    few = {"API_PROCESSES": 1, "REALTIME_PROCESSES": 1, "WORKERS_PROCESSES": 2}
    started = Cluster(tmp_path, free_ports(1)[0], BROKER="sqs", DRAIN_S=1, MONGO_URL=store.url, **few)
    try:
        yield await started.start()
    finally:
        await started.program.kill()
        await store.kill()


async def test_sqs_and_a_worker_are_killed_and_sqs_is_slow_and_nobody_loses_anything(cluster: Cluster) -> None:
    """A like travels over SQS to its author's socket, as the crowd's sockets see it."""
    async with crowd(cluster.url, PEOPLE) as people:
        async with people.busy():
            await asyncio.sleep(1)
            for name in KILLED:
                await cluster.kill(name)

            async def everything_runs() -> None:
                parts = await cluster.parts()
                assert all(parts[name]["running"] and parts[name]["starts"] == 2 for name in KILLED)

            await eventually(everything_runs)
            door = psutil.Process((await cluster.parts())["fauxqs"]["pid"])
            door.send_signal(signal.SIGSTOP)
            await asyncio.sleep(3)
            door.send_signal(signal.SIGCONT)
            await asyncio.sleep(1)
        account = await settle(people)
        account.flawless()
        assert account.notifications > PEOPLE


async def test_without_node_the_line_says_what_makes_sqs(tmp_path: Path) -> None:
    program = Program(
        "devtools.cluster", folder=tmp_path, PLAZA_VAR=tmp_path / "var", PATH=tmp_path, STORE="py", BROKER="sqs"
    )
    ended = await program.start().ended()
    assert ended.code == 1
    assert ended.err.strip().splitlines()[-1].endswith("node is not installed")
