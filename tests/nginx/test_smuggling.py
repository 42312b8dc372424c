"""A request hidden in another never reaches a process as a request of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import require
from support.nginx import Listener, Nginx, Received, before, listening, raw
from support.smuggling import ATTACKS


@pytest.fixture
async def behind() -> AsyncIterator[list[Listener]]:
    listeners = [Listener("api"), Listener("realtime-1")]
    async with listening(*listeners):
        yield listeners


@pytest.fixture
async def nginx(tmp_path: Path, behind: list[Listener]) -> AsyncIterator[Nginx]:
    require(Nginx)
    nginx = Nginx(tmp_path / "nginx", before([behind[0].server], {"realtime-1": behind[1].server}))
    await nginx.start()
    yield nginx
    await nginx.kill()


async def test_a_hidden_request_is_nobody_elses(nginx: Nginx, behind: list[Listener]) -> None:
    """Requests that arrive state their length once and in a single way, so that no two readings exist."""
    for name, attack in ATTACKS.items():
        for listener in behind:
            listener.heard.clear()
        await asyncio.wait_for(raw(nginx.port, attack, quiet_s=0.1), 5)
        heard = [each for listener in behind for each in listener.heard]
        assert len(heard) <= 1, name
        for each in heard:
            assert "hidden" not in each.target, name
            assert _lengths(each) <= 1, name
            assert not each.header("Upgrade") or not each.body, name


def _lengths(heard: Received) -> int:
    return len(heard.header("Content-Length")) + len(heard.header("Transfer-Encoding"))
