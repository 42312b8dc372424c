"""Work beside the answers: bounded, finished at the stop, and without effect on others when it fails."""

import asyncio

from social.infra.process.background import MOST_AT_ONCE, Beside


async def test_what_is_beyond_the_bound_is_left_out_and_the_rest_is_finished() -> None:
    beside, go, done = Beside(), asyncio.Event(), list[int]()

    async def work() -> None:
        await go.wait()
        done.append(1)

    assert all(beside.start("work", work) for _ in range(MOST_AT_ONCE))
    assert not beside.start("work", work)
    await beside.finish(0.01)
    assert done == [], "it waits no longer than it is told to"
    go.set()
    await beside.finish(5)
    assert len(done) == MOST_AT_ONCE
    assert beside.start("work", work), "there is room again"
    await beside.finish(5)


async def test_a_failure_is_logged_and_nobody_elses() -> None:
    beside = Beside()

    async def fail() -> None:
        raise ValueError("no")

    assert beside.start("work", fail)
    await beside.finish(5)
    assert beside.start("work", fail)
    await beside.finish(5)
