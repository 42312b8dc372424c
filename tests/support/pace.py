"""Seconds that this machine had time for: promises of the product in seconds, held on a machine that is busy too.

A clock goes on while a busy machine lets nothing run. Here a second passes in small steps, each of which ends when a
timer of this process has fired and every server that was given has answered: a process that waits for its turn, and a
server that does, make it longer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

STEP_S = 0.02

Answer = Callable[[], Awaitable[object]]


class Pace:
    """The seconds that have passed so far."""

    def __init__(self, servers: tuple[Answer, ...]) -> None:
        self.seconds = 0.0
        self._servers = servers

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            await asyncio.sleep(STEP_S)
            for server in self._servers:
                await server()
            self.seconds += STEP_S


@asynccontextmanager
async def paced(*servers: Answer) -> AsyncIterator[Pace]:
    """Count the seconds of this block; each server is a function that returns once the server has answered."""
    pace = Pace(servers)
    counting = asyncio.create_task(pace.run())
    try:
        yield pace
    finally:
        counting.cancel()
        await asyncio.wait([counting])


async def within(seconds: float, waiting: Awaitable[object], *servers: Answer) -> None:
    """Await something; raises AssertionError where it takes longer than this."""
    wanted = asyncio.ensure_future(waiting)
    try:
        async with paced(*servers) as pace:
            while not wanted.done():
                assert pace.seconds < seconds, f"not within {seconds} s"
                await asyncio.wait([wanted], timeout=STEP_S)
    finally:
        wanted.cancel()
    await wanted
