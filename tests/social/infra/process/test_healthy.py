"""The health check of containers, against a process that is alive and not ready."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from social.infra.process.health import Health


async def away() -> None:
    """Fail as a check does whose server is away."""
    raise OSError("the store is away")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a process that waits for its store."""
    application = web.Application()
    application.add_routes(Health({"mongo": away}).routes())
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    yield site._server.sockets[0].getsockname()[1]
    await runner.cleanup()


async def ended(*words: str) -> tuple[int, str]:
    """Return the exit code and the errors of the check."""
    command = [sys.executable, "-m", "social.infra.process.healthy", *words]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


async def test_a_process_that_waits_is_alive_and_not_ready(port: int) -> None:
    code, says = await ended(str(port))
    assert code == 1
    assert "the store is away" in says
    assert await ended(str(port), "--alive") == (0, "")
    assert await ended("1", "--alive") == (1, "port 1: [Errno 111] Connection refused\n")


@pytest.mark.parametrize("words", [(), ("x",), ("--alive",), ("1", "NAME", "more")])
async def test_other_words_are_refused(words: tuple[str, ...]) -> None:
    code, says = await ended(*words)
    assert code == 1
    assert says.startswith("usage: ")
