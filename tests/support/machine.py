"""A folder and ports on which embedded systems run, one after another."""

from pathlib import Path

import yaml

from support.image import environment
from support.ports import free_ports
from support.processes import ROOT, Program


class Machine:
    """Starts embedded systems on a fixed folder and fixed ports, with the code in `code`."""

    def __init__(self, folder: Path, code: Path = ROOT) -> None:
        self.folder = folder
        self._code = code
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
        program = Program("embedded", folder=folder, cwd=self._code, **(defaults | settings)).start()
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


def blueprint() -> dict[str, str]:
    """Return the settings in render.yaml."""
    (service,) = yaml.safe_load((ROOT / "render.yaml").read_text())["services"]
    return {each["key"]: each["value"] for each in service["envVars"]}


def demo_settings() -> dict[str, str]:
    """Return the settings of the demo on Render, whose proxy is on this machine here."""
    settings = {**environment("demo"), **blueprint()}
    settings["TRUSTED_PROXIES"] += ",127.0.0.0/8"
    return {name: value for name, value in settings.items() if name not in ("PORT", "PLAZA_VAR")} | {
        "HOST": "127.0.0.1"
    }
