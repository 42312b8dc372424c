"""Answers to guesses take a whole number of grains of time: what was looked at and not shown is in none of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from social.infra.process.admission import Admission

GRAIN_S = 0.05  # longer than it takes to look at a page of rows that are then not shown
FINE_S = 0.02  # longer than it takes to look for one thing that is then not shown


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
    with Admission.aside():
        await up_to(GRAIN_S, began)


async def up_to(grain_s: float, began: float) -> None:
    """Wait until a multiple of the grain has passed since `began`, by `time.perf_counter`."""
    await asyncio.sleep(grain_s - (time.perf_counter() - began) % grain_s)
