"""A check at the start: whether the document store keeps promises that one version of one program breaks."""

from pymongo.errors import DuplicateKeyError

from social.infra.mongo import Mongo

DATABASE = "plaza_store_check"


async def frees_unique_values(url: str) -> bool:
    """Whether a unique index lets a value be taken again once an update has replaced it (decision 0026)."""
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
