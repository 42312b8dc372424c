"""People, and a gateway for them to connect to."""

import os
from collections.abc import AsyncIterator

import aiohttp
import pytest
from support.sockets import Person, World

from realtime.app import Gateway
from realtime.engine import choose

# These files are about rules above the engine. One engine shows them; `make soak` runs them on both.
ABOVE_THE_ENGINE = {
    *("test_blocks", "test_posts", "test_presence", "test_queries", "test_redis_away", "test_redis_bridge"),
    *("test_redis_cluster", "test_redis_failovers", "test_redis_sentinel"),
    *("test_session_ends", "test_suspension", "test_wrong_clocks"),
    *("test_foreign_json", "test_lossy_network", "test_origins"),  # which choose engines themselves
}
ENGINES = [name for name in ("native", "portable") if choose(name).name == name]  # native does not load everywhere


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with a world on both engines, tests of rules above the engine on the first engine that loads."""
    if "realtime_engine" in metafunc.fixturenames:
        one = metafunc.module.__name__.rpartition(".")[2] in ABOVE_THE_ENGINE and "PLAZA_SOAK" not in os.environ
        metafunc.parametrize("realtime_engine", ENGINES[:1] if one else ENGINES, indirect=True)


@pytest.fixture
def realtime_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set and return the engine of gateways, also of those in processes of their own."""
    monkeypatch.setenv("REALTIME_ENGINE", request.param)
    return str(request.param)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture
async def world(
    realtime_engine: str, mongo_url: str, mongo_database: str, redis_url: str, http: aiohttp.ClientSession
) -> AsyncIterator[World]:
    async with World(mongo_url, mongo_database, redis_url, http) as world:
        yield world


@pytest.fixture
async def gateway(world: World) -> Gateway:
    return await world.gateway()


@pytest.fixture
async def ada(world: World) -> Person:
    return await world.person("ada")


@pytest.fixture
async def bob(world: World) -> Person:
    return await world.person("bob")
