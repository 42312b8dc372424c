"""Keyset pagination in both directions; cursors are opaque and belong to one list."""

import base64
import binascii
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, TypeAdapter

from social.contracts.base import Id
from social.contracts.codec import decode, encode
from social.contracts.problems import FieldProblem, ValidationFailed
from social.infra import clock
from social.infra.mongo import Document, Mongo, Where

T = TypeVar("T")

_ID: TypeAdapter[str] = TypeAdapter(Id)
_COUNT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)])

LONGEST = 512  # characters of any list's cursor

COUNTS = ("likes",)  # fields that lists are ordered by

MOST_REFILLS = 10  # of one page of which much is hidden or gone: then it stays short, with a cursor to go on


@dataclass(frozen=True, slots=True)
class Slice:
    """Documents of one page and the cursors to either side."""

    items: list[Document]
    next: str | None
    prev: str | None


@dataclass(frozen=True, slots=True)
class Filled(Generic[T]):
    """What a page shows and the cursors to either side."""

    items: list[T]
    next: str | None
    prev: str | None


@dataclass(frozen=True, slots=True)
class _Cursor:
    older: bool
    key: tuple[Any, ...]


class Listing:
    """A list in one collection, by `key`, the greatest first unless it is ascending; its last field is unique.

    A key is made of times (`at`, `…_at`), counts (`likes`) and ids. `older` is what comes further down the list.
    """

    def __init__(self, name: str, collection: str, *key: str, ascending: bool = False) -> None:
        self._name = name
        self._collection = collection
        self.key = key
        self._ascending = ascending

    async def page(
        self, mongo: Mongo, where: Where, *, cursor: str | None, limit: int, fields: Where | None = None
    ) -> Slice:
        """One page; raises ValidationFailed for a cursor that is not of this list."""
        at = None if cursor is None else self._parse(cursor)
        older = at is None or at.older
        sort = [(field, 1 if self._rises(older) else -1) for field in self.key]
        matching = {**where, **self._beyond(at)} if at else where
        items = await mongo.many(self._collection, matching, fields=fields, sort=sort, limit=limit + 1)
        more = len(items) > limit
        items = items[:limit]
        if not older:
            items.reverse()
        return Slice(
            items,
            next=self.cursor(items[-1]) if items and (more or not older) else None,
            prev=self.cursor(items[0], older=False) if items else cursor if not older else None,
        )

    async def filled(
        self,
        mongo: Mongo,
        where: Where,
        show: Callable[[list[Document]], Awaitable[list[T | None]]],
        *,
        cursor: str | None,
        limit: int,
        fields: Where | None = None,
    ) -> Filled[T]:
        """One page of what `show` makes of the items, each in its place: refilled for those it has nothing for.

        Cursors begin at what is shown, since whoever decodes one reads the item in it; only where nearly all is hidden
        does one name what was looked at last, to go on from there.
        """
        back = self.goes_back(cursor)
        found: list[tuple[Document, T]] = []
        first = at = await self.page(mongo, where, cursor=cursor, limit=limit, fields=fields)
        asked = limit
        for refills in itertools.count():
            shown = await show(at.items) if at.items else []
            more = [(item, each) for item, each in zip(at.items, shown, strict=True) if each is not None]
            found = more + found if back else found + more
            further = at.prev if back else at.next
            if len(found) == limit or len(at.items) < asked or further is None or refills == MOST_REFILLS:
                break
            asked = limit - len(found)
            at = await self.page(mongo, where, cursor=further, limit=asked, fields=fields)
        next_, prev = (first.next, at.prev) if back else (at.next, first.prev)
        if found and back:
            next_ = self.cursor(found[-1][0])
        if found and (not back or refills < MOST_REFILLS):
            prev = self.cursor(found[0][0], older=False)
        return Filled([each for _, each in found], next_, prev)

    def goes_back(self, cursor: str | None) -> bool:
        """Whether a cursor leads to newer items."""
        return cursor is not None and not self._parse(cursor).older

    def cursor(self, item: Document, *, older: bool = True) -> str:
        """The cursor of what lies beyond an item."""
        key = [_pack(item[field]) for field in self.key]
        return base64.urlsafe_b64encode(encode([self._name, int(older), *key])).rstrip(b"=").decode()

    def _rises(self, older: bool) -> bool:
        return self._ascending == older

    def _beyond(self, at: _Cursor) -> Document:
        compare = "$gt" if self._rises(at.older) else "$lt"
        either = []
        for place, field in enumerate(self.key):
            same = dict(zip(self.key[:place], at.key, strict=False))
            either.append({**same, field: {compare: at.key[place]}})
        return either[0] if len(either) == 1 else {"$or": either}

    def _parse(self, cursor: str) -> _Cursor:
        try:
            name, older, *key = decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            if name != self._name or older not in (0, 1) or len(key) != len(self.key):
                raise ValueError("another list's cursor")
            return _Cursor(bool(older), tuple(_unpack(field, each) for field, each in zip(self.key, key, strict=True)))
        except (ValueError, TypeError, LookupError, OverflowError, OSError, binascii.Error):
            raise ValidationFailed(
                errors=[FieldProblem(pointer="?cursor", code="cursor", detail="not a cursor of this list")]
            ) from None


def _pack(value: object) -> object:
    return {"ms": clock.millis(value)} if isinstance(value, datetime) else value


def _unpack(field: str, value: Any) -> object:
    if field == "at" or field.endswith("_at"):
        return datetime.fromtimestamp(int(value["ms"]) / 1000, UTC)
    if field in COUNTS:
        return _COUNT.validate_python(value)
    return _ID.validate_python(value)
