"""Waiting for what a person will see: ask again until the assertions hold, or say which one did not."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], *, timeout_s: float = 10, every_s: float = 0.02) -> T:
    """What `look` answers once it raises no AssertionError; the last one when it never does."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return await look()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(every_s)
