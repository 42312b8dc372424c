"""A server process with ports and data of its own, in a folder of its own; it dies with the process that starts it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from devtools.cluster.ports import free_ports, is_free, listens

ATTEMPTS = 5
DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")


def die_with_parent(kind: Literal["one", "group"] = "one") -> list[str]:
    """Return the prefix of a command that dies with this process; `group` for a program whose children outlive it."""
    return [sys.executable, "-IS", str(DIE_WITH_PARENT), kind, str(os.getpid())]


class StartFailed(Exception):
    """A server that ended or stayed silent instead of starting; carries the end of its log."""


class Server(ABC):
    """A server process in a folder; after `kill` or `stop`, `start` uses its port and data again."""

    name: str  # of the class, or of each where several are alike
    port_count: ClassVar[int] = 1
    start_timeout_s: ClassVar[float] = 120  # as long as a busy machine may take

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Return what must be installed before this server can start, or None."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL that clients connect to."""

    @abstractmethod
    async def launch(self, ports: Sequence[int]) -> None:
        """Start the process and return once it answers."""

    @property
    def port(self) -> int:
        """The port clients connect to; known once the server has started."""
        return self._ports[0]

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The id of its process, also after that has ended by itself."""
        return self._process.pid if self._process else None

    @property
    def ended(self) -> str:
        """The way the process ended, in words, with the last line of its log."""
        code = self._process.poll() if self._process else None
        how = f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
        return f"{how}: {words[-1]}" if (words := self.log().strip().splitlines()) else how

    async def start(self) -> None:
        """Start and wait until the server answers; do nothing when it runs already."""
        if self.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, ATTEMPTS + 1):
            ports = self._ports or free_ports(self.port_count)
            try:
                await self.launch(ports)
            except BaseException as error:
                await self.kill()
                await self.stop()
                taken = isinstance(error, StartFailed) and not all(map(is_free, ports))
                if not taken or attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(0.2)
            else:
                self._ports = list(ports)
                return

    async def stop(self) -> None:
        """Terminate the server and wait for its end; kill it after 15 s."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await _ended(self._process, timeout_s=15)
        await self.kill()

    async def kill(self) -> None:
        """Send SIGKILL, as in a crash; the data folder stays as it is."""
        if self._process is not None:
            await kill(self._process)
            self._process = None

    async def restart(self) -> None:
        """Stop if the server runs, then start it with its port and data."""
        await self.stop()
        await self.start()

    def spawn(self, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program in the folder, with an environment of PATH, HOME and `env` alone."""
        # PR_SET_PDEATHSIG follows the *thread* that forks: start servers from the main thread, never from an executor.
        with (self.folder / "output.log").open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - programs of this repository or of the system
                [*die_with_parent(), *command],
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def answering(self, process: subprocess.Popen[bytes], port: int, ask: bytes, expect: bytes) -> None:
        """Wait until this process, and no other on its port, answers `ask` with `expect`; raises StartFailed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.start_timeout_s):
                while process.poll() is None:
                    if await _answers(port, ask, expect) and listens(process.pid, port):
                        return
                    await asyncio.sleep(0.02)
        how = "is silent" if process.poll() is None else f"ended with {process.returncode}"
        raise StartFailed(f"{self.name} {how}\n{self.log()}")

    def log(self) -> str:
        """Return the last 4,000 characters of the server's output."""
        return (self.folder / "output.log").read_text(errors="replace")[-4000:]


async def _answers(port: int, ask: bytes, expect: bytes) -> bool:
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(ask)
                return await reader.readexactly(len(expect)) == expect
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, EOFError, TimeoutError):
        return False


async def _ended(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while process.poll() is None:  # noqa: ASYNC110 - not a child of the loop
            await asyncio.sleep(0.01)


async def kill(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to a process and its group, and wait for its end."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        await _ended(process, timeout_s=60)  # of which a busy machine needs some
