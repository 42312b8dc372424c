"""The cluster as a real process, as `make cluster` starts it."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from devtools.cluster import control
from support.processes import Ended, Program

READY_WITHIN_S = 240.0
STOP_WITHIN_S = 60.0


class Cluster:
    """`python -m devtools.cluster` with its data in `folder`."""

    def __init__(self, folder: Path, port: int, **settings: object) -> None:
        self.var = folder / "var"
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        usual = {"PLAZA_VAR": self.var, "PORT": port, "DRAIN_S": 1, "LOG_LEVEL": "warning", "RATE_USER": "1000000/1"}
        self._settings = {**usual, **settings}
        self._folder = folder
        self.program = Program("devtools.cluster", folder=folder, **self._settings)

    @property
    def mongo_url(self) -> str:
        """The document store that a setting names."""
        return str(self._settings["MONGO_URL"])

    async def start(self) -> "Cluster":
        """Start the cluster and wait until it prints that it runs."""
        self.program.start()
        deadline = time.monotonic() + READY_WITHIN_S
        while "Ctrl-C stops it." not in self.program.out:
            assert self.program.process is not None
            assert self.program.process.poll() is None, self.program.out + self.program.err
            assert time.monotonic() < deadline, self.program.out
            await asyncio.sleep(0.05)
        return self

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> Ended:
        """End the cluster."""
        return await self.program.signal(how, STOP_WITHIN_S)

    async def parts(self) -> dict[str, dict[str, Any]]:
        """Return each part by its name: its process, and how often it was started."""
        async for answer in control.request(self.var, "status"):
            return {part["name"]: part for part in answer["parts"]}
        raise AssertionError("no answer")

    async def control(self, *words: str) -> Ended:
        """Run `python -m devtools.cluster` with some words, and return how it ended."""
        folder = self._folder / "control"
        folder.mkdir(exist_ok=True)
        return await Program("devtools.cluster", *words, folder=folder, **self._settings).start().ended(timeout_s=240)

    async def kill(self, name: str) -> int:
        """Kill a part with SIGKILL; return its process id."""
        pid = int((await self.parts())[name]["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid
