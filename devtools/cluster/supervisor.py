"""The supervisor keeps the parts of the cluster running, and replaces them one after another."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from devtools.cluster.program import Program, Say
from devtools.cluster.server import StartFailed
from social.infra.settings import StartError

CHECK_EVERY_S = 0.1
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 30.0  # a part that ran so long did not fail to start, and is restarted at once
BETWEEN_S = 2.5  # nginx gives a server that failed another chance after 2 s (devtools/generate/nginx.py, fail_timeout)


class Part(Protocol):
    """A program or server that is kept running."""

    @property
    def name(self) -> str:
        """The name that people use for the part."""

    @property
    def running(self) -> bool:
        """Whether its process is alive."""

    @property
    def pid(self) -> int | None:
        """The id of its process."""

    @property
    def ended(self) -> str:
        """The way the process ended, in words."""

    async def start(self) -> None:
        """Start the part, with its earlier port and data; raises StartFailed or StartError."""

    async def stop(self) -> None:
        """Terminate the part and wait for its end."""

    async def kill(self) -> None:
        """Send SIGKILL and wait for the end."""


class Kept:
    """A part that is kept running, and the number of its starts."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.starts = 1
        self.restarting = asyncio.Lock()  # held while the part is stopped and started

    async def keep(self, say: Say, longest_pause_s: float | None = None) -> None:
        """Start the part again whenever it ends, with pauses that double from 0.5 s up to 30 s, or to another bound."""
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            while self.part.running:  # noqa: ASYNC110 - the processes of servers are no asyncio children
                await asyncio.sleep(CHECK_EVERY_S)
            async with self.restarting:
                if self.part.running:
                    continue
                if time.monotonic() - began > STEADY_S:
                    pause_s = FIRST_PAUSE_S
                say(self.part.name, f"ended ({self.part.ended}); it is started again in {pause_s:g} s")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, longest_pause_s or LONGEST_PAUSE_S)
                try:
                    self.starts += 1
                    await self.part.start()
                except (StartFailed, StartError, OSError) as error:  # TimeoutError is an OSError
                    say(self.part.name, last_line(error))


class Supervisor:
    """All parts of one cluster, in the order in which they were started."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._kept: dict[str, Kept] = {}
        self._rolling = asyncio.Lock()

    def add(self, part: Part) -> Kept:
        """Add a part that was just started."""
        kept = self._kept[part.name] = Kept(part)
        return kept

    def kept(self, name: str) -> Kept:
        """Return the part of that name; raises KeyError."""
        return self._kept[name]

    def status(self) -> list[dict[str, object]]:
        """Return name, process id, state and number of starts of each part."""
        return [
            {"name": name, "pid": kept.part.pid, "running": kept.part.running, "starts": kept.starts}
            for name, kept in self._kept.items()
        ]

    async def roll(self, names: Sequence[str] = ()) -> AsyncIterator[str]:
        """Replace Plaza's processes, or those named, one after another, each by SIGTERM and ready before the next.

        Yields a line for each. Raises StartFailed where a process does not come back, and leaves the rest as they are.
        """
        if self._rolling.locked():
            raise StartFailed("the processes are being replaced already")
        async with self._rolling:
            before = ""
            for kept, program in self._chosen(names):
                kind, _, _ = program.name.rpartition("-")
                await asyncio.sleep(BETWEEN_S if kind == before else 0)
                before, began = kind, time.monotonic()
                async with kept.restarting:
                    await program.stop()
                    stopped = time.monotonic()
                    kept.starts += 1
                    await program.start()
                    await program.ready()
                done = time.monotonic()
                yield f"{program.name}: stopped in {stopped - began:.1f} s, ready {done - stopped:.1f} s later"

    def _chosen(self, names: Sequence[str]) -> list[tuple[Kept, Program]]:
        programs = {n: (k, k.part) for n, k in self._kept.items() if isinstance(k.part, Program) and n != "nginx"}
        wanted = [name for name in programs if not names or {name, name.rpartition("-")[0]} & set(names)]
        known = {*programs, *(name.rpartition("-")[0] for name in programs)}
        if unknown := sorted(set(names) - known):
            raise StartFailed(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        return [programs[name] for name in wanted]

    async def kill(self) -> None:
        """Send SIGKILL to all parts."""
        await asyncio.gather(*(kept.part.kill() for kept in self._kept.values()))


def last_line(error: Exception) -> str:
    """Return the error in one line: its first line and its last, where servers log their reason."""
    lines = str(error).strip().splitlines()
    return f"{lines[0]}: {lines[-1]}" if len(lines) > 1 else lines[0] if lines else type(error).__name__
