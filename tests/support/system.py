"""The embedded system as a real process, as `make run` starts it."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Self

from support.processes import Program

READY_WITHIN_S = 120.0
STOP_WITHIN_S = 60.0


class Embedded:
    """`python -m embedded` with its data in `folder`; a context that is entered when it answers."""

    def __init__(self, folder: Path, *, api_port: int, realtime_port: int, **environment: str) -> None:
        self.folder = folder
        self.api_port = api_port
        self.realtime_port = realtime_port
        self.api_url = f"http://127.0.0.1:{api_port}"
        self.realtime_url = f"http://127.0.0.1:{realtime_port}"
        ports = {"API_PORT": api_port, "REALTIME_PORT": realtime_port}
        self._program = Program("embedded", folder=folder.parent, PLAZA_VAR=folder, **ports, **environment)

    async def start(self) -> None:
        """Start the system and wait until it prints that it runs; raises AssertionError with its output if it ends."""
        process = self._program.start().process
        deadline = time.monotonic() + READY_WITHIN_S
        while "data  " not in self.output:
            assert process is not None
            assert process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            await asyncio.sleep(0.02)
        assert "Plaza is running" in self.output, self.output

    @property
    def output(self) -> str:
        """Return all that it printed."""
        return self._program.out + self._program.err

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the system; return its exit code."""
        return (await self._program.signal(how, STOP_WITHIN_S)).code

    async def kill(self) -> None:
        """Kill the system (SIGKILL)."""
        await self._program.kill()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.stop()
        finally:
            await self.kill()
