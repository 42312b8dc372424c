"""Keeps the parts of the cluster running, replaces them one by one, and stops them in order."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from devtools.cluster.program import Program, Say
from devtools.cluster.server import StartFailed
from social.infra.process.settings import StartError

LOOK_EVERY_S = 0.1
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 30.0  # whoever ran so long did not die of its start
BETWEEN_S = 2.5  # nginx gives a server that failed another chance after 2 s (devtools/generate/nginx.py, fail_timeout)


class Part(Protocol):
    """A program or server that is kept running."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def running(self) -> bool:
        """Whether its process is alive."""

    @property
    def pid(self) -> int | None:
        """Its process."""

    @property
    def ended(self) -> str:
        """How it ended, in words."""

    async def start(self) -> None:
        """Start it, on the same port and data as before; raises StartFailed or StartError."""

    async def stop(self) -> None:
        """Ask it to end, and wait for that."""

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""


class Kept:
    """A part, and how often it was started."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.starts = 1
        self.held = asyncio.Lock()  # by whoever stops and starts it

    async def keep(self, say: Say) -> None:
        """Start it again whenever it ends, at first at once and then more and more seldom."""
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            while self.part.running:  # noqa: ASYNC110 - the processes of servers are no asyncio children
                await asyncio.sleep(LOOK_EVERY_S)
            async with self.held:
                if self.part.running:
                    continue
                if time.monotonic() - began > STEADY_S:
                    pause_s = FIRST_PAUSE_S
                say(self.part.name, f"ended ({self.part.ended}); it is started again in {pause_s:g} s")
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                try:
                    self.starts += 1
                    await self.part.start()
                except (StartFailed, StartError, OSError) as error:  # TimeoutError is one
                    say(self.part.name, last_line(error))


class Supervisor:
    """All parts of one cluster, in the order in which they were started."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._kept: dict[str, Kept] = {}
        self._rolling = asyncio.Lock()

    def add(self, part: Part) -> Kept:
        """Keep a part that was just started."""
        kept = self._kept[part.name] = Kept(part)
        return kept

    def status(self) -> list[dict[str, object]]:
        """Name, process and starts of each, in words of JSON."""
        return [
            {"name": name, "pid": kept.part.pid, "running": kept.part.running, "starts": kept.starts}
            for name, kept in self._kept.items()
        ]

    async def roll(self, names: Sequence[str] = ()) -> AsyncIterator[str]:
        """Replace Plaza's processes, or those named, one after another, each by SIGTERM and ready before the next.

        Says what was done; raises StartFailed where one does not come back, and leaves the rest as they are.
        """
        if self._rolling.locked():
            raise StartFailed("they are being replaced already")
        async with self._rolling:
            before = ""
            for kept, program in self._chosen(names):
                kind, _, _ = program.name.rpartition("-")
                await asyncio.sleep(BETWEEN_S if kind == before else 0)
                before, began = kind, time.monotonic()
                async with kept.held:
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
        """SIGKILL all: somebody is in a hurry."""
        await asyncio.gather(*(kept.part.kill() for kept in self._kept.values()))


def last_line(error: Exception) -> str:
    """What it says, in one line: servers end their last words with the reason."""
    lines = str(error).strip().splitlines()
    return f"{lines[0]}: {lines[-1]}" if len(lines) > 1 else lines[0] if lines else type(error).__name__
