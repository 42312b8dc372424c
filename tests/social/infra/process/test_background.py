"""Background tasks: bounded, finished at the stop, and without effect on others when they fail."""

import asyncio

from social.infra.process.background import MOST_AT_ONCE, BestEffortTasks


async def test_what_is_beyond_the_bound_is_left_out_and_the_rest_is_finished() -> None:
    tasks, go, done = BestEffortTasks(), asyncio.Event(), list[int]()

    async def work() -> None:
        await go.wait()
        done.append(1)

    assert all(tasks.start("work", work) for _ in range(MOST_AT_ONCE))
    assert not tasks.start("work", work)
    await tasks.finish(0.01)
    assert done == [], "it waits no longer than it is told to"
    go.set()
    await tasks.finish(5)
    assert len(done) == MOST_AT_ONCE
    assert tasks.start("work", work), "there is room again"
    await tasks.finish(5)


async def test_a_failure_is_logged_and_nobody_elses() -> None:
    tasks = BestEffortTasks()

    async def fail() -> None:
        raise ValueError("no")

    assert tasks.start("work", fail)
    await tasks.finish(5)
    assert tasks.start("work", fail)
    await tasks.finish(5)
