"""A folder and ports on which embedded systems run, one after another."""

from pathlib import Path

from support.ports import free_ports
from support.processes import Program


class Machine:
    """Starts embedded systems on a fixed folder and fixed ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.var = folder / "var"
        self.api_port, self.realtime_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.api_port}"
        self._programs: list[Program] = []

    def start(self, **settings: object) -> Program:
        """Start a system, which may not be ready yet, or may fail to start; with PORT it has that port alone."""
        ports = {} if "PORT" in settings else {"API_PORT": self.api_port, "REALTIME_PORT": self.realtime_port}
        defaults = {"PLAZA_VAR": self.var, **ports}
        folder = self.folder / str(len(self._programs))
        folder.mkdir()
        program = Program("embedded", folder=folder, **(defaults | settings)).start()
        self._programs.append(program)
        return program

    async def on_one_port(self, **settings: object) -> Program:
        """Start a system with everything at `url`, and wait until it answers."""
        return await self.running(PORT=self.api_port, **settings)

    async def running(self, **settings: object) -> Program:
        """Start a system and wait until it answers."""
        return await self.start(**settings).answering(f"{self.url}/readyz")

    async def kill(self) -> None:
        """Kill all systems that were started."""
        for program in self._programs:
            await program.kill()
