"""Pages against a model: whatever is written and deleted between them, no entry comes twice or is missed."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from social.infra.store.mongo import Document, Mongo, Where
from social.infra.store.paging import Asked, Filled, Listing

# By id, and by a time or a count that many share: all lists are of one of these kinds.
LISTS = {
    "by id": Listing("things", "things", "_id"),
    "by id, ascending": Listing("things", "things", "_id", ascending=True),
    "by time": Listing("things", "things", "changed_at", "_id"),
    "by count": Listing("things", "things", "likes", "_id"),
}
EXAMPLES = 200 if os.environ.get("PLAZA_SOAK") == "1" else 10
START = datetime(2026, 1, 1, tzinfo=UTC)

Change = tuple[str, int]
CHANGES = st.lists(st.tuples(st.sampled_from(["insert", "delete"]), st.integers(0, 40)), max_size=4)


@pytest.fixture
async def mongo(mongo_url: str, mongo_database: str) -> AsyncIterator[Mongo]:
    client = Mongo(mongo_url, mongo_database)
    yield client
    client.close()


class Model:
    """The list as it should be: the entries now, and the entries that were always there."""

    def __init__(self, mongo: Mongo, owner: str) -> None:
        self.mongo, self.owner = mongo, owner
        self.there: dict[str, Document] = {}
        self.always: set[str] = set()

    async def apply(self, change: Change) -> None:
        what, n = change
        thing = {
            "_id": f"{self.owner}{n:08x}",
            "owner": self.owner,
            "changed_at": START + timedelta(milliseconds=n % 7),
            "likes": n % 5 - 1,
        }
        if what == "insert" and thing["_id"] not in self.there:
            await self.mongo.insert("things", thing)
            self.there[thing["_id"]] = thing
        elif what == "delete" and self.there.pop(thing["_id"], None):
            await self.mongo.delete("things", {"_id": thing["_id"]})
            self.always.discard(thing["_id"])


@pytest.mark.parametrize("name", LISTS)
async def test_a_walk_through_pages_there_and_back_sees_each_thing_that_stays_once(mongo: Mongo, name: str) -> None:
    listing, loop = LISTS[name], asyncio.get_running_loop()
    owners = iter(range(1_000_000))

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sets(st.integers(0, 40), max_size=15), st.lists(CHANGES, min_size=40, max_size=40), st.integers(1, 5))
    def walk(first: set[int], changes: list[list[Change]], limit: int) -> None:
        at = f"{next(owners):016x}"
        asyncio.run_coroutine_threadsafe(_walk(Model(mongo, at), listing, first, changes, limit), loop).result(60)

    await asyncio.to_thread(walk)


async def _walk(model: Model, listing: Listing, first: set[int], changes: list[list[Change]], limit: int) -> None:
    for n in first:
        await model.apply(("insert", n))
    model.always = set(model.there)
    where, between = {"owner": model.owner}, iter(changes)

    def key(item: Document) -> tuple[object, ...]:
        return tuple(item[field] for field in listing.key)

    there: list[Document] = []
    page = await listing.page(model.mongo, where, Asked("ada", None, limit))
    while True:
        assert len(page.items) <= limit
        there += page.items
        if page.next is None:
            break
        for change in next(between, []):
            await model.apply(change)
        page = await listing.page(model.mongo, where, Asked("ada", page.next, limit))
    keys = [key(item) for item in there]
    assert keys == sorted(set(keys), reverse=not listing._ascending), "in order, and nothing twice"
    assert model.always <= {item["_id"] for item in there}, "what was there all the time is seen"

    if not page.items:
        return  # all entries of the page are gone, and with them the way back: the reader has the page before
    back: list[Document] = list(page.items)
    while page.prev is not None:
        for change in next(between, []):
            await model.apply(change)
        page = await listing.page(model.mongo, where, Asked("ada", page.prev, limit))
        back = page.items + back
        if not page.items:
            break
    keys = [key(item) for item in back]
    assert keys == sorted(set(keys), reverse=not listing._ascending)
    assert model.always <= {item["_id"] for item in back}


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_with_hidden_rows_is_the_list_without_them(mongo: Mongo, name: str) -> None:
    """Every page and every cursor is equal, down and up again, whatever is hidden."""
    listing, loop = LISTS[name], asyncio.get_running_loop()
    owners = iter(range(1_000_000, 2_000_000))

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sets(st.integers(0, 40), max_size=30), st.sets(st.integers(0, 40)), st.integers(1, 5), st.booleans())
    def compare(there: set[int], hidden: set[int], limit: int, narrows: bool) -> None:
        model = Model(mongo, f"{next(owners):016x}")
        comparing = _compare(model, listing, there, hidden, limit, narrows)
        asyncio.run_coroutine_threadsafe(comparing, loop).result(60)

    await asyncio.to_thread(compare)


async def _compare(
    model: Model, listing: Listing, there: set[int], hidden: set[int], limit: int, narrows: bool
) -> None:
    for n in there:
        await model.apply(("insert", n))
    ids = {f"{model.owner}{n:08x}" for n in hidden}
    where = {"owner": model.owner}
    plainly = {**where, "_id": {"$nin": sorted(ids)}}

    async def show(rows: list[Document]) -> list[Document | None]:
        return [None if row["_id"] in ids else row for row in rows]

    async def narrow(unseen: list[Document]) -> Where:
        assert {row["_id"] for row in unseen} <= ids
        return {"_id": {"$nin": [row["_id"] for row in unseen]}}

    async def same(cursor: str | None) -> Filled[Document]:
        asked = Asked("ada", cursor, limit)
        page = await listing.filled(model.mongo, where, show, asked, narrow=narrow if narrows else None)
        assert page == await listing.page(model.mongo, plainly, asked)
        return page

    page = await same(None)
    while page.next is not None:
        page = await same(page.next)
    for _ in range(50):
        if page.prev is None or not (page := await same(page.prev)).items:
            return
    raise AssertionError("it ends")
