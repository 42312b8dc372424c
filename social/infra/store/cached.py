"""Cached documents: a process may show them as it read them up to two seconds ago.

A writer adds a changed document's key to the transaction's `stale`: every process then reads it anew, at once while
Redis is there. Documents that decide who may see what (edges, and a post that is acted on) are never read this way.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from social.infra.store.rows import Collection, Row
from social.infra.store.transaction import Fields, Reader


def key(collection: Collection[Any], document_id: str) -> str:
    """Return the key under which a document of this collection is cached."""
    return collection + " " + document_id


async def get_many(
    reader: Reader,
    collection: Collection[Row],
    ids: Iterable[str],
    fields: Fields | None = None,
    *,
    since: datetime | None = None,
    absent: Row | None = None,
) -> dict[str, Row]:
    """Return documents by id, at most two seconds old and, with `since`, read after that; do not change them.

    Where most are missing, `absent` stands for them and is cached too; otherwise a missing document is read again.
    """
    found: dict[str, Row] = {}
    wanted: dict[str, str] = {}
    for document_id in ids:
        kept = reader.memory.get(name := key(collection, document_id), since)
        if kept is None:
            wanted[document_id] = name
        else:
            found[document_id] = kept
    if wanted:
        with reader.memory.reading(*wanted.values()) as reading:
            read = await reader.get_many(collection, wanted, fields)
            for document_id, name in wanted.items():
                if (document := read.get(document_id, absent)) is not None:
                    reading.keep(name, document)
                    found[document_id] = document
    return found
