"""The errors of the document store, and what they mean."""

from contextlib import closing
from functools import partial
from unittest.mock import AsyncMock

import pytest
from pymongo.errors import BulkWriteError
from support.servers import DocumentStore
from support.site import Site

from social.contracts.problems import NotFound, Unavailable
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.schema import migrate

TWICE = {"index": 0, "code": 11000, "errmsg": "duplicate key"}
UNSAFE = {"code": 64, "errmsg": "waiting for replication timed out"}


class Refusing:
    """A database whose inserts end with this error."""

    def __init__(self, **details: object) -> None:
        self.insert_many = AsyncMock(side_effect=BulkWriteError(details))

    def __getitem__(self, _collection: str) -> "Refusing":
        return self


async def test_what_is_there_already_is_there(site: Site) -> None:
    mongo = site.plaza.mongo
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


async def test_what_a_verb_hands_over_commits_together_and_not_where_it_fails(site: Site) -> None:
    mongo = site.plaza.mongo

    async def work(tx: Transaction, *, fails: bool = False) -> None:
        tx.insert("inbox", {"_id": "a"}, {"_id": "b"})
        tx.insert("parked", {"_id": "c"})
        if fails:
            raise NotFound

    with pytest.raises(NotFound):
        await mongo.transact(partial(work, fails=True))
    assert await mongo.count("inbox", {}, limit=9) == 0
    await mongo.transact(work)
    assert (await mongo.count("inbox", {}, limit=9), await mongo.count("parked", {}, limit=9)) == (2, 1)


async def test_a_store_that_goes_away_before_the_commit_is_unavailable(
    document_store: DocumentStore, mongo_url: str, bare_database: str
) -> None:

    async def work(tx: Transaction) -> None:
        tx.insert("inbox", {"_id": "a"})
        tx.insert("parked", {"_id": "b"})
        await document_store.kill()
        await document_store.stop()

    with closing(Mongo(mongo_url, bare_database, timeout_s=2)) as mongo:
        await migrate(mongo)
        with pytest.raises(Unavailable):
            await mongo.transact(work)


async def test_who_inserts_and_is_overtaken_looks_again(site: Site) -> None:
    mongo = site.plaza.mongo
    tries = 0

    async def work(tx: Transaction) -> bool:
        nonlocal tries
        tries += 1
        if await tx.one("inbox", {"_id": "a"}):
            return False
        await mongo.insert("inbox", {"_id": "a"})  # another process, meanwhile
        tx.insert("parked", {"_id": "c"})
        tx.insert("inbox", {"_id": "a"})
        return True

    assert (await mongo.transact(work))[0] is False
    assert (tries, await mongo.count("parked", {}, limit=9)) == (2, 0)
