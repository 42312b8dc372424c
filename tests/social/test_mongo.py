"""What the document store says, and what it means."""

from unittest.mock import AsyncMock

import pytest
from pymongo.errors import BulkWriteError
from support.plaza import Plaza

from social.contracts.problems import Unavailable
from social.infra.mongo import Mongo

TWICE = {"index": 0, "code": 11000, "errmsg": "duplicate key"}
UNSAFE = {"code": 64, "errmsg": "waiting for replication timed out"}


class Refusing:
    """A database whose inserts end so."""

    def __init__(self, **details: object) -> None:
        self.insert_many = AsyncMock(side_effect=BulkWriteError(details))

    def __getitem__(self, _collection: str) -> "Refusing":
        return self


async def test_what_is_there_already_is_there(plaza: Plaza) -> None:
    mongo = plaza.social.mongo
    await mongo.insert_missing("inbox", [{"_id": "a"}, {"_id": "b"}])
    await mongo.insert_missing("inbox", [{"_id": "b"}, {"_id": "c"}])
    assert await mongo.count("inbox", {}, limit=9) == 3


async def test_what_only_one_replica_has_is_not_taken_for_written(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo = Mongo(mongo_url, "nobodys")
    for said in ([], [TWICE]):
        monkeypatch.setattr(mongo, "database", Refusing(writeErrors=said, writeConcernErrors=[UNSAFE]))
        with pytest.raises(Unavailable):
            await mongo.insert_missing("inbox", [{"_id": "a"}])
    mongo.close()
