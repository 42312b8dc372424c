"""Measure bytes per million people: the mean size of documents and index keys, times how many a person has.

    python loadtests/benchmarks/storage.py                         # about a minute; needs nothing else
    MONGO_URL=mongodb://… python loadtests/benchmarks/storage.py   # of a database that holds real ones: MONGO_DATABASE

Starts the embedded system by itself, and `python -m social demo` in it: people who do what people do. Sizes are of BSON
and of whole keys, before the store compresses either. The last line is one JSON object.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import bson
from rich.console import Console
from rich.table import Table
from system import ROOT, started

from social.infra.store.mongo import Mongo
from social.infra.store.schema import INDEXES

SAMPLE = 2_000
ROW_ID = 8  # bytes an index keeps beside a key

# How many documents a person has, who follows 100 people, writes 20 posts and likes 200.
A_PERSON_HAS = {
    "users": 1,
    "names": 2,
    "sessions": 2,
    "edges": 110,  # an ordered pair each: 100 follows, and blocks, mutes and requests
    "posts": 20,
    "comments": 40,
    "interactions": 200,  # likes of posts: a post that is reposted or bookmarked is mostly liked, too
    "feed_entries": 800,  # the posts that are kept of 20 posts of each of 100 people
    "timelines": 1,
    "notifications": 60,
    "notification_facts": 340,  # each like, comment and follow once
    "streams": 1,
    "inbox": 100,  # the events of a week, each once for each group
}


@contextlib.asynccontextmanager
async def _filled(people: int, seconds: float) -> AsyncIterator[tuple[str, str]]:
    """Yield the URL of a store with people in it, and the name of their database."""
    if url := os.environ.get("MONGO_URL"):
        yield url, os.environ.get("MONGO_DATABASE", "plaza")
        return
    async with started() as system:
        where = ["--api", system.api, "--realtime", system.realtime]
        words = ["-m", "social", "demo", *where, "--users", str(people), "--seconds", str(seconds)]
        demo = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=ROOT, stdout=sys.stderr)
        assert await demo.wait() == 0, "the demo failed"
        yield system.store, system.database


def _key_bytes(document: dict[str, Any], index: Any) -> int:
    if any(_value(document, field) in (None, []) for field in index.document.get("partialFilterExpression", {})):
        return 0
    values = [_value(document, field) for field in index.document["key"]]
    if index.document.get("sparse") and all(value is None for value in values):
        return 0
    several = [each if isinstance(each, list) and each else [each] for each in values]  # a key for each element
    return sum(sum(len(bson.encode({"": each})) - 7 for each in key) + ROW_ID for key in itertools.product(*several))


def _value(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


async def _sizes(mongo: Mongo, name: str) -> tuple[float, float] | None:
    """Return the mean bytes of a document and of its index keys; None for an empty collection."""
    sample = await mongo.many(name, {}, limit=SAMPLE)
    if not sample:
        return None
    document = sum(len(bson.encode(each)) for each in sample) / len(sample)
    keys = sum(
        len(str(each["_id"])) + ROW_ID + sum(_key_bytes(each, index) for index in INDEXES[name]) for each in sample
    )
    return document, keys / len(sample)


async def main() -> None:
    """Print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50, help="in the demo (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="they act (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="few of both, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.people, options.seconds = 6, 3
    table = Table("collection", "a person has", "a document", "its index keys", "GB per million people")
    found: dict[str, dict[str, float]] = {}
    async with _filled(options.people, options.seconds) as where:
        mongo = Mongo(*where)
        for name, count in A_PERSON_HAS.items():
            if (sizes := await _sizes(mongo, name)) is None:
                table.add_row(name, f"{count:g}", "no sample")
                continue
            gigabytes = count * sum(sizes) * 1_000_000 / 1e9
            table.add_row(name, f"{count:g}", *(f"{each:.0f} B" for each in sizes), f"{gigabytes:.1f}")
            found[name] = {
                "a_person_has": count,
                "document_bytes": round(sizes[0]),
                "index_bytes": round(sizes[1]),
                "gb_per_million": round(gigabytes, 1),
            }
        mongo.close()
    total = sum(each["gb_per_million"] for each in found.values())
    table.add_row("all", "", "", "", f"{total:.0f}")
    Console(file=sys.stdout).print(table)
    without = [name for name in A_PERSON_HAS if name not in found]
    print(json.dumps({"collections": found, "without_sample": without, "gb_per_million": round(total)}))


if __name__ == "__main__":
    asyncio.run(main())
