"""Checks of an embedded store: a promise that a version of a program breaks, and whether the store can read."""

import socket
import struct

import bson
from pymongo.errors import DuplicateKeyError

from social.infra.store.mongo import Mongo

DATABASE = "plaza_store_check"
PROBE_S = 2.0
HEAD = 16
OP_MSG = 2013


async def frees_unique_values(url: str) -> bool:
    """Return whether a unique index accepts a value again after an update replaced it (decision 0026)."""
    mongo = Mongo(url, DATABASE)
    values = mongo.database.values
    try:
        await values.drop()
        await values.create_index("value", unique=True)
        await values.insert_one({"_id": 1, "value": "first"})
        await values.update_one({"_id": 1}, {"$set": {"value": "second"}})
        await values.insert_one({"_id": 2, "value": "first"})
    except DuplicateKeyError:
        return False
    finally:
        await mongo.database.client.drop_database(DATABASE)
        mongo.close()
    return True


def answers_errors(port: int) -> bool:
    """Return whether a store answers a read with an error; without the driver, whose clients do not survive a fork.

    OP_MSG on the wire: four numbers (length, id, id of the request, kind), flags, and a section of one document.
    """
    find = bson.encode({"find": "probe", "filter": {"_id": "probe"}, "limit": 1, "$db": "admin"})
    body = struct.pack("<Ib", 0, 0) + find
    try:
        with socket.create_connection(("127.0.0.1", port), PROBE_S) as connection:
            connection.sendall(struct.pack("<iiii", HEAD + len(body), 1, 0, OP_MSG) + body)
            with connection.makefile("rb") as answer:
                (length,) = struct.unpack_from("<i", answer.read(HEAD))
                return not bson.decode(answer.read(length - HEAD)[5:])["ok"]
    except (OSError, struct.error, bson.errors.InvalidBSON, KeyError):  # the store is away, or silent
        return False
