"""The background work of processes."""

import asyncio
import itertools
import time

import pytest
from prometheus_client import REGISTRY

from social.infra.process import process
from social.infra.process.process import Tasks


async def deaf(times: int) -> None:
    """Work whose libraries lose a cancellation."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def test_a_process_ends_although_a_cancellation_was_lost() -> None:
    tasks = Tasks()
    tasks.start("deaf", deaf(1))
    tasks.start("good", deaf(0))
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await tasks.cancel()
    assert not tasks.failed


async def test_background_work_that_ends_stops_the_process() -> None:
    tasks = Tasks()
    tasks.start("short", asyncio.sleep(0))
    async with asyncio.timeout(60):
        await tasks.stop.wait()
    assert tasks.failed


async def test_work_that_is_kept_begins_anew_whatever_it_fails_with_and_more_and_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(process, "LONGEST_PAUSE_S", 0.08)
    began: list[float] = []
    failures = [RuntimeError("no"), OSError(28, "No space left on device"), process.StartError("refused"), None]

    async def work() -> None:
        began.append(time.monotonic())
        if len(began) <= len(failures):
            if (error := failures[len(began) - 1]) is not None:
                raise error
            return
        await asyncio.Event().wait()

    tasks = Tasks()
    tasks.keep("restless", work)
    async with asyncio.timeout(60):
        while len(began) < 5:
            await asyncio.sleep(0.01)
    assert not tasks.failed
    assert not tasks.stop.is_set()
    pauses = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert [pause >= least for pause, least in zip(pauses, (0.02, 0.04, 0.08, 0.08), strict=True)] == [True] * 4
    assert REGISTRY.get_sample_value("plaza_background_failures_total", {"task": "restless"}) == 4
    await tasks.cancel()
