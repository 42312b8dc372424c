"""Finding people by the beginning of a name: one walk along the index of names, whatever is asked."""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

from social import names, users, visibility
from social.contracts.codec import decode, encode
from social.contracts.people import People, UserRef
from social.contracts.problems import FieldProblem, ValidationFailed
from social.infra.mongo import Document, Mongo

MOST_REFILLS = 10  # of one page, whose rows are of people who are not to be seen or not all that was asked for
FOUND = (*users.CARD, "words")
LAST = "\U0010ffff"  # sorts after all that can follow in a word


class _Asked(NamedTuple):
    """The words, the longest of which leads the way, and who asks."""

    words: list[str]
    lead: str
    viewer: str


class _Place(NamedTuple):
    """Where a page begins, beyond this row."""

    onward: bool
    row_id: str


class _Hit(NamedTuple):
    row_id: str
    person: UserRef


class _Walked(NamedTuple):
    """What was found on the way, as far as the last row looked at, and whether there is more behind it."""

    hits: list[_Hit]
    last: str
    more: bool


async def page(mongo: Mongo, text: str, *, viewer: str, cursor: str | None, limit: int) -> People:
    """People of whose names each word of `text` is a beginning: that very username first, then by word.

    Raises ValidationFailed for a cursor that is not of this search.
    """
    words = names.words(text)
    asked = _Asked(words, lead := max(words, key=len, default=""), viewer)
    at = _Place(True, lead) if cursor is None else _parse(cursor, lead)
    if not words:
        return People(items=[])
    exact, walked = await asyncio.gather(_exactly(mongo, asked), _walk(mongo, asked, at, limit))
    hits, last, more = walked
    hits = [hit for hit in hits if exact is None or hit.person.id != exact.id]
    if not at.onward:
        hits.reverse()
    first_page = cursor is None or not (at.onward or more)
    if exact is not None and first_page:
        if at.onward and len(hits) == limit:
            more, hits = True, hits[:-1]
            last = hits[-1].row_id if hits else lead
        hits.insert(0, _Hit(lead, exact))
    if at.onward:
        ends = (_cursor(True, last) if more else None), (None if first_page else _cursor(False, _first(hits, at)))
    else:
        ends = _cursor(True, hits[-1].row_id if hits else lead), (_cursor(False, last) if more else None)
    return People(items=[hit.person for hit in hits], next=ends[0], prev=ends[1])


async def _walk(mongo: Mongo, asked: _Asked, at: _Place, limit: int) -> _Walked:
    hits: list[_Hit] = []
    last, more = at.row_id, True
    refills = 0
    while more and len(hits) < limit and refills <= MOST_REFILLS:
        want = limit - len(hits)
        within = {"$gt": last, "$lt": asked.lead + LAST} if at.onward else {"$gt": asked.lead, "$lt": last}
        rows = await mongo.many("names", {"_id": within}, sort=[("_id", 1 if at.onward else -1)], limit=want + 1)
        more, rows = len(rows) > want, rows[:want]
        people = await _people(mongo, [row["user_id"] for row in rows], asked.viewer)
        for row in rows:
            last = row["_id"]
            person = people.get(row["user_id"])
            if person is not None and _meant(person["words"], last, asked):
                hits.append(_Hit(last, users.ref(person)))
        refills += 1
    return _Walked(hits, last, more)


def _meant(words: Sequence[str], row_id: str, asked: _Asked) -> bool:
    """Each word asked for begins one of theirs, and of the rows that lead to them this is the first."""
    first = min((word for word in words if word.startswith(asked.lead)), default=None)
    theirs = all(any(word.startswith(each) for word in words) for each in asked.words)
    return theirs and first == row_id.partition(" ")[0]


async def _people(mongo: Mongo, ids: Sequence[str], viewer: str) -> dict[str, Document]:
    """Those of these people who are here and whom no block keeps from the viewer."""
    asked = dict.fromkeys(ids)
    found, apart = await asyncio.gather(mongo.get_many("users", asked, FOUND), visibility.apart(mongo, viewer, asked))
    return {each["_id"]: each for each in found.values() if users.here(each) and each["_id"] not in apart}


async def _exactly(mongo: Mongo, asked: _Asked) -> UserRef | None:
    if len(asked.words) != 1:
        return None
    found = await mongo.one("users", {"username": asked.lead, **users.HERE}, users.REF_FIELDS)
    if found is None or await visibility.apart(mongo, asked.viewer, [found["_id"]]):
        return None
    return users.ref(found)


def _first(hits: Sequence[_Hit], at: _Place) -> str:
    return hits[0].row_id if hits else at.row_id


def _cursor(onward: bool, row_id: str) -> str:
    return base64.urlsafe_b64encode(encode(["names", int(onward), row_id])).rstrip(b"=").decode()


def _parse(cursor: str, lead: str) -> _Place:
    try:
        name, onward, row_id = decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if name != "names" or onward not in (0, 1) or not isinstance(row_id, str) or not row_id.startswith(lead):
            raise ValueError("another search's cursor")
        return _Place(bool(onward), row_id)
    except (ValueError, TypeError, binascii.Error):
        problem = FieldProblem(pointer="?cursor", code="cursor", detail="not a cursor of this search")
        raise ValidationFailed(errors=[problem]) from None
