"""`python -m embedded` as a process, in a folder of its own."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support.ports import free_ports
from support.processes import Program

Start = Callable[..., Program]


class Machine:
    """Starts embedded systems on a fixed folder and fixed ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.var = folder / "var"
        self.api_port, self.realtime_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.api_port}"
        self._programs: list[Program] = []

    def start(self, **settings: object) -> Program:
        """Start a system, which may not be ready yet, or may fail to start."""
        defaults = {"PLAZA_VAR": self.var, "API_PORT": self.api_port, "REALTIME_PORT": self.realtime_port}
        folder = self.folder / str(len(self._programs))
        folder.mkdir()
        program = Program("embedded", folder=folder, **(defaults | settings)).start()
        self._programs.append(program)
        return program

    async def running(self, **settings: object) -> Program:
        """Start a system and wait until it answers."""
        return await self.start(**settings).answering(f"{self.url}/readyz")

    async def kill(self) -> None:
        """Kill all systems that were started."""
        for program in self._programs:
            await program.kill()


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """A machine without data."""
    machine = Machine(tmp_path)
    yield machine
    await machine.kill()
