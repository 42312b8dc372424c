"""The document store of a load or a benchmark: STORE names it, and it holds only the data that are measured.

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
from social.infra.settings import StartError, load


class Documents(NamedTuple):
    """A running store; the names of its databases begin with `database`."""

    url: str
    database: str

    @property
    def environment(self) -> dict[str, str]:
        """Return the settings of a process that uses this store."""
        return {"MONGO_URL": self.url, "MONGO_DATABASE": self.database}


def chosen() -> DocumentSettings:
    """Return the store that STORE or MONGO_URL names; end this process with a line where it is wrong."""
    try:
        return load(DocumentSettings, "loadtests")
    except StartError as error:
        raise SystemExit(str(error)) from None


def name() -> str:
    """Return the name of the store beside figures: `py`, `rs` or `mongodb`."""
    settings = chosen()
    return "mongodb" if settings.store_url else settings.embedded_store


@contextlib.asynccontextmanager
async def documents(folder: Path) -> AsyncIterator[Documents]:
    """Yield the store that is named, without documents; an embedded store has its data in the folder."""
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
def environment_for(environment: Mapping[str, str], embedded_by: str) -> Iterator[dict[str, str]]:
    """Yield the environment of a new system; the setting `embedded_by` names its embedded store, if it has one."""
    others = {key: value for key, value in environment.items() if key not in ("STORE", "EMBEDDED_STORE", "MONGO_URL")}
    settings = chosen()
    if settings.store_url:
        with fresh_database(settings.store_url) as database:
            yield {**others, "MONGO_URL": settings.store_url, "MONGO_DATABASE": database}
    else:
        yield {**others, embedded_by: settings.embedded_store}


@contextlib.contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Yield an unused name of a database; drop that database, and all whose names begin with it, at the end."""
    fresh = f"measured_{uuid4().hex[:12]}"
    try:
        yield fresh
    finally:
        with pymongo.MongoClient[dict[str, object]](url) as client:
            for each in client.list_database_names():
                if each.startswith(fresh):
                    client.drop_database(each)
