"""A request hidden in another never reaches a process as a request of its own."""

from collections import Counter
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
    for number, attack in enumerate(ATTACKS.values()):
        named = attack.replace(b"Host: x\r\n", b"Host: x\r\nX-Request-ID: attack-%d\r\n" % number, 1)
        await raw(nginx.port, named, quiet_s=0.1, answered=False)
    await raw(nginx.port, b"GET /v1/feed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    heard = [each for listener in behind for each in listener.heard]
    assert Counter(name for each in heard for name in each.header("X-Request-ID")).most_common(1)[0][1] == 1
    for each in heard:
        (name,) = each.header("X-Request-ID")
        assert "hidden" not in each.target, name
        assert _lengths(each) <= 1, name
        assert not each.header("Upgrade") or not each.body, name


def _lengths(heard: Received) -> int:
    return len(heard.header("Content-Length")) + len(heard.header("Transfer-Encoding"))
