"""A small system for all loads of a module, and Locust beside it as people start it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.cluster import Cluster
from support.ports import free_ports
from support.servers import PatientStore

ROOT = Path(__file__).parents[2]
BRIEF = Path(__file__).with_name("brief.py")
LONGEST = "150s"  # a run ends before that
ENDS_WITHIN_S = 220.0  # its duration, and the waiting for pushes on their way
UNLIMITED = {f"RATE_{policy}": "1000000/1" for policy in ("USER", "IP", "LOGIN", "REGISTER", "RESET")}


@dataclass
class System:
    """A running system: its URL, its folder, and the URL of its store."""

    url: str
    var: Path
    mongo_url: str


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run the smallest cluster in which a gateway can die, without limits on requests."""
    folder = tmp_path_factory.mktemp("system")
    (port,) = free_ports(1)
    few = {"API_PROCESSES": 1, "REALTIME_PROCESSES": 2, "WORKERS_PROCESSES": 1}
    store = PatientStore(folder / "documents")  # else a killed gateway may hold a post for as long as writes are tried
    asyncio.run(store.start())
    cluster = Cluster(folder, port, MONGO_URL=store.url, **few, **UNLIMITED)
    asyncio.run(cluster.start())
    try:
        yield System(cluster.url, cluster.var, store.url)
    finally:
        ended = asyncio.run(cluster.stop())
        asyncio.run(store.stop())
        assert ended.code == 0


@dataclass
class Ran:
    """The end of a load: its exit code, its output, and its result."""

    code: int
    printed: str
    result: dict[str, Any]


class Load:
    """A run of Locust, headless, until enough has happened."""

    def __init__(self, system: System, folder: Path, scenario: str, until: str, *more: str, fault: str = "") -> None:
        self._folder = folder
        folder.mkdir()
        command = [sys.executable, "-m", "locust", "-f", str(BRIEF), "--headless"]
        command += ["-H", system.url, "--scenario", scenario, "-u", "4", "-r", "4"]
        command += ["--pause", "0.3", "-t", LONGEST, "--only-summary", "--result", str(folder / "result.json"), *more]
        environment = {
            **os.environ,
            "PLAZA_VAR": str(system.var),
            "MONGO_URL": system.mongo_url,
            "PYTHONPATH": str(ROOT),
            "UNTIL": until,
            "FAULT": fault,
        }
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def ended(self) -> Ran:
        """Wait for the end of the load."""
        code = self._process.wait(ENDS_WITHIN_S)
        path = self._folder / "result.json"
        return Ran(code, self._log.read_text(), json.loads(path.read_text()) if path.exists() else {})

    def kill(self) -> None:
        """Kill the load."""
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def load(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Load]]:
    """Return a function that begins a load."""
    begun: list[Load] = []

    def begin(scenario: str, *more: str, until: str, fault: str = "") -> Load:
        folder = tmp_path_factory.mktemp("load") / scenario
        begun.append(Load(system, folder, scenario, until, *more, fault=fault))
        return begun[-1]

    yield begin
    for each in begun:
        each.kill()
