"""Plaza's own processes, as an operator runs them: started, watched, signalled, killed."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import aiohttp
import psutil

from support.eventually import LONG_S
from support.forking import Forked, Forks, start_new
from support.stores import store_settings

ROOT = Path(__file__).parents[2]
CRASH = Path(__file__).with_name("crash.py")
OURS = (
    *("MONGO", "REDIS", "AMQP", "API", "REALTIME", "WORKER", "JWT", "REFRESH", "PLAZA", "LOG", "DRAIN", "HOST", "PORT"),
    *("MEDIA", "MAILER", "PID_KEY", "NODE_NAME", "TRACES", "STORE", "EMBEDDED", "SEED"),
)

# Where the environment forbids Python to keep compiled modules, each start would compile ours anew: a seventh of it.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}

FORKS = Forks()


class Ended(NamedTuple):
    """The end of a process: its exit code and its output."""

    code: int
    out: str
    err: str


class Program:
    """`python -m <module>` with its own settings and none of the test's environment.

    Where it can be, it is a fork that has imported everything (see forking.py), unless it is to be a `new` Python.
    """

    def __init__(
        self,
        module: str,
        *words: str,
        folder: Path,
        crash: str = "",
        cwd: Path = ROOT,
        new: bool = False,
        **settings: object,
    ) -> None:
        self._words = [str(CRASH), crash, module] if crash else [module, *words]  # see crash.py
        self._new = new or cwd != ROOT or "PYTHONPATH" in settings
        self._out, self._err = folder / f"{module}.out", folder / f"{module}.err"
        settings = store_settings(module, settings) | settings
        foreign = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        given = {name: str(value) for name, value in settings.items()}
        if crash:
            given.setdefault("PYTHONPATH", str(ROOT))
        self._env: Mapping[str, str] = foreign | COMPILED | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"} | given
        self._cwd = cwd
        self.process: subprocess.Popen[bytes] | Forked | None = None

    def start(self) -> "Program":
        """Start the process; see `answering`."""
        with self._out.open("wb") as out, self._err.open("wb") as err:
            start = start_new if self._new else FORKS.start
            self.process = start(self._words, cwd=self._cwd, env=self._env, out=out, err=err)
        return self

    @property
    def out(self) -> str:
        """Return its standard output so far."""
        return self._out.read_text(errors="replace")

    @property
    def err(self) -> str:
        """Return its standard error so far."""
        return self._err.read_text(errors="replace")

    async def answering(self, url: str, timeout_s: float = 2 * LONG_S) -> "Program":
        """Wait until a URL of the process answers 200."""
        deadline = time.monotonic() + timeout_s
        async with aiohttp.ClientSession() as session:
            while True:
                assert self.process is not None
                assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.out}{self.err}"
                try:
                    async with session.get(url, timeout=aiohttp.ClientTimeout(total=10)) as answer:
                        if answer.status == 200:
                            return self
                except (aiohttp.ClientError, TimeoutError):
                    pass
                assert time.monotonic() < deadline, f"silent: {self.out}{self.err}"
                await asyncio.sleep(0.02)

    async def ended(self, timeout_s: float = 2 * LONG_S) -> Ended:
        """Wait until it has ended."""
        assert self.process is not None
        async with asyncio.timeout(timeout_s):
            while self.process.poll() is None:
                await asyncio.sleep(0.01)
        return Ended(self.process.returncode, self.out, self.err)

    async def signal(self, number: signal.Signals, timeout_s: float = 2 * LONG_S) -> Ended:
        """Send a signal and wait until the process has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        return await self.ended(timeout_s)

    async def kill(self) -> None:
        """Kill the process (SIGKILL), whatever its state is."""
        if self.process is not None and self.process.poll() is None:
            await self.signal(signal.SIGKILL)

    def children(self) -> list[psutil.Process]:
        """Return its children."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)


async def gone(processes: list[psutil.Process], timeout_s: float = LONG_S) -> bool:
    """Wait a while for these processes to end; return whether all of them have."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes):
            return True
        await asyncio.sleep(0.02)
    return False


def listens_at(pid: int) -> int:
    """Return the port that a process serves."""
    listening = psutil.CONN_LISTEN
    (port,) = {each.laddr.port for each in psutil.Process(pid).net_connections("tcp") if each.status == listening}
    return int(port)
