"""Databases that tests take in turn: made once with all collections and indexes, emptied for each test.

To make a database takes ten times as long as to empty it, and most tests need equal ones.
"""

from collections import deque
from typing import Any
from uuid import uuid4

import pymongo
from pymongo.database import Database

from social.infra.store.mongo import Mongo
from social.infra.store.schema import INDEXES, migrate, wrong

MANY = 300  # documents: deleting more takes as long as making a new database
KEPT = 4  # so that the work that a test left under way is over when its database is emptied

made: set[str] = set()


def a_name() -> str:
    """Return an unused name of a database."""
    return f"test_{uuid4().hex[:12]}"


async def prepare(mongo: Mongo) -> None:
    """Migrate a database, unless it was migrated before."""
    if mongo.database.name not in made:
        await migrate(mongo)


class Databases:
    """The databases of a store."""

    def __init__(self) -> None:
        self._free: deque[str] = deque()
        self._clients: dict[str, pymongo.MongoClient[dict[str, Any]]] = {}  # by the URL of the store

    def _client(self, url: str) -> pymongo.MongoClient[dict[str, Any]]:
        if url not in self._clients:
            self._clients[url] = pymongo.MongoClient(url)
        return self._clients[url]

    async def take(self, url: str) -> str:
        """Return the name of an empty database, to be given back."""
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
        """Give a database back after the test; it is emptied when it is its turn."""
        self._free.append(name)

    async def end(self, url: str) -> None:
        """Drop all databases; raises AssertionError where a test without `bare_database` changed an index."""
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
    """Empty a database; return whether that was quick, and all its collections are there."""
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
    """Return the number of documents of each collection that is not empty, counted up to MANY, in one request."""
    first, *others = (
        (name, [{"$limit": MANY + 1}, {"$group": {"_id": name, "documents": {"$sum": 1}}}]) for name in sorted(INDEXES)
    )
    unions = [{"$unionWith": {"coll": name, "pipeline": pipeline}} for name, pipeline in others]
    return {each["_id"]: each["documents"] for each in database[first[0]].aggregate([*first[1], *unions])}
