"""Two worker processes with the sweeper's role share its jobs, and one has all of them when the other is killed."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.eventually import eventually
from support.people import door_to
from support.ports import free_ports
from support.processes import Program

JOBS = 6


class Sweeper:
    """A process, and how often it swept."""

    def __init__(self, name: str, folder: Path, port: int, **settings: object) -> None:
        (folder / name).mkdir()
        self.url = f"http://127.0.0.1:{port}"
        self.program = Program("workers", folder=folder / name, WORKERS_PORT=port, **settings)

    async def held(self) -> set[str]:
        """Return the leases of jobs that it has, by its metrics."""
        return set(re.findall(r'^plaza_lease_held{lease="(sweeper[^"]*)"} 1.0$', await self._metrics(), re.M))

    async def swept(self) -> set[str]:
        """Return the jobs that it did."""
        return set(re.findall(r'^plaza_sweep_runs_total{outcome="done",sweep="([^"]+)"} ', await self._metrics(), re.M))

    async def _metrics(self) -> str:
        async with door_to(self.url) as door:
            return (await door.ask("GET", "/metrics")).raw.decode()


@pytest.fixture
async def sweepers(
    tmp_path: Path, mongo_url: str, mongo_database: str, redis_url: str, amqp_url: str
) -> AsyncIterator[list[Sweeper]]:
    settings = {
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": mongo_database,
        "REDIS_URL": redis_url,
        "BROKER_URL": amqp_url,
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


async def test_two_share_the_jobs_and_one_has_all_when_the_other_is_killed(sweepers: list[Sweeper]) -> None:
    first, second = sweepers
    await first.program.start().answering(f"{first.url}/readyz")

    async def has_all(which: Sweeper) -> None:
        assert len(await which.held()) == JOBS

    await eventually(lambda: has_all(first))
    await second.program.start().answering(f"{second.url}/readyz")

    async def shared() -> None:
        ours, theirs = await first.held(), await second.held()
        assert len(ours) == len(theirs) == JOBS // 2
        assert not ours & theirs

    await eventually(shared)
    await first.program.kill()
    await eventually(lambda: has_all(second))  # a lease of the dead lasts ten seconds

    async def swept() -> None:
        assert {"orphans", "sessions", "media"} <= await second.swept()

    await eventually(swept)
