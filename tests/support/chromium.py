"""A real browser: one Chromium and the scenarios of tests/web/page that it plays, each asked for by its name."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.browser import ROOT, require_node

PLAYER = ROOT / "tests/web/page/player.mjs"
TIMEOUT_S = 900 if os.environ.get("PLAZA_SOAK") == "1" else 240

# The shell is the same engine without a browser's own windows, and computes a third.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

Helpers = Mapping[str, Callable[..., Awaitable[Any]]]


def chromium() -> str:
    """Return the path of Chromium; skip where it is missing, and fail where CI=true."""
    require_node("playwright-core")
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    if os.environ.get("CI") == "true":
        pytest.fail("Chromium is missing, and CI=true lets no test be skipped for it", pytrace=False)
    pytest.skip("Chromium is missing")


class Player:
    """The process that drives Chromium: it plays a scenario, and asks the test for what only a server can do."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def play(self, scenario: str, url: str, helpers: Helpers) -> Any:
        """Play a scenario on the page at this URL; return its result, raise AssertionError with what went wrong."""
        await self._say(play=scenario, url=url)
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                heard = await self._hear()
                if "ask" not in heard:
                    break
                await self._say(answer=await helpers[heard["ask"]](*heard["words"]))
        assert "failed" not in heard, heard["failed"]
        return heard["done"]

    async def _say(self, **message: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        await self._process.stdin.drain()

    async def _hear(self) -> Any:
        assert self._process.stdout
        line = await self._process.stdout.readline()
        assert line, "the player ended"
        return json.loads(line)

    async def close(self) -> None:
        """Close the browser."""
        assert self._process.stdin
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), 60)


@asynccontextmanager
async def player(folder: Path) -> AsyncIterator[Player]:
    """Run a browser whose files are in the folder."""
    process = await asyncio.create_subprocess_exec(
        "node",
        PLAYER,
        chromium(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 22,
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
    )
    opened = Player(process)
    try:
        yield opened
    finally:
        await opened.close()
