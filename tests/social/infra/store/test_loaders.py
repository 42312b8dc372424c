"""Loaders return what single reads would, whatever happens meanwhile; a failure or hang concerns only its callers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from social.contracts.problems import Unavailable
from social.infra.observe import logs
from social.infra.store.loaders import MOST_IDS, MOST_RARE, MOST_WAITING, Document, Loader, Loaders, together

IDS = "abcdefgh"
POISON = "poison"


class Poisoned(Exception):
    """The store's error for an id that it cannot take."""


@dataclass
class Store:
    """Documents by id, answered when the test lets it; each keeps how often it was written."""

    documents: dict[str, Document] = field(default_factory=dict)
    sent: list[list[str]] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)
    away: bool = False
    held: asyncio.Event | None = None

    async def fetch(self, _: str, ids: Sequence[str], fields: Sequence[str] | None) -> list[Document]:
        """Return what is there when the command arrives, as `Mongo` reads."""
        self.sent.append(list(ids))
        self.traces.append(logs.current_trace())
        if POISON in ids:
            raise Poisoned
        found = [dict(self.documents[each]) for each in ids if each in self.documents]
        if self.held is not None:
            await self.held.wait()
        else:
            await asyncio.sleep(0)
        if self.away:
            raise Unavailable
        return found

    def write(self, id_: str) -> None:
        """Commit a change."""
        self.documents[id_] = {"_id": id_, "rev": self.rev(id_) + 1}

    def rev(self, id_: str) -> int:
        return int(self.documents.get(id_, {"rev": 0})["rev"])


def loader(store: Store) -> Loader:
    return Loaders(store.fetch).of("things")


@asynccontextmanager
async def holding(store: Store) -> AsyncIterator[asyncio.Event]:
    """Yield a store that answers nothing until the end of the block, or until the event is set."""
    store.held = asyncio.Event()
    yield store.held
    store.held.set()


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, object]]:
    ids = st.lists(st.sampled_from([*IDS, *IDS, POISON]), max_size=6)
    step = st.one_of(
        st.tuples(st.just("get"), ids),
        st.tuples(st.just("write"), st.sampled_from(IDS)),
        st.tuples(st.just("cancel"), st.integers(0, 99)),
        st.tuples(st.just("turns"), st.integers(1, 4)),
        st.tuples(st.just("away"), st.booleans()),
        st.tuples(st.just("slow"), st.booleans()),
    )
    return draw(st.lists(step, max_size=40))


@given(steps())
def test_any_interleaving_gives_what_single_reads_give(taken: list[tuple[str, object]]) -> None:
    asyncio.run(_interleaved(taken))


async def _interleaved(taken: list[tuple[str, object]]) -> None:
    store = Store()
    things = loader(store)
    asked: list[tuple[asyncio.Task[dict[str, Document]], list[str], dict[str, int]]] = []
    cancelled, was_away = set[int](), False
    gate = asyncio.Event()
    gate.set()

    async def get(ids: list[str]) -> dict[str, Document]:
        return await things.get_many(ids)

    for step, argument in taken:
        match step, argument:
            case "get", list(ids):
                before = {each: store.rev(each) for each in ids}
                asked.append((asyncio.create_task(get(ids)), ids, before))
            case "write", str(id_):
                store.write(id_)
            case "cancel", int(at) if asked:
                task = asked[at % len(asked)][0]
                if task.cancel():
                    cancelled.add(at % len(asked))
            case "turns", int(turns):
                for _ in range(turns):
                    await asyncio.sleep(0)
            case "away", bool(away):
                store.away = away
                was_away = was_away or away
            case "slow", bool(slow):
                gate.set()
                store.held = gate = asyncio.Event()
                if not slow:
                    gate.set()
    gate.set()
    await asyncio.wait([each for each, _, _ in asked], timeout=60) if asked else None
    for at, (task, ids, before) in enumerate(asked):
        assert task.done(), "nobody waits for ever"
        if task.cancelled():
            assert at in cancelled
        elif (error := task.exception()) is not None:
            assert isinstance(error, Poisoned) if POISON in ids and not was_away else was_away or POISON in ids
        else:
            assert POISON not in ids
            found = task.result()
            assert list(found) == [each for each in dict.fromkeys(ids) if each in found], "in the order of the ids"
            for each in ids:
                rev = found[each]["rev"] if each in found else 0
                assert before[each] <= rev <= store.rev(each), "as it was at some moment since it was asked for"


@given(st.lists(st.lists(st.sampled_from([*IDS, POISON]), min_size=1, max_size=4), min_size=1, max_size=12))
def test_a_poisonous_id_fails_those_who_ask_for_it_and_nobody_else(asks: list[list[str]]) -> None:
    async def ask() -> None:
        store = Store({each: {"_id": each, "rev": 1} for each in IDS})
        things = loader(store)
        answers = await asyncio.gather(*(things.get_many(each) for each in asks), return_exceptions=True)
        for ids, answer in zip(asks, answers, strict=True):
            if POISON in ids:
                assert isinstance(answer, Poisoned)
            else:
                assert answer == {each: {"_id": each, "rev": 1} for each in dict.fromkeys(ids)}

    asyncio.run(ask())


async def test_what_is_asked_for_in_one_turn_is_one_command() -> None:
    store = Store({"a": {"_id": "a"}, "b": {"_id": "b"}})
    things = loader(store)
    reads = [things.get_many(each) for each in (["a"], ["b"], ["a"], ["b", "c"])]
    a, b = {"a": {"_id": "a"}}, {"b": {"_id": "b"}}
    assert await together(*reads) == (a, b, a, b)
    assert store.sent == [["a", "b", "c"]]


async def test_each_caller_has_a_document_of_its_own() -> None:
    things = loader(Store({"a": {"_id": "a"}}))
    one, other = await asyncio.gather(things.get("a"), things.get("a"))
    assert one is not None
    one["changed"] = True
    assert other == {"_id": "a"}


async def test_a_read_after_a_commit_does_not_join_a_command_that_was_sent_before_it() -> None:
    store = Store()
    things = loader(store)
    async with holding(store):
        before = asyncio.ensure_future(things.get("a"))
        await _turns()
        store.write("a")
        after = asyncio.ensure_future(things.get("a"))
        await _turns()
    assert (await before, await after) == (None, {"_id": "a", "rev": 1})


async def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    store = Store()
    things = loader(store)
    async with holding(store):
        reads = [things.get_many([each]) for each in "ab"]
        await _turns()
        reads.append(things.get_many(["c"]))  # a second command
        await _turns()
        given_up = [things.get_many(["d", "e"]), things.get_many(["e"]), things.get_many(["f"])]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await given_up[0]
        given_up[1].cancel()
    assert await given_up[2] == {}
    await together(*reads)
    assert store.sent == [["a", "b"], ["c"], ["f"]]


async def test_commands_are_bounded_and_so_is_what_waits_for_them() -> None:
    ids = [f"{at:04}" for at in range(MOST_WAITING)]
    store = Store({each: {"_id": each} for each in ids})
    things = loader(store)
    async with holding(store):
        reads = [things.get_many(ids)]
        with pytest.raises(Unavailable):
            await things.get("one more")
        reads.append(things.get_many(["0007"]))  # which is being read already
        await _turns()
        assert [len(each) for each in store.sent] == [MOST_IDS, MOST_IDS], "two commands are on their way at most"
        reads.append(things.get_many(["one more"]))
    found = await together(*reads)
    assert [len(each) for each in found] == [MOST_WAITING, 1, 0]
    assert [*found[0]] == ids, "in the order of the ids"
    assert max(map(len, store.sent)) == MOST_IDS


async def test_a_command_takes_more_ids_where_few_of_them_are_there() -> None:
    store = Store()
    things = loader(store)
    missing = [f"{at:04}" for at in range(40 * MOST_IDS)]
    assert await things.get_many(missing) == {}
    assert len(store.sent[0]) == MOST_IDS
    assert max(map(len, store.sent)) == len(store.sent[-2]) == MOST_RARE
    assert sorted(each for sent in store.sent for each in sent) == missing
    store.documents = {each: {"_id": each} for each in missing}
    store.sent.clear()
    assert len(await things.get_many(missing)) == len(missing)
    assert len(store.sent[-2]) == MOST_IDS, "until they are found again"


async def test_one_who_asks_for_more_than_may_wait_is_answered_where_nobody_else_waits() -> None:
    assert await loader(Store()).get_many(f"{at:05}" for at in range(MOST_WAITING + 1)) == {}


async def test_a_store_that_is_away_fails_a_batch_at_once_and_is_asked_again_afterwards() -> None:
    store = Store({"a": {"_id": "a"}}, away=True)
    things = loader(store)
    answers = await asyncio.gather(things.get("a"), things.get("b"), return_exceptions=True)
    assert [type(each) for each in answers] == [Unavailable, Unavailable]
    assert store.sent == [["a", "b"]], "nobody waits for as many deadlines as there are ids"
    store.away = False
    assert await things.get("a") == {"_id": "a"}


async def test_a_process_that_stops_leaves_nobody_waiting() -> None:
    store = Store()
    things = loader(store)
    async with holding(store):
        read = things.get_many(["a"])
        await _turns()
        (task,) = [each for each in asyncio.all_tasks() if each.get_name() == "loader things"]
        task.cancel()
        with pytest.raises(Unavailable):
            await read


async def test_a_command_belongs_to_a_request_only_where_it_is_of_no_other() -> None:
    store = Store()
    things = loader(store)

    async def ask(trace: str, id_: str) -> None:
        logs.bind_trace(trace)
        await things.get(id_)

    await asyncio.gather(ask("one", "a"), ask("one", "b"))
    await asyncio.gather(ask("one", "a"), ask("two", "a"))
    assert store.traces == ["one", None]


async def test_after_a_failure_the_other_reads_of_a_request_are_given_up() -> None:
    loop = asyncio.get_running_loop()
    wrong, never = loop.create_future(), loop.create_future()
    wrong.set_exception(Poisoned())
    with pytest.raises(Poisoned):
        await together(wrong, never)
    assert never.cancelled()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
