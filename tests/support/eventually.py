"""Waiting for an effect: repeat a check until its assertions hold, or raise the one that never did."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], *, timeout_s: float = 10, every_s: float = 0.02) -> T:
    """Return what `look` returns once it raises no AssertionError; raise its last error when time is over."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return await look()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(every_s)
