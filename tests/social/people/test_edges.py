"""An edge is changed only from what was read, also where another process changes it meanwhile."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from social.infra import clock
from social.infra.store.mongo import Mongo, Transaction
from social.people import edges

ADA, BOB = "a" * 24, "b" * 24


@pytest.fixture
async def processes(mongo_url: str, mongo_database: str) -> AsyncIterator[tuple[Mongo, Mongo]]:
    """The stores of two processes."""
    here, there = Mongo(mongo_url, mongo_database), Mongo(mongo_url, mongo_database)
    yield here, there
    here.close()
    there.close()


@pytest.mark.parametrize("known", [False, True], ids=["strangers", "who muted"])
async def test_a_follow_that_a_block_overtakes_is_looked_at_again(processes: tuple[Mongo, Mongo], known: bool) -> None:
    here, there = processes
    attempts: list[int] = []

    async def change(tx: Transaction, name: str) -> None:
        edge = (await edges.between(tx, [(ADA, BOB)]))[ADA, BOB]
        if not edge.apart:
            edges.write(tx, edge, replace(edge, **{name: clock.now()}))

    async def follow(tx: Transaction) -> None:
        attempts.append(tx.attempt)
        await change(tx, "follows_at")
        if not tx.attempt:
            await there.transact(lambda tx: change(tx, "blocked_at"))

    if known:
        await here.transact(lambda tx: change(tx, "mutes_at"))
    await here.transact(follow)
    edge = (await edges.between(here, [(ADA, BOB)]))[ADA, BOB]
    assert (attempts, edge.apart, edge.follows_at) == ([0, 1], True, None)
