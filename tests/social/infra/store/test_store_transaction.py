"""The statements of a store transaction: what is replaced is compared first, and equal changes are one statement."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from social.infra.store.errors import conflicts
from social.infra.store.mongo import Mongo, Transaction
from social.infra.store.schema import migrate
from social.infra.store.store_transaction import Command, messages


@pytest.fixture
async def mongo(mongo_url: str, mongo_database: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(mongo_url, mongo_database)
    await migrate(mongo)
    yield mongo
    mongo.close()


async def all_of(mongo: Mongo, verbs: Iterable[Any]) -> list[Any]:
    async def one(verb: Any) -> Any:
        return (await mongo.transact(verb))[0]

    return list(await asyncio.gather(*(one(verb) for verb in verbs)))


@pytest.mark.parametrize("rows", ["a", "abc"])  # one is replaced under conditions, several after a comparison
@pytest.mark.parametrize("at_fault", ["changed", "gone"])
async def test_a_document_is_replaced_only_as_it_was_read(mongo: Mongo, rows: str, at_fault: str) -> None:
    await mongo.insert_missing("inbox", [{"_id": row, "n": 0, "at": None} for row in rows])
    attempts = list[dict[str, int]]()

    async def add(tx: Transaction) -> None:
        read = await tx.get_many("inbox", rows)
        attempts.append({row: each["n"] for row, each in read.items()})
        for row in read.values():
            tx.replace("inbox", row | {"n": row["n"] + 1, "new": True}, unchanged={"n": row["n"], "at": row["at"]})
        if not tx.attempt:
            await _overtake(mongo, rows[-1], at_fault)

    await mongo.transact(add)
    there = {} if at_fault == "gone" else {rows[-1]: 5}
    others = dict.fromkeys(rows[:-1], 0)
    assert attempts == [dict.fromkeys(rows, 0), others | there]
    assert await _numbers(mongo) == {row: n + 1 for row, n in (others | there).items()}
    assert all(row["new"] for row in await mongo.many("inbox", {}))


async def _overtake(mongo: Mongo, row: str, how: str) -> None:
    inbox = mongo.database["inbox"]
    await (inbox.delete_one({"_id": row}) if how == "gone" else inbox.update_one({"_id": row}, {"$set": {"n": 5}}))


async def test_a_document_that_changes_after_the_snapshot_is_a_conflict(mongo: Mongo) -> None:
    """The comparison before a replacement relies on it: the store refuses the write, and the verb runs anew."""
    await mongo.insert("inbox", {"_id": "n", "n": 0})
    inbox = mongo.database["inbox"]
    async with await mongo.database.client.start_session() as session:
        session.start_transaction()
        assert await inbox.find_one({"_id": "n"}, session=session) == {"_id": "n", "n": 0}
        await inbox.update_one({"_id": "n"}, {"$set": {"n": 1}})
        with pytest.raises(OperationFailure) as refused:
            await inbox.replace_one({"_id": "n"}, {"n": 7}, session=session)
        assert conflicts(refused.value)
    assert await mongo.one("inbox", {"_id": "n"}) == {"_id": "n", "n": 1}


async def test_equal_changes_of_many_documents_are_one_statement_and_each_counts(mongo: Mongo) -> None:
    await mongo.insert_missing("inbox", [{"_id": row, "n": 0} for row in "abcd"])

    async def add(tx: Transaction, *changes: tuple[str, int]) -> None:
        for row, by in changes:
            tx.touch("inbox", {"_id": row}, {"$inc": {"n": by}})

    await mongo.transact(lambda tx: add(tx, ("a", 1), ("b", 1), ("c", 10), ("d", 1), ("gone", 1)))
    assert await _numbers(mongo) == {"a": 1, "b": 1, "c": 10, "d": 1}
    await mongo.transact(lambda tx: add(tx, ("a", 1), ("b", 1), ("a", 1)))
    assert await _numbers(mongo) == {"a": 3, "b": 2, "c": 10, "d": 1}
    touches = [{"q": {"_id": row}, "u": {"$inc": {"n": by}}} for row, by in (("a", 1), ("b", 2), ("c", 1))]
    (several,) = messages(Command("touch", "inbox", touches))
    assert [each["q"] for each in several["updates"]] == [{"_id": {"$in": ["a", "c"]}}, {"_id": {"$in": ["b"]}}]


async def _numbers(mongo: Mongo) -> dict[str, int]:
    return {row["_id"]: row["n"] for row in await mongo.many("inbox", {})}
