"""A program of the cluster: its start, its readiness, its end, and its output line by line."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import aiohttp

from devtools.cluster.server import StartFailed, die_with_parent

Say = Callable[[str, str], None]  # the name of a part, and a line of its output

READY_WITHIN_S = 120.0
CHECK_EVERY_S = 0.05
KILLED_WITHIN_S = 60.0  # of which a busy machine needs some


class Program:
    """A command that answers `ready_url` with 200 once it works; it never outlives this process."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready_url: str,
        say: Say,
        environment: Mapping[str, str] | None = None,
        stop_within_s: float = 10,
        kind: Literal["one", "group"] = "one",
    ) -> None:
        self.name = name
        self.ready_url = ready_url
        self._command = command
        self._environment = environment or {}
        self._say = say
        self._stop_within_s = stop_within_s
        self._kind = kind
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The id of its process, also after that has ended."""
        return self._process.pid if self._process else None

    @property
    def ended(self) -> str:
        """The way the process ended, in words."""
        code = self._process.returncode if self._process else None
        return f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"

    async def start(self) -> None:
        """Start the program, without waiting until it is `ready`; raises StartFailed."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(*die_with_parent(self._kind), *self._command),
                env={**os.environ, **self._environment},
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                start_new_session=True,  # else Ctrl-C reaches it before the cluster can stop it in order
            )
        except OSError as error:
            raise StartFailed(f"{self.name} cannot be started: {error.strerror}") from None
        self._reader = asyncio.create_task(self._read(self._process))

    async def ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Wait until the program answers `ready_url` with 200; raises StartFailed."""
        try:
            async with asyncio.timeout(within_s), aiohttp.ClientSession() as http:
                while not await self._answers(http):
                    if not self.running:
                        raise StartFailed(f"{self.name} ended instead of starting: {self.ended}")
                    await asyncio.sleep(CHECK_EVERY_S)
        except TimeoutError:
            raise StartFailed(f"{self.name} is not ready after {within_s:g} s") from None

    async def stop(self) -> None:
        """Send SIGTERM and wait for the end; after `stop_within_s` say so and kill the program."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._stop_within_s):
                await self._process.wait()
        except TimeoutError:
            self._say(self.name, f"does not end within {self._stop_within_s:g} s and is killed")
        await self.kill()

    async def kill(self) -> None:
        """Send SIGKILL to the whole process group and wait for the end."""
        if self._process is None:
            return
        if self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
        async with asyncio.timeout(KILLED_WITHIN_S):
            await self._process.wait()
            if self._reader is not None:
                await self._reader

    async def _answers(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(self.ready_url, timeout=aiohttp.ClientTimeout(total=3)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        rest = b""
        while some := await process.stdout.read(65_536):
            *lines, rest = (rest + some).split(b"\n")
            for line in lines:
                self._say(self.name, line.decode(errors="replace"))
        if rest:
            self._say(self.name, rest.decode(errors="replace"))
