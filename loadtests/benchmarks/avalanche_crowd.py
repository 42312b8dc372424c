"""The clients of the avalanche: a process for the sockets of each gateway, and the figures of all of them together."""

import asyncio
import subprocess
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from loadtests.benchmarks.gateways_processes import HERE, OTHER_CORE, child, command

AT_ONCE = 200  # connects under way of a process


class Seen(NamedTuple):
    """The counts of all clients."""

    connected: int
    returned: int  # came back, each time that one did
    recovered: int  # of them with the socket they had
    replayed: int  # stream events that were read from the store for them: those that were never pushed
    refused: int  # connects that a gateway refused for the moment
    unanswered: int  # connects that had no answer for 20 s
    wrong: int  # stream events that had not the next number


def build(folder: Path) -> Path:
    """Compile the client; return the program."""
    program = folder / "avalanche_client"
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "avalanche_client.c")], check=True)
    return program


class Crowd:
    """Client processes, each with the sockets that connect to one gateway first."""

    def __init__(self, stack: AsyncExitStack, program: Path, folder: Path, tokens: Sequence[Sequence[str]]) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        self._ports: list[list[int]] = []
        for number, some in enumerate(tokens):
            listed = folder / f"tokens{number}"
            listed.write_text("\n".join(some))
            self._processes.append(child(stack, OTHER_CORE, str(program), str(listed), str(number)))

    async def open(self, ports: Sequence[int]) -> float:
        """Connect all clients, each process to the gateway of its number; return how many seconds it took."""
        count = len(self._processes)
        self._ports = [[ports[(number + at) % count] for at in range(count)] for number in range(count)]
        await self._know()
        answers = await self._all(f"open {AT_ONCE}")
        return max(float(seconds) for _, _, seconds in answers)

    async def replace(self, port: int, by: int) -> None:
        """Have clients return to another gateway in place of one, as a load balancer does that hears of it."""
        self._ports = [[by if each == port else each for each in ports] for ports in self._ports]
        await self._know()

    async def _know(self) -> None:
        lines = [f"ports {' '.join(map(str, ports))}" for ports in self._ports]
        await asyncio.gather(*(command(*each) for each in zip(self._processes, lines, strict=True)))

    async def seen(self) -> Seen:
        """Return the counts so far."""
        answers = await self._all("stats")
        return Seen(*(sum(map(int, counts)) for counts in list(zip(*answers, strict=True))[1:]))

    async def samples_ms(self) -> list[float]:
        """Return how long pushes took since the last question, those of sockets that never were away."""
        return await self._numbers("samples")

    async def away_ms(self) -> list[float]:
        """Return how long each client was away that returned."""
        return await self._numbers("away")

    async def _numbers(self, what: str) -> list[float]:
        answers = await self._all(what)
        return [int(each) / 1_000 for answer in answers for each in answer[1:]]

    async def _all(self, line: str) -> list[list[str]]:
        return list(await asyncio.gather(*(command(process, line) for process in self._processes)))
