"""Seconds that this machine had time for: promises of the product in seconds, held on a machine that is busy too.

A clock goes on while a busy machine lets nothing run. Here a second passes in small steps, each of which ends when a
timer of this process has fired and every server that was given has answered: a process that waits for its turn, and a
server that does, make it longer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

STEP_S = 0.02

Answer = Callable[[], Awaitable[object]]
T = TypeVar("T")


async def within(seconds: float, waiting: Awaitable[T], *servers: Answer) -> T:
    """Return what an awaitable returns; raises AssertionError where it takes longer than these seconds.

    Each server is a function that returns once the server has answered.
    """
    wanted, time_is_up = asyncio.ensure_future(waiting), asyncio.create_task(_pass(seconds, servers))
    try:
        await asyncio.wait([wanted, time_is_up], return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            time_is_up.result()
            raise AssertionError(f"not within {seconds} s")
        return await wanted
    finally:
        for each in (wanted, time_is_up):
            each.cancel()
        await asyncio.wait([wanted, time_is_up])


async def _pass(seconds: float, servers: Sequence[Answer]) -> None:
    for _ in range(round(seconds / STEP_S)):
        await asyncio.sleep(STEP_S)
        for server in servers:
            await server()
