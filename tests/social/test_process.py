"""How processes run their background work."""

import asyncio

from social.infra.process import Tasks


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
    async with asyncio.timeout(5):
        await tasks.cancel()
    assert not tasks.failed


async def test_background_work_that_ends_stops_the_process() -> None:
    tasks = Tasks()
    tasks.start("short", asyncio.sleep(0))
    async with asyncio.timeout(5):
        await tasks.stop.wait()
    assert tasks.failed
