"""Response times in whole steps, so that they do not reveal what was found and hidden from a client that guesses."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from social.infra.process.admission import Admission

GRAIN_S = 0.05  # longer than reading a page of rows that are then hidden
FINE_S = 0.02  # longer than reading a document that is then hidden


@asynccontextmanager
async def even_time() -> AsyncIterator[None]:
    """Wait at the end until the block took a multiple of `GRAIN_S`, also when it raises."""
    began = time.perf_counter()
    try:
        yield
    except Exception:
        await _wait(began)
        raise
    await _wait(began)


async def _wait(began: float) -> None:
    with Admission.uncounted():
        await up_to(GRAIN_S, began)


async def up_to(grain_s: float, began: float) -> None:
    """Wait until a multiple of `grain_s` has passed since `began`, by `time.perf_counter`."""
    await asyncio.sleep(grain_s - (time.perf_counter() - began) % grain_s)
