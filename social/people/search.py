"""Search for people by the beginning of a name: one walk along the index of names, whatever is searched."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from social.contracts.codec import decode, encode
from social.contracts.people import People, UserRef
from social.infra.process.even_times import even_time
from social.infra.store.mongo import Mongo
from social.infra.store.paging import Listing, Walk
from social.infra.store.rows import NAMES, USERS, NameRow, UserRow
from social.infra.store.sealing import Bound, refusal
from social.people import terms, users, visibility

FOUND = (*users.CARD, "words")
LAST = "\U0010ffff"  # sorts after all that can follow in a word

BY_NAME = Listing("names", NAMES, "_id", ascending=True)


class _Asked(NamedTuple):
    """A search: its words, the longest of which leads the way, and its viewer."""

    words: list[str]
    lead: str
    viewer: str

    @property
    def bound(self) -> Bound:
        """The search that a cursor belongs to."""
        return "people", " ".join(self.words), self.viewer


class _Place(NamedTuple):
    """The place where a page begins: beyond this row."""

    onward: bool
    row_id: str


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
    asked = _Asked(words, max(words, key=len, default=""), viewer)
    at = await _open(mongo, cursor, asked) if cursor is not None else None
    if not words:
        return People(items=[])
    hits = await _hits(mongo, asked, at, limit + 1)
    await mongo.seals.ready()
    more, hits = len(hits) > limit, hits[:limit]

    def beyond(onward: bool, row_id: str) -> str:
        return mongo.seals.seal(encode([int(onward), row_id]), asked.bound)

    if at is None or at.onward:
        next_ = beyond(True, hits[-1].row_id) if more else None
        prev = beyond(False, hits[0].row_id if hits else at.row_id) if at else None
    else:
        hits.reverse()
        next_ = beyond(True, hits[-1].row_id if hits else asked.lead)
        prev = beyond(False, hits[0].row_id) if more else None
    return People(items=[hit.person for hit in hits], next=next_, prev=prev)


async def _hits(mongo: Mongo, asked: _Asked, at: _Place | None, wanted: int) -> list[_Hit]:
    """Return up to `wanted` hits beyond a place, the nearest first; the exact hit comes before all others."""
    exact, hits = await asyncio.gather(_exactly(mongo, asked), _walk(mongo, asked, at, wanted + 1))
    if exact is None:
        return hits[:wanted]
    hits = [hit for hit in hits if hit.person.id != exact.id]
    if at is None:
        hits.insert(0, _Hit(asked.lead, exact))
    elif not at.onward and at.row_id != asked.lead:
        hits.append(_Hit(asked.lead, exact))
    return hits[:wanted]


async def _walk(mongo: Mongo, asked: _Asked, at: _Place | None, wanted: int) -> list[_Hit]:
    """Return up to `wanted` hits along the index of names, the nearest first."""

    async def show(rows: list[NameRow]) -> list[_Hit | None]:
        people = await _people(mongo, [row["user_id"] for row in rows], asked.viewer)
        hits: list[_Hit | None] = []
        for row in rows:
            person = people.get(row["user_id"])
            meant = person is not None and _meant(person["words"], row["_id"], asked)
            hits.append(_Hit(row["_id"], users.ref(person)) if person and meant else None)
        return hits

    onward, row_id = at or _Place(True, asked.lead)
    end = {"$lt": asked.lead + LAST} if onward else {"$gt": asked.lead}
    walk = Walk(BY_NAME, mongo, {"_id": end}, (row_id,), older=onward)
    return [hit for _, hit in await walk.until(show, wanted)]


def _meant(words: Sequence[str], row_id: str, asked: _Asked) -> bool:
    """Return whether each searched word begins one of a person's, and this row is the first that leads to them."""
    first = min((word for word in words if word.startswith(asked.lead)), default=None)
    theirs = all(any(word.startswith(each) for word in words) for each in asked.words)
    return theirs and first == row_id.partition(" ")[0]


async def _people(mongo: Mongo, ids: Sequence[str], viewer: str) -> dict[str, UserRow]:
    """Return which of these people are here and not kept from the viewer by a block."""
    asked = dict.fromkeys(ids)
    found, apart = await asyncio.gather(mongo.get_many(USERS, asked, FOUND), visibility.apart(mongo, viewer, asked))
    return {each["_id"]: each for each in found.values() if users.here(each) and each["_id"] not in apart}


async def _exactly(mongo: Mongo, asked: _Asked) -> UserRef | None:
    if len(asked.words) != 1:
        return None
    found = await mongo.one(USERS, {"username": asked.lead, **users.HERE}, users.REF_FIELDS)
    if found is None or await visibility.apart(mongo, asked.viewer, [found["_id"]]):
        return None
    return users.ref(found)


async def _open(mongo: Mongo, cursor: str, asked: _Asked) -> _Place:
    try:
        onward, row_id = decode(await mongo.seals.open(cursor, asked.bound))
        return _Place(bool(onward), str(row_id))
    except (ValueError, TypeError):
        raise refusal() from None
