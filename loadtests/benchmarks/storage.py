"""Bytes per million people: the mean size of each collection's documents and index keys, times how many a person has.

Reads a database that holds real ones: `make run`, then `python -m social demo --users 50 --seconds 30`, then this.
Sizes are of BSON and of whole keys, before the store compresses either.
"""

import asyncio
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

import bson

sys.path.insert(0, str(Path(__file__).parents[2]))

from social.infra.mongo import Mongo
from social.infra.schema import INDEXES

SAMPLE = 2_000
ROW_ID = 8  # bytes an index keeps beside a key

# How many a person has: somebody who follows 100 people, writes 20 posts and likes 200.
A_PERSON_HAS = {
    "users": 1,
    "names": 2,
    "sessions": 2,
    "edges": 110,  # an ordered pair each: 100 follows, and blocks, mutes and requests
    "posts": 20,
    "comments": 40,
    "likes": 200,
    "feed_entries": 800,  # of 20 posts of each of 100 people: what is kept
    "timelines": 1,
    "notifications": 60,
    "notification_facts": 340,  # likes, comments and follows, once each
    "streams": 1,
    "inbox": 100,  # the events of a week, once each group
}


def _url() -> str:
    if url := os.environ.get("MONGO_URL"):
        return url
    port = json.loads((Path(os.environ.get("PLAZA_VAR", "var")) / "store.json").read_text())["port"]
    return f"mongodb://127.0.0.1:{port}/?retryWrites=false"


def _key_bytes(document: dict[str, Any], index: Any) -> int:
    if any(_value(document, field) in (None, []) for field in index.document.get("partialFilterExpression", {})):
        return 0
    values = [_value(document, field) for field in index.document["key"]]
    several = [each if isinstance(each, list) and each else [each] for each in values]  # an array has a key an element
    return sum(sum(len(bson.encode({"": each})) - 7 for each in key) + ROW_ID for key in itertools.product(*several))


def _value(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document


async def main() -> None:
    mongo = Mongo(_url(), os.environ.get("MONGO_DATABASE", "plaza"))
    total = 0.0
    print("| collection | a person has | a document | its index keys | GB per million people |\n|---|---|---|---|---|")
    for name, count in A_PERSON_HAS.items():
        sample = await mongo.many(name, {}, limit=SAMPLE)
        if not sample:
            print(f"| `{name}` | {count:g} | no sample | | |")
            continue
        document = sum(len(bson.encode(each)) for each in sample) / len(sample)
        keys = sum(
            len(str(each["_id"])) + ROW_ID + sum(_key_bytes(each, index) for index in INDEXES[name]) for each in sample
        ) / len(sample)
        gigabytes = count * (document + keys) * 1_000_000 / 1e9
        total += gigabytes
        print(f"| `{name}` | {count:g} | {document:.0f} B | {keys:.0f} B | {gigabytes:.1f} |")
    print(f"| all | | | | {total:.0f} |")
    mongo.close()


if __name__ == "__main__":
    asyncio.run(main())
