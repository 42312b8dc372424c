"""Search for people by the beginning of a name: one walk along the index of names, whatever is searched."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import TypeAdapter

from social.contracts.people import People, UserRef
from social.infra.process.even_times import even_time
from social.infra.store.mongo import Mongo
from social.infra.store.paging import Asked, Listing, Place, Walk
from social.infra.store.rows import NAMES, USERS, NameRow, UserRow
from social.people import terms, users, visibility

FOUND = (*users.CARD, "words")
LAST = "\U0010ffff"  # sorts after all that can follow in a word

BY_NAME = Listing("people", NAMES, "_id", ascending=True, ids=TypeAdapter(str))


class _Search(NamedTuple):
    """A search: its words, the longest of which leads the way, and its viewer."""

    words: list[str]
    lead: str
    viewer: str


class _Hit(NamedTuple):
    row_id: str
    person: UserRef


async def page(mongo: Mongo, text: str, *, viewer: str, cursor: str | None, limit: int) -> People:
    """Return people of whose names each word of `text` is a beginning: that very username first, then by word.

    Raises ValidationFailed for a cursor that is not of this search.
    """
    async with even_time():
        return await found(mongo, text, viewer=viewer, cursor=cursor, limit=limit)


async def found(mongo: Mongo, text: str, *, viewer: str, cursor: str | None, limit: int) -> People:
    """Return what `page` does as soon as it is known, so that the time it takes depends on what is found."""
    words = terms.words(text)
    asked = Asked(viewer, cursor, limit, " ".join(words))
    at = await BY_NAME.place(mongo, asked)
    if not words:
        return People(items=[])
    search = _Search(words, max(words, key=len), viewer)
    hits = await _hits(mongo, search, at, limit + 1)
    await mongo.seals.ready()
    more, hits = len(hits) > limit, hits[:limit]

    def beyond(onward: bool, row_id: str) -> str:
        return BY_NAME.cursor(mongo, Place(onward, (row_id,)), asked)

    if at is None or at.older:
        next_ = beyond(True, hits[-1].row_id) if more else None
        prev = beyond(False, hits[0].row_id if hits else at.key[0]) if at else None
    else:
        hits.reverse()
        next_ = beyond(True, hits[-1].row_id if hits else search.lead)
        prev = beyond(False, hits[0].row_id) if more else None
    return People(items=[hit.person for hit in hits], next=next_, prev=prev)


async def _hits(mongo: Mongo, search: _Search, at: Place | None, wanted: int) -> list[_Hit]:
    """Return up to `wanted` hits beyond a place, the nearest first; the exact hit comes before all others."""
    exact, hits = await asyncio.gather(_exactly(mongo, search), _walk(mongo, search, at, wanted + 1))
    if exact is None:
        return hits[:wanted]
    hits = [hit for hit in hits if hit.person.id != exact.id]
    if at is None:
        hits.insert(0, _Hit(search.lead, exact))
    elif not at.older and at.key[0] != search.lead:
        hits.append(_Hit(search.lead, exact))
    return hits[:wanted]


async def _walk(mongo: Mongo, search: _Search, at: Place | None, wanted: int) -> list[_Hit]:
    """Return up to `wanted` hits along the index of names, the nearest first."""

    async def show(rows: list[NameRow]) -> list[_Hit | None]:
        people = await _people(mongo, [row["user_id"] for row in rows], search.viewer)
        hits: list[_Hit | None] = []
        for row in rows:
            person = people.get(row["user_id"])
            meant = person is not None and _meant(person["words"], row["_id"], search)
            hits.append(_Hit(row["_id"], users.ref(person)) if person and meant else None)
        return hits

    begin = at or Place(True, (search.lead,))
    end = {"$lt": search.lead + LAST} if begin.older else {"$gt": search.lead}
    walk = Walk(BY_NAME, mongo, {"_id": end}, begin.key, older=begin.older)
    return [hit for _, hit in await walk.until(show, wanted)]


def _meant(words: Sequence[str], row_id: str, search: _Search) -> bool:
    """Return whether each searched word begins one of a person's, and this row is the first that leads to them."""
    first = min((word for word in words if word.startswith(search.lead)), default=None)
    theirs = all(any(word.startswith(each) for word in words) for each in search.words)
    return theirs and first == row_id.partition(" ")[0]


async def _people(mongo: Mongo, ids: Sequence[str], viewer: str) -> dict[str, UserRow]:
    """Return which of these people are here and not kept from the viewer by a block."""
    asked = dict.fromkeys(ids)
    found, apart = await asyncio.gather(mongo.get_many(USERS, asked, FOUND), visibility.apart(mongo, viewer, asked))
    return {each["_id"]: each for each in found.values() if users.here(each) and each["_id"] not in apart}


async def _exactly(mongo: Mongo, search: _Search) -> UserRef | None:
    if len(search.words) != 1:
        return None
    found = await mongo.one(USERS, {"username": search.lead, **users.HERE}, users.REF_FIELDS)
    if found is None or await visibility.apart(mongo, search.viewer, [found["_id"]]):
        return None
    return users.ref(found)
