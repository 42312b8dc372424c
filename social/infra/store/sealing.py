"""Sealed cursors: clients cannot read or change them, or use them for another list; all processes share the keys.

A cursor is encrypted and authenticated (AES-SIV, RFC 5297) together with its list and its viewer. The same place gives
the same cursor, so that a page that did not change keeps its entity tag.
"""

import contextlib
import time
from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from social.contracts.codec import base64url, from_base64url
from social.contracts.problems import FieldProblem, ValidationFailed
from social.infra import clock
from social.infra.store.rows import CURSOR_KEYS, Collection, CursorKeyRow, Row
from social.infra.store.transaction import AlreadyExists

BITS = 512  # AES-256, and 256 bits for the tag
CHANGES = timedelta(days=30)  # the age at which a new key follows
KEPT = 2  # keys: a cursor is accepted for as long again as its key was in use
LOOK_S = 600.0  # between checks for new keys
LOOK_AGAIN_S = 1.0  # between checks where a cursor names an unknown key
BLOCK = 16  # bytes: a cursor's length reveals no more of its content

Bound = tuple[str, ...]


class Store(Protocol):
    """The collection that holds the keys."""

    def many(
        self, collection: Collection[Row], where: Mapping[str, Any], *, sort: Sequence[tuple[str, int]], limit: int
    ) -> Awaitable[list[Row]]: ...

    def insert(self, collection: Collection[Row], document: Row) -> Awaitable[None]: ...

    def delete(self, collection: Collection[Any], where: Mapping[str, Any]) -> Awaitable[int]: ...


class Seals:
    """Seals and opens cursors with the keys in the store; the first process that needs a key makes it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[int, AESSIV] = {}
        self._newest = 0
        self._looked_at = float("-inf")

    async def ready(self) -> None:
        """Load the keys where they are old or missing. Raises Unavailable."""
        if not self._keys or time.monotonic() >= self._looked_at + LOOK_S:
            await self._look()

    def seal(self, packed: bytes, bound: Bound) -> str:
        """Return a cursor that can be opened only with the same `bound`; call `ready` before."""
        padded = packed + b"\x80" + bytes(-(len(packed) + 1) % BLOCK)
        sealed = self._keys[self._newest].encrypt(padded, _associated(self._newest, bound))
        return base64url(bytes([self._newest % 256]) + sealed)

    async def open(self, cursor: str, bound: Bound) -> bytes:
        """Return the sealed content; raises ValidationFailed for a cursor of anything else, or whose key is gone."""
        await self.ready()
        try:
            sealed = from_base64url(cursor)
            number = await self._number(sealed[0])
            padded = self._keys[number].decrypt(sealed[1:], _associated(number, bound))
        except (ValueError, LookupError, InvalidTag):
            raise refusal() from None
        return padded.rstrip(b"\0")[:-1]

    async def _number(self, last_byte: int) -> int:
        """Return the number of the key that ends in this byte; raises LookupError."""
        for look in (False, True):
            if look and time.monotonic() >= self._looked_at + LOOK_AGAIN_S:
                await self._look()
            for number in self._keys:
                if number % 256 == last_byte:
                    return number
        raise LookupError(last_byte)

    async def _look(self) -> None:
        self._looked_at = time.monotonic()  # concurrent calls go on with the present keys
        rows = await self._rows()
        if not rows or rows[0]["at"] < clock.now() - CHANGES:
            number = rows[0]["_id"] + 1 if rows else 1
            with contextlib.suppress(AlreadyExists):  # another process made it first
                row: CursorKeyRow = {"_id": number, "key": AESSIV.generate_key(BITS), "at": clock.now()}
                await self._store.insert(CURSOR_KEYS, row)
                await self._store.delete(CURSOR_KEYS, {"_id": {"$lte": number - KEPT}})
            rows = await self._rows()
        self._keys = {row["_id"]: AESSIV(row["key"]) for row in rows}
        self._newest = max(self._keys)

    async def _rows(self) -> list[CursorKeyRow]:
        return await self._store.many(CURSOR_KEYS, {}, sort=[("_id", -1)], limit=KEPT)


def refusal() -> ValidationFailed:
    """Return the error for a cursor of another list, person or release, or for an invalid one."""
    problem = FieldProblem(pointer="?cursor", code="cursor", detail="not a cursor of this list, or no longer")
    return ValidationFailed(errors=[problem])


def _associated(number: int, bound: Bound) -> list[bytes]:
    return [str(number).encode(), *(each.encode("utf-8", "surrogatepass") for each in bound)]
