"""Documents as former releases stored them, written by those releases themselves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
from bson import json_util
from pymongo import IndexModel
from pymongo.collection import Collection

HERE = Path(__file__).parent
OPTIONS = json_util.JSONOptions(tz_aware=True, tzinfo=UTC)
IN_PLAIN_VIEW = ("indexes", "story")  # beside the collections


def load(release: str, mongo_url: str, database: str) -> dict[str, Any]:
    """Store the documents and indexes of a release; return the ids and tokens that its clients had.

    All times move on, as if the release had written a minute ago: else sessions and tokens would have expired.
    """
    stored = json_util.loads((HERE / f"{release}.json").read_text(), json_options=OPTIONS)
    newest = max(each for rows in _collections(stored).values() for row in rows for each in _times(row, "at"))
    moved = datetime.now(UTC) - timedelta(minutes=1) - newest
    with pymongo.MongoClient[dict[str, Any]](mongo_url) as client:
        for each in stored["indexes"]:
            keys = [(name, int(way)) for name, way in each.pop("key")]
            client[database][each.pop("collection")].create_indexes([IndexModel(keys, **each)])
        for name, rows in _collections(stored).items():
            if rows:
                client[database][name].insert_many([_later(row, moved) for row in rows])
        _rejuvenate(client[database]["outbox"], moved)
    story: dict[str, Any] = stored["story"]
    return story


def _rejuvenate(outbox: Collection[dict[str, Any]], moved: timedelta) -> None:
    """Move the ids of waiting events on too: their age is read from there, and old ones have writes refused."""
    for row in list(outbox.find()):
        outbox.delete_one({"_id": row["_id"]})
        second = int(row["_id"][:8], 16) + int(moved.total_seconds())
        outbox.insert_one({**row, "_id": f"{second:08x}{row['_id'][8:]}"})


def _collections(stored: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {name: rows for name, rows in stored.items() if name not in IN_PLAIN_VIEW}


def _times(row: dict[str, Any], field: str) -> list[datetime]:
    return [row[field]] if isinstance(row.get(field), datetime) else []


def _later(value: Any, moved: timedelta) -> Any:
    match value:
        case datetime():
            return value + moved
        case dict():
            return {name: _later(each, moved) for name, each in value.items()}
        case list():
            return [_later(each, moved) for each in value]
        case _:
            return value
