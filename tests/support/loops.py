"""Measure how long an event loop is kept busy without a turn for anybody else."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

EVERY_S = 0.002


class Held:
    """The longest turn that was seen."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        """Record the most that this thread computes between two turns; other threads do not count."""
        before = time.thread_time()
        while True:
            await asyncio.sleep(EVERY_S)
            now = time.thread_time()
            self.longest_s, before = max(self.longest_s, now - before), now


@asynccontextmanager
async def held() -> AsyncIterator[Held]:
    """Measure the longest turn of the loop in this block, its last turn included.

    The garbage collector does not search the objects that hundreds of earlier tests left in this process meanwhile.
    """
    gc.freeze()
    seen = Held()
    watching = asyncio.create_task(seen.watch())
    await asyncio.sleep(0)
    try:
        yield seen
        await asyncio.sleep(2 * EVERY_S)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        gc.unfreeze()
