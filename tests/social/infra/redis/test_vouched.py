"""Remembered values: read anew once their token is gone, in whichever order readers and writers come."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from hypothesis import given, settings
from hypothesis import strategies as st

from social.infra.redis.vouched import MOST, Vouched


class Store:
    """A store with one value, read and written by processes of their own."""

    def __init__(self, processes: int = 2) -> None:
        self.redis = FakeServer()
        self.value = self.reads = 0
        clients = [FakeAsyncRedis(server=self.redis) for _ in range(processes)]
        self.processes = [Vouched[int](each, "lines") for each in clients]

    async def read(self) -> int:
        self.reads += 1
        return self.value

    async def seen_by(self, process: int, read: Callable[[], Awaitable[int]] | None = None) -> int:
        return await self.processes[process].get("ada", 21, read or self.read)

    async def write(self, process: int) -> None:
        self.value += 1
        await self.processes[process].forget(["ada"])


async def test_a_value_that_is_read_again_is_remembered() -> None:
    store = Store()
    for _ in range(6):
        assert await store.seen_by(0) == 0
    assert store.reads == 2  # the first time nobody knows that it will be read again


async def test_a_value_that_another_process_changed_is_read_anew() -> None:
    store = Store()
    for _ in range(3):
        await store.seen_by(0)
    await store.write(1)
    assert await store.seen_by(0) == 1


async def test_a_value_that_changes_while_it_is_read_is_not_remembered() -> None:
    store = Store()
    await store.seen_by(0)

    async def read_meanwhile() -> int:
        before = store.value
        await store.write(1)
        return before

    assert await store.seen_by(0, read_meanwhile) == 0
    assert await store.seen_by(0) == 1


async def test_without_redis_every_value_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.redis.redis.REST_S", 0)
    store = Store()
    for _ in range(3):
        await store.seen_by(0)
    store.redis.connected = False
    store.value = 7
    assert [await store.seen_by(0) for _ in range(3)] == [7, 7, 7]
    await store.write(0)
    assert await store.seen_by(0) == 8


async def test_a_process_sees_what_it_wrote_itself_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    for _ in range(3):
        await store.seen_by(0)
    with monkeypatch.context() as away:
        away.setattr(FakeAsyncRedis, "delete", None)
        store.value += 1
        with pytest.raises(TypeError):
            await store.processes[0].forget(["ada"])
    assert await store.seen_by(0) == 1


async def test_a_token_ends_by_itself_when_its_writer_does_not_reach_redis() -> None:
    store = Store()
    for _ in range(3):
        await store.seen_by(0)
    left_ms = await FakeAsyncRedis(server=store.redis).pttl("lines:ada")
    assert 0 < left_ms <= 10_000


async def test_a_value_that_changed_takes_no_memory() -> None:
    store = Store()
    for _ in range(3):
        await store.seen_by(0)
    store.value = 5
    await store.seen_by(0)
    await store.write(0)
    assert store.processes[0]._kept["ada"].value is None


async def test_values_of_many_people_are_bounded() -> None:
    store = Store(1)
    for number in range(MOST + 50):
        await store.processes[0].get(str(number), 21, store.read)
    assert len(store.processes[0]._kept) == MOST


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("rw"), st.integers(0, 2), st.integers(0, 3)), max_size=30))
def test_nobody_reads_what_a_finished_write_replaced(acts: list[tuple[str, int, int]]) -> None:
    """Readers pause for some turns of the loop while they read, so that writes and other reads come between."""

    async def play() -> None:
        store, tasks = Store(3), []

        async def read(process: int, turns: int) -> None:
            finished = store.value

            async def slowly() -> int:
                value = await store.read()
                for _ in range(turns):
                    await asyncio.sleep(0)
                return value

            assert await store.seen_by(process, slowly) >= finished

        for what, process, turns in acts:
            if what == "w":
                await store.write(process)
            else:
                tasks.append(asyncio.create_task(read(process, turns)))
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert [await store.seen_by(each) for each in range(3)] == [store.value] * 3

    asyncio.run(play())
