"""How long a loop is kept from everybody else."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

EVERY_S = 0.002


class Held:
    """What was seen of it."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        """Note the most that this thread computes between two turns; what others compute is not in it."""
        before = time.thread_time()
        while True:
            await asyncio.sleep(EVERY_S)
            now = time.thread_time()
            self.longest_s, before = max(self.longest_s, now - before), now


@asynccontextmanager
async def held() -> AsyncIterator[Held]:
    """The longest that the loop is held in here; on the way out, its last turn is in it.

    What hundreds of tests before left in this process is not looked through by the garbage collector meanwhile.
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
