"""Keyset pagination in both directions, over the rows that the viewer may see.

A list is walked until a page is full or the list ends, however many rows on the way are hidden, and cursors are made of
shown rows only: an answer is byte for byte what it would be if the hidden rows did not exist.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, TypeAdapter

from social.contracts.base import Id
from social.contracts.codec import decode, encode
from social.infra import clock
from social.infra.store.mongo import Document, Mongo, Where
from social.infra.store.rows import Collection, Row
from social.infra.store.sealing import Bound, refusal

T = TypeVar("T")

_ID: TypeAdapter[str] = TypeAdapter(Id)
_COUNT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=-(2**53), le=2**53)])

LONGEST = 512  # characters of any list's cursor

COUNTS = ("likes",)  # fields that lists are ordered by

GROWS = 4  # times the rows hidden so far are read next
MOST_AT_ONCE = 500  # rows of a read, where many are hidden
SHORT_WALK = 4  # reads, after which a walk counts as long


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a page of a list: `of` says whose list it is, where that is not its viewer's own."""

    viewer: str
    cursor: str | None
    limit: int
    of: str = ""


@dataclass(frozen=True, slots=True)
class Filled(Generic[T]):
    """The items of a page and the cursors to either side."""

    items: list[T]
    next: str | None
    prev: str | None


Key = tuple[Any, ...]
Show = Callable[[list[Row]], Awaitable[list[T | None]]]
Narrow = Callable[[list[Row]], Awaitable[Where]]


@dataclass(frozen=True, slots=True)
class Place:
    """The start of a page: beyond the row with this key, in one of the two directions."""

    older: bool
    key: Key


class Listing(Generic[Row]):
    """A list in a collection, ordered by `key`, greatest first unless it is ascending; the last field is unique.

    A key is made of times (`at`, `…_at`), counts (`likes`) and ids, which `ids` validates where they are not the
    store's own. `older` is further down the list.
    """

    def __init__(
        self,
        name: str,
        collection: Collection[Row],
        *key: str,
        ascending: bool = False,
        ids: TypeAdapter[str] = _ID,
    ) -> None:
        self._name = name
        self._collection = collection
        self.key = key
        self._ascending = ascending
        self._ids = ids

    async def page(self, mongo: Mongo, where: Where, asked: Asked, *, fields: Where | None = None) -> Filled[Row]:
        """Return a page of a list without hidden rows; raises ValidationFailed for a cursor of another list."""

        async def show(rows: list[Row]) -> list[Row | None]:
            return [*rows]

        return await self.filled(mongo, where, show, asked, fields=fields)

    async def filled(
        self,
        mongo: Mongo,
        where: Where,
        show: Show[Row, T],
        asked: Asked,
        *,
        fields: Where | None = None,
        narrow: Narrow[Row] | None = None,
    ) -> Filled[T]:
        """Return a page of what `show` makes of the rows, each in its place; it returns None for hidden rows.

        `narrow` returns a condition that excludes rows like the hidden ones, so that the store skips a long run of
        them. Raises ValidationFailed for a cursor of another list.
        """
        at = await self.place(mongo, asked)
        back = at is not None and not at.older
        walk = Walk(self, mongo, where, at.key if at else None, older=not back, fields=fields, narrow=narrow)
        found = await walk.until(show, asked.limit if back else asked.limit + 1)  # one more: is there a next page?
        more, found = len(found) > asked.limit, found[: asked.limit]
        items = [item for _, item in found]
        await mongo.seals.ready()
        if not found:
            return Filled(items, next=None, prev=self.cursor(mongo, at, asked) if at and back else None)
        first, last = self.key_of(found[0][0]), self.key_of(found[-1][0])
        if back:
            items.reverse()
            first, last = last, first
        return Filled(
            items,
            next=self.cursor(mongo, Place(True, last), asked) if more or back else None,
            prev=self.cursor(mongo, Place(False, first), asked),
        )

    async def place(self, mongo: Mongo, asked: Asked) -> Place | None:
        """Return where a page begins; raises ValidationFailed for a cursor of another list."""
        if asked.cursor is None:
            return None
        packed = await mongo.seals.open(asked.cursor, self._bound(asked))
        try:
            older, *key = decode(packed)
            return Place(bool(older), tuple(self._unpack(*each) for each in zip(self.key, key, strict=True)))
        except (ValueError, TypeError, LookupError, OverflowError, OSError):
            raise refusal() from None

    def cursor(self, mongo: Mongo, at: Place, asked: Asked) -> str:
        """Return the cursor of a page that begins beyond a place; await the readiness of the seals before."""
        return mongo.seals.seal(encode([int(at.older), *map(_pack, at.key)]), self._bound(asked))

    def _unpack(self, field: str, value: Any) -> object:
        if field == "at" or field.endswith("_at"):
            return datetime.fromtimestamp(int(value["ms"]) / 1000, UTC)
        return (_COUNT if field in COUNTS else self._ids).validate_python(value)

    def key_of(self, item: Row) -> Key:
        """Return the place of a row in the list."""
        return tuple(item[field] for field in self.key)

    def _bound(self, asked: Asked) -> Bound:
        return self._name, asked.of, asked.viewer

    async def look(
        self, mongo: Mongo, where: Where, at: Key | None, *, older: bool, most: int, fields: Where | None
    ) -> list[Row]:
        """Return the rows beyond a place, nearest first."""
        sort = [(field, 1 if self._rises(older) else -1) for field in self.key]
        matching = _both(where, self._beyond(at, older)) if at else where
        return await mongo.many(self._collection, matching, fields=fields, sort=sort, limit=most)

    def _rises(self, older: bool) -> bool:
        return self._ascending == older

    def _beyond(self, at: Key, older: bool) -> Document:
        compare = "$gt" if self._rises(older) else "$lt"
        either = []
        for place, field in enumerate(self.key):
            same = dict(zip(self.key[:place], at, strict=False))
            either.append({**same, field: {compare: at[place]}})
        return either[0] if len(either) == 1 else {"$or": either}


@dataclass(slots=True)
class Walk(Generic[Row]):
    """The walk of a request through a list, from the beginning or from beyond a key."""

    listing: Listing[Row]
    mongo: Mongo
    where: Where
    at: Key | None
    older: bool = True
    fields: Where | None = None
    narrow: Narrow[Row] | None = None

    async def until(self, show: Show[Row, T], wanted: int) -> list[tuple[Row, T]]:
        """Return `wanted` shown rows, or all there are: nearest first."""
        found: list[tuple[Row, T]] = []
        most, hidden = wanted, 0
        async with pacing(self.mongo) as pause:
            while True:
                rows = await self.listing.look(
                    self.mongo, self.where, self.at, older=self.older, most=most, fields=self.fields
                )
                shown = await show(rows) if rows else []
                pairs = [*zip(rows, shown, strict=True)]
                found += [(row, each) for row, each in pairs if each is not None]
                if len(found) >= wanted or len(rows) < most:
                    return found
                await pause()
                unseen = [row for row, each in pairs if each is None]
                if self.narrow is not None and unseen:
                    self.where = _both(self.where, await self.narrow(unseen))
                hidden += len(unseen)
                most = min(wanted - len(found) + GROWS * hidden, MOST_AT_ONCE)
                self.at = self.listing.key_of(rows[-1])


@asynccontextmanager
async def pacing(mongo: Mongo) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Yield a function to await between two reads: all long walks together take at most half of a process.

    A long walk waits for its turn, and rests after each read as long as it took.
    """
    looks, began = 0, time.perf_counter()

    async def pause() -> None:
        nonlocal looks, began
        looks += 1
        if looks == SHORT_WALK:
            await turn.enter_async_context(mongo.long_walks)
        elif looks > SHORT_WALK:
            await asyncio.sleep(time.perf_counter() - began)
        began = time.perf_counter()

    async with AsyncExitStack() as turn:
        yield pause


def _both(one: Where, other: Where) -> Where:
    """Combine two conditions, side by side where possible, since not every store uses indexes in $and."""
    together = dict(one)
    for field, wanted in other.items():
        there = together.get(field, {})
        if not isinstance(there, dict) or not isinstance(wanted, dict) or there.keys() & wanted.keys():
            if field in together:
                return {"$and": [one, other]}
            together[field] = wanted
        else:
            together[field] = {**there, **wanted}
    return together


def _pack(value: object) -> object:
    return {"ms": clock.millis(value)} if isinstance(value, datetime) else value
