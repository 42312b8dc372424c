"""Two worker processes with the sweeper's role: one of them sweeps, and the other when that one is killed."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.eventually import eventually
from support.people import knocking
from support.ports import free_ports
from support.processes import Program


class Sweeper:
    """A process, and how often it swept."""

    def __init__(self, name: str, folder: Path, port: int, **settings: object) -> None:
        (folder / name).mkdir()
        self.url = f"http://127.0.0.1:{port}"
        self.program = Program("workers", folder=folder / name, WORKERS_PORT=port, **settings)

    async def sweeps(self) -> int:
        async with knocking(self.url) as door:
            text = (await door.ask("GET", "/metrics")).raw.decode()
        return sum(int(float(each)) for each in re.findall(r"^plaza_sweeps_total{[^}]*} (\S+)$", text, re.M))


@pytest.fixture
async def sweepers(
    tmp_path: Path, mongo_url: str, mongo_database: str, redis_url: str, amqp_url: str
) -> AsyncIterator[list[Sweeper]]:
    settings = {
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": mongo_database,
        "REDIS_URL": redis_url,
        "AMQP_URL": amqp_url,
        "WORKERS_HOST": "127.0.0.1",
        "WORKER_ROLES": "sweeper",
    }
    done = await Program("social", "migrate", folder=tmp_path, **settings).start().ended()
    assert done.code == 0, done.err
    both = [Sweeper(f"{n}", tmp_path, port, **settings) for n, port in enumerate(free_ports(2))]
    try:
        yield both
    finally:
        for each in both:
            await each.program.kill()


async def test_one_of_two_sweeps_and_the_other_follows_when_it_is_killed(sweepers: list[Sweeper]) -> None:
    first, second = sweepers
    await first.program.start().answering(f"{first.url}/readyz")

    async def swept(which: Sweeper, times: int) -> None:
        assert await which.sweeps() >= times

    await eventually(lambda: swept(first, 1))
    await second.program.start().answering(f"{second.url}/readyz")
    before = await first.sweeps()
    await eventually(lambda: swept(first, before + 2), timeout_s=30)
    assert await second.sweeps() == 0
    await first.program.kill()
    await eventually(lambda: swept(second, 1), timeout_s=30)  # the lease of the dead lasts ten seconds
