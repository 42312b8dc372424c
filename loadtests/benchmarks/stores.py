"""Measure the document stores: reads, joins, transactions of groups of likes, alone and many at once.

    python loadtests/benchmarks/stores.py              # the embedded one, and the Rust one where it is on the PATH
    STORE=mongodb://… python loadtests/benchmarks/stores.py    # only the store that STORE names

All stores run at once, each with 4,000 posts and the same indexes, and are measured in turns: the figure is
the median of the rounds. The times are those Plaza sees: the driver is included, and each commit is on disk before its
answer. The last line is one JSON object.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from statistics import median

from pymongo.read_concern import ReadConcern
from rich.console import Console
from rich.progress import track
from rich.table import Table
from system import p50_ms

from embedded.store import Store
from embedded.store_programs import PROGRAMS
from loadtests.documents import documents, name
from social.infra.clock import new_id
from social.infra.store.mongo import Mongo

POSTS = 4_000
PEOPLE = 50

Do = Callable[[], Awaitable[object]]


class Measured:
    """A store with documents in it, and the operations that are timed."""

    def __init__(self, url: str, database: str) -> None:
        self.mongo = Mongo(url, database)
        self.posts = [new_id() for _ in range(POSTS)]

    async def fill(self) -> None:
        """Insert posts with their authors, and make collections to write to."""
        people = [new_id() for _ in range(PEOPLE)]
        rows = [
            {"_id": each, "author_id": random.choice(people), "text": "x" * 200, "likes": 0, "at": time.time()}
            for each in self.posts
        ]
        await self.mongo.insert_missing("people", [{"_id": each, "name": each} for each in people])
        for start in range(0, POSTS, 500):
            await self.mongo.insert_missing("posts", rows[start : start + 500])
        await self.mongo.database.marks.create_index([("post_id", 1), ("at", -1)])
        await self.mongo.insert("events", {"_id": new_id()})

    def operations(self) -> dict[str, tuple[int, Do]]:
        """Return each operation by its name: how many are under way at once, and the operation."""
        groups = {f"commit_{pairs}": (1, self._commit(pairs)) for pairs in (1, 16, 64)}
        ids = {f"ids_{count}": (1, self._read(count)) for count in (1, 16, 64)}
        return {
            **ids,
            "ids_1_by_64": (64, self._read(1)),
            "joined": (1, self._join),
            "joined_by_16": (16, self._join),
            "changed": (1, self._change),
            "changed_by_16": (16, self._change),
            **groups,
            "commit_1_by_16": (16, self._commit(1)),
            "commit_16_by_4": (4, self._commit(16)),
        }

    def _read(self, count: int) -> Do:
        async def read() -> None:
            some = random.sample(self.posts, count)
            assert len(await self.mongo.many("posts", {"_id": {"$in": some}})) == count

        return read

    async def _join(self) -> None:
        joins = [
            {"$lookup": {"from": "people", "localField": "author_id", "foreignField": "_id", "as": "author"}},
            {"$lookup": {"from": "marks", "localField": "_id", "foreignField": "_id", "as": "mark"}},
        ]
        (found,) = await self.mongo.aggregate("posts", [{"$match": {"_id": random.choice(self.posts)}}, *joins])
        assert len(found["author"]) == 1

    async def _change(self) -> None:
        where = {"_id": random.choice(self.posts)}
        assert await self.mongo.database.posts.find_one_and_update(where, {"$inc": {"likes": 1}})

    def _commit(self, pairs: int) -> Do:
        database, concern = self.mongo.database, ReadConcern("local")

        async def commit() -> None:
            marks = [{"_id": new_id(), "post_id": random.choice(self.posts), "at": time.time()} for _ in range(pairs)]
            events = [{"_id": each["_id"], "data": "y" * 200} for each in marks]
            session = await database.client.start_session()
            async with session, session.start_transaction(read_concern=concern, write_concern=database.write_concern):
                await database.marks.insert_many(marks, session=session)
                await database.events.insert_many(events, session=session)

        return commit


async def measure(do: Do, at_once: int, seconds: float) -> tuple[float, float]:
    """Return the median of an operation in ms, and how many are done a second."""
    took = list[float]()
    begun = time.perf_counter()

    async def client() -> None:
        while (at := time.perf_counter()) < begun + seconds:
            await do()
            took.append(time.perf_counter() - at)

    await asyncio.gather(*(client() for _ in range(at_once)))
    return p50_ms(took), len(took) / (time.perf_counter() - begun)


@contextlib.asynccontextmanager
async def stores() -> AsyncIterator[dict[str, Measured]]:
    """Start each store that is measured; yield them by their names."""
    async with contextlib.AsyncExitStack() as stop:
        folder = Path(stop.enter_context(tempfile.TemporaryDirectory()))
        found: dict[str, Measured] = {}
        if os.environ.get("STORE") or os.environ.get("MONGO_URL"):
            found[name()] = Measured(*await stop.enter_async_context(documents(folder)))
        else:
            for each in [each for each, program in PROGRAMS.items() if program.find()]:
                (folder / each).mkdir()
                store = Store(folder / each, each)
                stop.callback(store.stop)
                found[each] = Measured(await store.start(), "plaza")
        for store in found.values():
            stop.callback(store.mongo.close)
            await store.fill()
        yield found


async def main() -> None:
    """Print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each, in a round (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.2
    took: dict[str, dict[str, list[tuple[float, float]]]] = {}
    async with stores() as found:
        turns = list(itertools.product(range(options.rounds), next(iter(found.values())).operations(), found))
        for _, what, store in track(turns, "measuring", console=Console(stderr=True)):
            at_once, do = found[store].operations()[what]
            took.setdefault(store, {}).setdefault(what, []).append(await measure(do, at_once, options.seconds))
    figures = {
        store: {
            what: {"ms": round(median(ms for ms, _ in each), 2), "per_s": round(median(rate for _, rate in each), 1)}
            for what, each in rounds.items()
        }
        for store, rounds in took.items()
    }
    table = Table("", *figures)
    for what in next(iter(figures.values())):
        table.add_row(what, *(f"{each[what]['ms']:.2f} ms, {each[what]['per_s']:,.0f}/s" for each in figures.values()))
    Console(file=sys.stdout).print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main())
