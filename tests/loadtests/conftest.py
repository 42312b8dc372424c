"""One small system for all loads of a module, and Locust beside it as people start it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.ports import free_ports
from support.processes import Program

ROOT = Path(__file__).parents[2]
ENDS_WITHIN_S = 100.0  # its clock, and what is waited for what is on its way
UNLIMITED = {f"RATE_{policy}": "1000000/1" for policy in ("USER", "IP", "LOGIN", "REGISTER", "RESET")}


@dataclass
class System:
    """Where a system runs."""

    api: str
    realtime: str
    var: Path


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The embedded system, without limits on requests."""
    folder = tmp_path_factory.mktemp("system")
    api_port, realtime_port = free_ports(2)
    ports = {"API_PORT": api_port, "REALTIME_PORT": realtime_port}
    program = Program("embedded", folder=folder, PLAZA_VAR=folder / "var", **ports, **UNLIMITED).start()
    assert program.process is not None
    api = f"http://127.0.0.1:{api_port}"
    try:
        asyncio.run(program.answering(f"{api}/readyz"))
        yield System(api, f"http://127.0.0.1:{realtime_port}", folder / "var")
    finally:
        program.process.send_signal(signal.SIGTERM)
        program.process.wait(15)


@dataclass
class Ran:
    """How a load ended."""

    code: int
    said: str
    result: dict[str, Any]


class Load:
    """One run of Locust, headless, for some seconds."""

    def __init__(self, system: System, folder: Path, scenario: str, *more: str, file: str = "", **told: str) -> None:
        self._folder = folder
        folder.mkdir()
        command = [sys.executable, "-m", "locust", "-f", file or str(ROOT / "loadtests/locustfile.py"), "--headless"]
        command += ["-H", system.api, "--realtime", system.realtime, "--scenario", scenario, "-u", "6", "-r", "6"]
        command += ["-t", "5s", "--only-summary", "--result", str(folder / "result.json"), *more]
        environment = {**os.environ, "PLAZA_VAR": str(system.var), "PYTHONPATH": str(ROOT), **told}
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def ended(self) -> Ran:
        """Wait for its end."""
        try:
            code = self._process.wait(ENDS_WITHIN_S)
        finally:
            self._process.kill()
        path = self._folder / "result.json"
        return Ran(code, self._log.read_text(), json.loads(path.read_text()) if path.exists() else {})


@pytest.fixture
def load(system: System, tmp_path: Path) -> Callable[..., Load]:
    """Begin one."""
    return lambda scenario, *more, **told: Load(
        system, tmp_path / f"load-{time.monotonic_ns()}", scenario, *more, **told
    )


def fetch(url: str, data: bytes | None = None) -> str:
    """A page."""
    with urllib.request.urlopen(url, data, timeout=10) as answer:
        return str(answer.read().decode())
