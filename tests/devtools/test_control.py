"""Commands to a running cluster from clients that leave early."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import uvloop

from devtools.cluster.control import NAME, answering


class Rolling:
    """A supervisor that yields a line every millisecond, of small or large size."""

    def __init__(self, piece: int) -> None:
        self.said = 0
        self.piece = piece

    async def roll(self, _names: Sequence[str]) -> AsyncIterator[str]:
        for _ in range(20):
            await asyncio.sleep(0.001)
            self.said += 1
            yield "x" * self.piece


def test_who_leaves_during_a_roll_does_no_harm(tmp_path: Path) -> None:
    failed: list[dict[str, Any]] = []

    async def left() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(context))
        for number in range(20):
            supervisor = Rolling(1 if number % 2 else 100_000)
            async with answering(tmp_path, supervisor):  # type: ignore[arg-type]
                _, writer = await asyncio.open_unix_connection(tmp_path / NAME)
                writer.write(b'{"do": "roll", "names": []}\n')
                while supervisor.said < number % 5 + 1:
                    await asyncio.sleep(0)
                writer.transport.abort()
                await asyncio.sleep(0.05)

    uvloop.run(left())  # the loop of production
    assert failed == []
