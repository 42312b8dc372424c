"""Measure an append to a full stream: by compare-and-set as the product does it, and by a pipeline update and a read.

`python loadtests/benchmarks/streams.py` takes some seconds, on the document store that STORE names; the last line is
one JSON object.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from loadtests.documents import documents
from social.infra.store.mongo import Document, Mongo
from social.infra.store.schema import migrate
from social.notifications import streams

TIMES = 60


async def by_pipeline(mongo: Mongo, user_id: str, k: str) -> None:
    seq = {"$add": ["$seq", 1]}
    item = {"s": seq, "k": {"$literal": k}, "rev": 1, "e": {"$literal": "notification"}}
    newest = {"$slice": [{"$concatArrays": ["$items", [item]]}, -streams.WINDOW]}
    unless = {"$not": {"$elemMatch": {"k": k, "rev": {"$gte": 1}}}}
    change = [{"$set": {"seq": seq, "items": newest}}]
    await mongo.update("streams", {"_id": user_id, "items": unless}, change)
    await mongo.one("streams", {"_id": user_id}, {"epoch": 1, "items": {"$elemMatch": {"k": k, "rev": 1}}})


async def by_compare_and_set(mongo: Mongo, user_id: str, k: str) -> None:
    await streams.append(mongo, user_id, [streams.Entry(k, 1, "notification")])


async def median_ms(
    times: int, append: Callable[[Mongo, str, str], Awaitable[None]], mongo: Mongo, user_id: str
) -> float:
    full = [streams.Item(number, f"old{number}", 1, "notification") for number in range(1, streams.WINDOW + 1)]
    kept: Document = {"entries": [each.entry for each in full], "items": []}
    if append is by_pipeline:
        kept = {"items": [each._asdict() for each in full]}
    await mongo.insert("streams", {**streams.new(user_id), "seq": streams.WINDOW, **kept})  # type: ignore[typeddict-item]
    seconds = []
    for number in range(times):
        started = time.perf_counter()
        await append(mongo, user_id, f"new{number}")
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000


async def main() -> None:
    times = 5 if "--quick" in sys.argv else TIMES
    with tempfile.TemporaryDirectory() as folder:
        async with documents(Path(folder)) as store:
            mongo = Mongo(store.url, store.database)
            try:
                await migrate(mongo)
                figures = {
                    "pipeline_ms": round(await median_ms(times, by_pipeline, mongo, "a" * 24), 2),
                    "compare_and_set_ms": round(await median_ms(times, by_compare_and_set, mongo, "b" * 24), 2),
                }
            finally:
                mongo.close()
    figures["ratio"] = round(figures["pipeline_ms"] / figures["compare_and_set_ms"], 2)
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main())
