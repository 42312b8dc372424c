"""Lists do not show that rows are hidden: every answer is byte for byte the answer without these rows."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.people import Person
from support.site import Site, system
from support.veiled import LISTS, Scene, scene

from social.feeds import timelines
from social.infra.process.even_times import GRAIN_S
from social.infra.store.mongo import Document
from social.infra.store.rows import INTERACTIONS
from social.posts import search

# Time, request id and number of requests differ; the rest of an answer is compared.
OF_THE_REQUEST = {"Date", "X-Request-ID", "RateLimit", "RateLimit-Policy"}

MIXED = "hvvhhhvvh"  # more than eleven hidden rows in a row, at both ends and in the middle
NOTHING_SHOWN = "hhh"


@pytest.fixture
async def quiet(mongo_url: str, mongo_database: str) -> AsyncIterator[Site]:
    """A Plaza whose workers do nothing."""
    async with system(mongo_url, mongo_database, roles=()) as running:
        yield running


class Reading:
    """The answers to a reader who walks through a list, down and up again, and requests more at its top."""

    def __init__(self, reader: Person, path: str, limit: int) -> None:
        self.reader, self.path, self.limit = reader, path, limit
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.sizes: list[int] = []

    async def page(self, cursor: str | None) -> Any:
        at = f"&cursor={cursor}" if cursor else ""
        answer = await self.reader.ask("GET", f"{self.path}&limit={self.limit}{at}".replace("?&", "?"))
        headers = {name: value for name, value in answer.headers.items() if name not in OF_THE_REQUEST}
        self.answers.append((answer.status, headers, answer.raw))
        self.sizes.append(len(answer.body["items"]))
        return answer.body

    async def all(self) -> "Reading":
        page = await self.page(None)
        while page["next"]:
            page = await self.page(page["next"])
        while page["prev"]:
            before, page = page["prev"], await self.page(page["prev"])
            if not page["items"]:
                assert page["prev"] == before, "the way to newer things can be asked again"
                break
        return self


async def readings(made: Scene, limits: tuple[int, ...]) -> dict[tuple[str, int], Reading]:
    return {(of, limit): await Reading(made.reader, made.path(of), limit).all() for of in LISTS for limit in limits}


@pytest.mark.parametrize(("pattern", "limits"), [(MIXED, (1, 4)), (NOTHING_SHOWN, (1, 20))])
async def test_a_list_is_the_same_whether_or_not_there_are_rows_that_are_not_shown(
    quiet: Site, pattern: str, limits: tuple[int, ...]
) -> None:
    made = await scene(quiet, pattern)
    veiled = await readings(made, limits)
    await made.unveil()
    plain = await readings(made, limits)
    for key, reading in plain.items():
        assert veiled[key].answers == reading.answers, key
        if pattern == MIXED:
            assert all(size <= key[1] for size in reading.sizes)
            assert sum(reading.sizes) >= 3, (key, "something is shown")


@pytest.mark.parametrize("kept", ["nothing", "the newest lines"])
async def test_a_timeline_that_is_looked_for_on_read_is_the_same_too(quiet: Site, kept: str) -> None:
    made = await scene(quiet, MIXED)
    lines = sorted(row["place"] for row in made.rows["feed_entries"])
    floor = timelines.NOTHING if kept == "nothing" else lines[len(lines) // 2]
    await quiet.plaza.mongo.update("timelines", {"_id": made.reader.id}, {"$set": {"floor": floor}})
    readings = []
    for _ in range(2):
        readings.append([(await Reading(made.reader, "/v1/feed?", limit).all()).answers for limit in (1, 3)])
        await quiet.plaza.redis.flushall()
        if len(readings) == 1:
            await made.unveil()
    assert readings[0] == readings[1]
    assert len(readings[0][0]) > 4


async def test_a_word_of_hidden_posts_is_answered_like_a_word_of_none(quiet: Site) -> None:
    made = await scene(quiet, NOTHING_SHOWN)
    for hidden, nowhere in (
        ("/v1/search?q=quark", "/v1/search?q=gluon"),
        ("/v1/search?q=%23quark", "/v1/search?q=%23gluon"),
        ("/v1/hashtags/quark/posts?", "/v1/hashtags/gluon/posts?"),
        ("/v1/users?q=zed", "/v1/users?q=zee"),
    ):
        first, second = [await Reading(made.reader, path, 20).all() for path in (hidden, nowhere)]
        assert first.answers == second.answers, hidden
        assert b'"next":null,"prev":null' in first.answers[0][2]
        assert "Link" not in first.answers[0][1]


async def test_what_is_hidden_does_not_show_in_how_long_a_search_takes(quiet: Site) -> None:
    """An answer takes a whole number of grains; the look at a page of hidden rows fits into the first."""
    made = await scene(quiet, NOTHING_SHOWN)
    took: dict[str, list[float]] = {"quark": [], "gluon": []}
    for _ in range(8):
        for word, times in took.items():
            began = time.perf_counter()
            await search.page(quiet.plaza.mongo, word, viewer=made.reader.id, cursor=None, limit=20)
            times.append(time.perf_counter() - began)
    assert all(each >= GRAIN_S for each in (*took["quark"], *took["gluon"]))


async def test_a_long_run_of_hidden_rows_is_walked_to_its_end_in_few_looks(
    quiet: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store leaves out the rows of a single author; of many authors each read takes more rows than the last."""
    made = await scene(quiet, "vh")
    mongo, looks = quiet.plaza.mongo, list[tuple[str, int]]()
    post = next(row for row in made.rows["posts"] if row["_id"] in made.hidden["posts"])
    hidden = set(made.hidden[INTERACTIONS])
    like = next(row for row in made.rows[INTERACTIONS] if "like_id" in row and row["_id"] in hidden)
    ids = [f"{2**31 + n:08x}{n:016x}" for n in range(1_500)]
    await mongo.insert_missing("posts", [{**post, "_id": each} for each in ids])
    likes = [{**like, "_id": made.ids["post"] + each, "user_id": each, "like_id": each} for each in ids]
    await mongo.insert_missing(INTERACTIONS, likes)
    many = mongo.many

    async def counting(collection: str, *arguments: Any, **named: Any) -> list[Document]:
        found = await many(collection, *arguments, **named)
        looks.append((collection, len(found)))
        return found

    monkeypatch.setattr(mongo, "many", counting)
    for path, collection, most_rows in (
        ("/v1/search?q=quark", "posts", 40),
        (made.path("/v1/posts/{post}/likes?"), INTERACTIONS, 2_500),
    ):
        looks.clear()
        reading = Reading(made.reader, path, 2)
        page = await reading.page(None)
        assert (len(page["items"]), page["next"]) == ((2, None) if collection == "posts" else (1, None))
        rows = [found for of, found in looks if of == collection]
        assert len(rows) <= 7
        assert sum(rows) <= most_rows
