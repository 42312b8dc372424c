"""Databases that tests take in turn: made once with all collections and indexes, emptied for each test.

To make them takes ten times as long as to empty them, and most tests want the same ones.
"""

from collections import deque
from typing import Any
from uuid import uuid4

import pymongo
from pymongo.database import Database

from social.infra.store.mongo import Mongo
from social.infra.store.schema import INDEXES, migrate, wrong

MANY = 300  # documents: what it takes to delete so many makes a new database
KEPT = 4  # so that what a test still had under way when it ended is over when its database is emptied

made: set[str] = set()


def a_name() -> str:
    """A name for a database that nobody else has."""
    return f"test_{uuid4().hex[:12]}"


async def prepare(mongo: Mongo) -> None:
    """What `migrate` does, where it has not been done."""
    if mongo.database.name not in made:
        await migrate(mongo)


class Databases:
    """Those of one store."""

    def __init__(self) -> None:
        self._free: deque[str] = deque()
        self._clients: dict[str, pymongo.MongoClient[dict[str, Any]]] = {}  # by the URL of the store

    def _client(self, url: str) -> pymongo.MongoClient[dict[str, Any]]:
        if url not in self._clients:
            self._clients[url] = pymongo.MongoClient(url)
        return self._clients[url]

    async def take(self, url: str) -> str:
        """An empty one, to be given back."""
        while len(self._free) >= KEPT:
            name = self._free.popleft()
            if emptied(self._client(url)[name]):
                return name
            self._client(url).drop_database(name)
            made.discard(name)
        mongo = Mongo(url, name := a_name())
        try:
            await migrate(mongo)
        finally:
            mongo.close()
        made.add(name)
        return name

    def give_back(self, name: str) -> None:
        """After the test; it is emptied when it is its turn."""
        self._free.append(name)

    async def end(self, url: str) -> None:
        """Drop all; raises AssertionError where a test changed an index, for which it needs `bare_database`."""
        found = {}
        for name in self._free:
            mongo = Mongo(url, name)
            found[name] = await wrong(mongo)
            mongo.close()
            made.discard(name)
        for name in self._free:
            self._client(url).drop_database(name)
        for client in self._clients.values():
            client.close()
        self._free.clear()
        assert not any(found.values()), found


def emptied(database: Database[dict[str, Any]]) -> bool:
    """Whether it could be emptied, quickly, and has its collections."""
    there = set(database.list_collection_names())
    if not there.issuperset(INDEXES):
        return False
    for name in there.difference(INDEXES):
        database.drop_collection(name)
    filled = _filled(database)
    if sum(filled.values()) > MANY:
        return False
    for name in filled:
        database[name].delete_many({})
    return True


def _filled(database: Database[dict[str, Any]]) -> dict[str, int]:
    """The collections that are not empty, all asked for at once, and how many documents each has, up to so many."""
    first, *others = (
        (name, [{"$limit": MANY + 1}, {"$group": {"_id": name, "documents": {"$sum": 1}}}]) for name in sorted(INDEXES)
    )
    unions = [{"$unionWith": {"coll": name, "pipeline": pipeline}} for name, pipeline in others]
    return {each["_id"]: each["documents"] for each in database[first[0]].aggregate([*first[1], *unions])}
