"""People, and a gateway for them to connect to."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from support.sockets import Person, World

from realtime.app import Gateway
from realtime.engine import choose


@pytest.fixture(params=["native", "portable"])
def realtime_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """What gateways run on, those in processes of their own too: each test of a world is done on both engines."""
    if choose(request.param).name != request.param:
        pytest.skip("the native library does not load here")
    monkeypatch.setenv("REALTIME_ENGINE", request.param)
    return str(request.param)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture
async def world(
    realtime_engine: str | None, mongo_url: str, mongo_database: str, redis_url: str, http: aiohttp.ClientSession
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
