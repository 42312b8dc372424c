"""The official JavaScript client, as a page in a browser would run it."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from social.contracts.codec import decode
from support.eventually import LONG_S

ROOT = Path(__file__).parents[2]


def require_node(package: str = "socket.io-client") -> None:
    """Skip where node or the package is missing; where CI=true that is a failure."""
    if shutil.which("node") and (ROOT / "node_modules" / package).exists():
        return
    message = f"node or node_modules/{package} is missing"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}, and CI=true lets no test be skipped for it", pytrace=False)
    pytest.skip(message)


async def node(program: str, *words: object) -> tuple[int | None, str]:
    """Run a program of this repository; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        "node", ROOT / program, *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, output.decode()


class Page:
    """A JavaScript client, and everything that happened to it, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    def all(self, kind: str) -> list[Any]:
        return [entry[kind] for entry in self.log if kind in entry]

    def events(self, name: str) -> list[Any]:
        return [args[1] for args in self.all("event") if args[0] == name]

    async def do(self, **command: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command).encode() + b"\n")  # as JavaScript writes it, half characters too
        await self._process.stdin.drain()

    async def connect(self, port: int, token: str, **options: Any) -> dict[str, Any]:
        """Connect and wait until connected; return the socket id, and whether it recovered."""
        await self.do(connect={"url": f"http://127.0.0.1:{port}", "auth": {"token": token}, "options": options})
        return dict(await self.next("connect"))

    async def connect_from(self, page: str, token: str, **options: Any) -> dict[str, Any]:
        """Connect by `io()` without a URL, as a script of this page does."""
        await self.do(connect={"page": page, "auth": {"token": token}, "options": options})
        return dict(await self.next("connect"))

    async def ask(self, *args: Any) -> Any:
        count = len(self.all("ack"))
        await self.do(emit=args)
        return await self.next("ack", count + 1)

    async def next(self, kind: str, count: int = 1, timeout_s: float = LONG_S) -> Any:
        """Return the `count`-th entry of its kind, once it is there."""
        async with asyncio.timeout(timeout_s):
            while len(self.all(kind)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.all(kind)[count - 1]

    async def event(self, name: str, count: int = 1, timeout_s: float = LONG_S) -> Any:
        async with asyncio.timeout(timeout_s):
            while len(self.events(name)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.events(name)[count - 1]

    async def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            self.log.append(decode(line))
            self._changed.set()


@asynccontextmanager
async def page() -> AsyncIterator[Page]:
    """Yield a page that is closed at the end."""
    require_node()
    process = await asyncio.create_subprocess_exec(
        "node",
        str(ROOT / "tests/realtime/client.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    opened = Page(process)
    try:
        yield opened
    finally:
        await opened.close()
