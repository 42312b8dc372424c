"""Waiting for an effect: repeat a check until its assertions hold, or raise the one that never did."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


SHORTEST_S, LONGEST_S = 0.02, 0.25  # between two looks
LONG_S = 120.0  # a bound, not an expectation: nothing waits for it but a test that fails, however busy the machine is


async def eventually(look: Callable[[], Awaitable[T]], *, timeout_s: float = LONG_S, every_s: float | None = None) -> T:
    """Return what `look` returns once it raises no AssertionError; raise its last error when time is over.

    Without `every_s`, pauses are three times as long as looks: waiting shall not compute more than what it waits for.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        began = time.monotonic()
        try:
            return await look()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        took_s = time.monotonic() - began
        await asyncio.sleep(every_s if every_s is not None else min(max(SHORTEST_S, 3 * took_s), LONGEST_S))
