"""The embedded system as a real process, as `make run` starts it."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Self

from support.processes import COMPILED
from support.stores import store_settings

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0


class Embedded:
    """`python -m embedded` with its data in `folder`; a context that is entered when it answers."""

    def __init__(self, folder: Path, *, api_port: int, realtime_port: int, **environment: str) -> None:
        self.folder = folder
        self.api_port = api_port
        self.realtime_port = realtime_port
        self.api_url = f"http://127.0.0.1:{api_port}"
        self.realtime_url = f"http://127.0.0.1:{realtime_port}"
        self._environment = environment
        self.output = b""
        self.process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._said = asyncio.Event()

    async def start(self) -> None:
        """Start the system and wait until it prints that it runs; raises AssertionError with its output if it ends."""
        self.output, self._said = b"", asyncio.Event()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "embedded",
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if name != "PORT" and not name.endswith("_URL")},
                "PLAZA_VAR": str(self.folder),
                "API_PORT": str(self.api_port),
                "REALTIME_PORT": str(self.realtime_port),
                "PYTHONUNBUFFERED": "1",
                **{name: str(value) for name, value in store_settings("embedded", self._environment).items()},
                **COMPILED,
                **self._environment,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())
        async with asyncio.timeout(READY_WITHIN_S):
            await self._said.wait()
        assert b"Plaza is running" in self.output, self.output.decode()

    async def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.output += line
            if b"data  " in line:
                self._said.set()
        self._said.set()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the system; return its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(STOP_WITHIN_S):
            code = await self.process.wait()
            if self._reader is not None:
                await self._reader
        return code

    async def kill(self) -> None:
        """Kill the system (SIGKILL)."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process is not None and self.process.returncode is None:
            try:
                await self.stop()
            finally:
                await self.kill()
