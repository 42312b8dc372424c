"""Messages that a dead worker left behind: thousands take few batches, and poison among them fails alone."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from support.likes import Like

from social.contracts.events import Group, PostLiked
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent
from social.infra.process.plaza import Plaza
from workers import runner
from workers.deaths import Turns
from workers.runner import Consumer

REDIS: Any = AsyncMock(**{"get.return_value": None, "incr.return_value": 1})
PLAZA: Any = SimpleNamespace(redis=REDIS)  # the tests reach no server


class Left(Like):
    """A redelivered message."""

    def __init__(self, number: int) -> None:
        super().__init__(clock.new_id(), by=f"{number:024}", redelivered=True)
        self.ended: list[str] = []

    def note(self, what: str) -> None:
        self.ended.append(what)


class Killed(BaseException):
    """The end of the process."""


class Worker:
    """A worker that dies of batches with a certain message in them."""

    def __init__(self, poison: int, how: type[BaseException]) -> None:
        self.poison, self.how = f"{poison:024}", how
        self.sizes: list[int] = []

    async def handle(self, plaza: Plaza, happened: Sequence[ReceivedEvent]) -> None:
        self.sizes.append(len(happened))
        if self.poison in {each.event.by for each in happened if isinstance(each.event, PostLiked)}:
            raise self.how


async def test_what_a_storm_left_is_handled_in_few_batches() -> None:
    worker, left = Worker(-1, RuntimeError), [Left(number) for number in range(256)]
    await runner.handle(PLAZA, Consumer(Group.COUNTERS, worker.handle), left, Turns())
    assert sum(worker.sizes) == 256
    assert worker.sizes[0] == 1
    assert len(worker.sizes) < 10
    assert {tuple(each.ended) for each in left} == {("ack",)}


async def test_poison_in_it_is_tried_alone_and_its_neighbours_are_done() -> None:
    worker, left = Worker(20, RuntimeError), [Left(number) for number in range(40)]
    await runner.handle(PLAZA, Consumer(Group.COUNTERS, worker.handle), left, Turns())
    assert left[20].ended == ["retry"]
    assert {tuple(each.ended) for each in left if each is not left[20]} == {("ack",)}


async def test_poison_that_ends_the_process_ends_up_alone_and_all_before_it_are_done() -> None:
    worker, left = Worker(20, Killed), [Left(number) for number in range(40)]
    for _ in range(20):
        waiting = [each for each in left if not each.ended]
        with pytest.raises(Killed):
            await runner.handle(PLAZA, Consumer(Group.COUNTERS, worker.handle), waiting, Turns())
    assert [each.ended for each in left[:20]] == [["ack"]] * 20
    assert worker.sizes[-1] == 1
