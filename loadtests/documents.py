"""The document store of a load or a benchmark: STORE names it, and it holds nothing but what is measured.

make load SCENARIO=viral STORE=rs             # py, rs: an embedded one, started and ended here
make bench ONLY=rest STORE=mongodb://…        # a MongoDB that runs: a database of a new name there, dropped at the end
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pymongo

from devtools.cluster.settings import DocumentSettings
from embedded.store import Store
from social.infra.process.settings import StartError, load


class Documents(NamedTuple):
    """A store that runs; names of databases in it begin with `database`."""

    url: str
    database: str

    @property
    def environment(self) -> dict[str, str]:
        """What a process is told that uses it."""
        return {"MONGO_URL": self.url, "MONGO_DATABASE": self.database}


def chosen() -> DocumentSettings:
    """What STORE, or MONGO_URL, says; ends this process with a line where it is wrong."""
    try:
        return load(DocumentSettings, "loadtests")
    except StartError as error:
        raise SystemExit(str(error)) from None


def name() -> str:
    """What figures say of it: `py`, `rs` or `mongodb`."""
    settings = chosen()
    return "mongodb" if settings.store_url else settings.embedded_store


@contextlib.asynccontextmanager
async def documents(folder: Path) -> AsyncIterator[Documents]:
    """The store that is named, with no documents in it; an embedded one has its data in the folder."""
    settings = chosen()
    if settings.store_url:
        with fresh_database(settings.store_url) as database:
            yield Documents(settings.store_url, database)
    else:
        store = Store(folder, settings.embedded_store)
        try:
            yield Documents(await store.start(), settings.mongo_database)
        finally:
            store.stop()


@contextlib.contextmanager
def told(environment: Mapping[str, str], embedded_by: str) -> Iterator[dict[str, str]]:
    """The environment of a system of its own; the setting `embedded_by` tells it which embedded store to use."""
    others = {key: value for key, value in environment.items() if key not in ("STORE", "EMBEDDED_STORE", "MONGO_URL")}
    settings = chosen()
    if settings.store_url:
        with fresh_database(settings.store_url) as database:
            yield {**others, "MONGO_URL": settings.store_url, "MONGO_DATABASE": database}
    else:
        yield {**others, embedded_by: settings.embedded_store}


@contextlib.contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """A name that no database there has; it and all that begin with it are dropped at the end."""
    fresh = f"measured_{uuid4().hex[:12]}"
    try:
        yield fresh
    finally:
        with pymongo.MongoClient[dict[str, object]](url) as client:
            for each in client.list_database_names():
                if each.startswith(fresh):
                    client.drop_database(each)
