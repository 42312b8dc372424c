"""Answers to guesses take a whole number of grains of time: what was looked at and not shown is in none of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

GRAIN_S = 0.05  # longer than it takes to look at a page of rows that are then not shown


@asynccontextmanager
async def evened() -> AsyncIterator[None]:
    """Wait at the end until the whole took a multiple of the grain; a refusal waits as well."""
    began = time.perf_counter()
    try:
        yield
    except Exception:
        await _wait(began)
        raise
    await _wait(began)


async def _wait(began: float) -> None:
    await asyncio.sleep(GRAIN_S - (time.perf_counter() - began) % GRAIN_S)
