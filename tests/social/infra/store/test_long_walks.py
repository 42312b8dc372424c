"""Long walks along lists take turns, and leave half of the time to everything else."""

import asyncio
import time

import pytest

from social.infra.store.mongo import Mongo
from social.infra.store.paging import SHORT_WALK, pacing

LOOK_S = 0.02


@pytest.fixture
def mongo() -> Mongo:
    return Mongo("mongodb://127.0.0.1:9", "nowhere")


async def test_short_walks_run_at_once_and_of_the_long_ones_one(mongo: Mongo) -> None:
    under_way, together = {"short": 0, "long": 0}, {"short": 0, "long": 0}

    async def walk(looks: int) -> None:
        async with pacing(mongo) as pause:
            for look in range(looks):
                kind = "short" if look < SHORT_WALK else "long"
                under_way[kind] += 1
                together[kind] = max(together[kind], under_way[kind])
                await asyncio.sleep(LOOK_S)
                under_way[kind] -= 1
                await pause()

    await asyncio.gather(*(walk(SHORT_WALK + 3) for _ in range(4)))
    assert together == {"short": 4, "long": 1}


async def test_a_long_walk_rests_as_long_as_it_works(mongo: Mongo) -> None:
    async with pacing(mongo) as pause:
        for _ in range(SHORT_WALK):
            await pause()
        for _ in range(3):
            began = time.perf_counter()
            await asyncio.sleep(LOOK_S)
            await pause()
            assert time.perf_counter() - began >= 2 * LOOK_S


async def test_a_walk_that_is_given_up_gives_its_turn_to_the_next(mongo: Mongo) -> None:
    async def endless() -> None:
        async with pacing(mongo) as pause:
            while True:
                await asyncio.sleep(0)
                await pause()

    for _ in range(2):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(endless(), LOOK_S)
    assert not mongo.long_walks.locked()
