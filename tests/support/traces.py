"""Search for words in the whole database."""

from social.infra.store.mongo import Mongo


async def traces(mongo: Mongo, *words: str) -> list[str]:
    """Return every document of every collection that holds one of these words anywhere."""
    found = []
    for name in await mongo.database.list_collection_names():
        for document in await mongo.many(name, {}):
            text = repr(document)
            found += [f"{name}: {text}" for word in words if word in text]
    return found
