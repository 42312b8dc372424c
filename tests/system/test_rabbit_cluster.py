"""A cluster with three nodes of RabbitMQ under load: nodes restarted in turn, frozen, and all killed at once.

`make soak` (PLAZA_SOAK=1) runs it; tests/workers/test_rabbit_cluster.py kills the leader of a queue.
"""

import os
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from conftest import require
from support.account import settle
from support.cluster import Cluster
from support.crowd import Crowd, crowd
from support.eventually import eventually
from support.nginx import Nginx
from support.ports import free_ports
from support.servers import RabbitServer, RedisServer

pytestmark = pytest.mark.skipif(not os.environ.get("PLAZA_SOAK"), reason="make soak runs it: it takes some minutes")

PEOPLE = 8
WRITES = 60  # acknowledged while a node is away, and as many once it is back
NODES = [f"rabbitmq-{number}" for number in (1, 2, 3)]
HEALED_S = 30.0
SMALL = {"API_PROCESSES": 2, "REALTIME_PROCESSES": 2, "WORKERS_PROCESSES": 2, "RABBIT_NODES": 3}


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Everything that `make cluster RABBIT_NODES=3` starts."""
    for server in (RedisServer, RabbitServer, Nginx):
        require(server)
    (port,) = free_ports(1)
    running = await Cluster(tmp_path, port, **SMALL).start()
    try:
        yield running
    finally:
        await running.stop()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "restarted"])
async def test_nodes_ended_in_turn(cluster: Cluster, end: signal.Signals) -> None:
    async with crowd(cluster.url, PEOPLE) as people:
        async with people.busy():
            await written(people)
            for name in NODES:
                part = (await cluster.parts())[name]
                os.kill(part["pid"], end)
                await written(people)
                await started(cluster, name, part["starts"])
                await ready(cluster)
                await written(people)
        await flawless(people)


async def test_a_node_cut_off_and_back(cluster: Cluster) -> None:
    async with crowd(cluster.url, PEOPLE) as people:
        async with people.busy():
            await written(people)
            for name in NODES:
                before = taken_for_dead(cluster, name)
                tree = frozen(int((await cluster.parts())[name]["pid"]))
                await cut_off(cluster, name, before)
                await told(people)
                await written(people)
                for each in tree:
                    each.resume()
                await ready(cluster)
                await written(people)
        await flawless(people)


async def test_all_nodes_killed_at_once(cluster: Cluster) -> None:
    async with crowd(cluster.url, PEOPLE) as people:
        async with people.busy():
            for _ in range(3):
                await written(people)
                before = await cluster.parts()
                for name in NODES:
                    os.kill(before[name]["pid"], signal.SIGKILL)
                await written(people)  # the outbox keeps the events
                for name in NODES:
                    await started(cluster, name, before[name]["starts"])
                await ready(cluster)
        await flawless(people)


def frozen(pid: int) -> list[psutil.Process]:
    """Stop a process and its children where they are; return them."""
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for each in tree:
        each.suspend()
    return tree


async def cut_off(cluster: Cluster, name: str, before: int) -> None:
    """Wait until another node has taken a silent node for dead, which takes the time of its ticks."""

    async def look() -> None:
        assert taken_for_dead(cluster, name) > before

    await eventually(look)


def taken_for_dead(cluster: Cluster, name: str) -> int:
    """Return how often the other nodes have taken a silent node for dead."""
    said = re.compile(f"'plaza-{name[-1]}@127.0.0.1' not responding")
    folders = [cluster.var / "rabbitmq-cluster" / each / "log" for each in NODES if each != name]
    return sum(len(said.findall(log.read_text())) for folder in folders for log in folder.glob("*.log"))


async def told(people: Crowd) -> None:
    """Wait until more notifications have arrived: events pass the queues, and not only the outbox."""
    wanted = sum(len(each.numbers) for each in people.people) + WRITES // 4

    async def enough() -> None:
        assert sum(len(each.numbers) for each in people.people) >= wanted

    await eventually(enough)


async def flawless(people: Crowd) -> None:
    """Take account of everything that was written: nothing is lost or doubled."""
    account = await settle(people)
    print(f"{account.acknowledged} acknowledged, {account.notifications} notifications, retries {account.retries},")
    print(f"slowest write {account.slowest_write_s:.1f} s, converged after {account.converged_s:.1f} s")
    account.flawless()


async def written(people: Crowd) -> None:
    """Wait until more writes are acknowledged."""
    wanted = len(people.record.acks) + WRITES

    async def enough() -> None:
        assert len(people.record.acks) >= wanted

    await eventually(enough)


async def started(cluster: Cluster, name: str, before: int) -> None:
    """Wait until a part that ended was started again and answers."""

    async def look() -> None:
        part = (await cluster.parts())[name]
        assert part["starts"] > before
        assert part["running"]

    await eventually(look)


async def ready(cluster: Cluster) -> None:
    """Wait until every process says that it is ready, which each has to within 30 s."""
    began = time.monotonic()
    parts = await cluster.parts()
    pids = [int(part["pid"]) for name, part in parts.items() if name.startswith(("api", "realtime", "workers"))]
    listening = [each for pid in pids for each in psutil.Process(pid).net_connections() if each.status == "LISTEN"]
    async with aiohttp.ClientSession() as http:

        async def look() -> None:
            for each in listening:
                async with http.get(f"http://127.0.0.1:{each.laddr.port}/readyz") as answer:
                    assert answer.status == 200, await answer.text()

        await eventually(look)
    healed_s = time.monotonic() - began
    print(f"all ready after {healed_s:.1f} s")
    assert healed_s < HEALED_S
