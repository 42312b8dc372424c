"""How bytes that are kept somewhere are answered: whole or in part, and never as anything but a picture (RFC 9110)."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, get_args

from aiohttp import payload, web
from aiohttp.abc import AbstractStreamWriter

from api import conditional
from social.contracts.media import Mime
from social.contracts.problems import Problem, RangeNotSatisfiable
from social.infra.files.blobs import Blobs
from social.infra.observe import logs
from social.posts.media import Shown

log = logs.get("pictures")

CACHED_S = 300  # by whoever does not ask again: so late does a deletion reach what was seen before
STALLS_S = 30.0  # for one piece to leave
SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
PICTURES = {mime: {"schema": {"type": "string", "format": "binary"}} for mime in get_args(Mime)}

_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))", re.IGNORECASE)


class Picture(web.Response):
    """A picture, or a part of one."""


async def answer(raw: web.Request, blobs: Blobs, shown: Shown) -> Picture:
    """What somebody may see; raises RangeNotSatisfiable, NotFound, Unavailable."""
    tag = f'"{shown.tag}"'
    headers = {"ETag": tag, "Cache-Control": _cached(shown), "Accept-Ranges": "bytes"}
    if shown.until is None:
        headers["Vary"] = "Authorization"
    if conditional.not_modified(raw, tag):
        return Picture(status=304, headers=headers)
    start, end = asked(raw, shown.size, tag) or (0, shown.size)
    name = f"{shown.name.rpartition('/')[2]}.{SUFFIXES[shown.mime]}"
    headers |= {
        "Content-Type": shown.mime,
        "Content-Length": str(end - start),
        "Content-Disposition": f'inline; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    part = end - start < shown.size
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{shown.size}"
    if raw.method == "HEAD":
        return Picture(headers=headers)
    pieces = blobs.read(shown.name, start, end)
    first = await anext(pieces)  # what is away or gone is a problem, as long as nothing was sent
    return Picture(status=206 if part else 200, headers=headers, body=_Pieces(first, pieces))


def asked(raw: web.Request, size: int, tag: str) -> tuple[int, int] | None:
    """From which byte to before which; None for all of it. Raises RangeNotSatisfiable.

    Several ranges, other units and what cannot be read are as if they were not there, and so is a range of something
    else than this (If-Range).
    """
    values = raw.headers.getall("Range", ())
    match = _RANGE.fullmatch(values[0].strip()) if len(values) == 1 and raw.method == "GET" else None
    if match is None or raw.headers.get("If-Range", tag) != tag:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise RangeNotSatisfiable(size)
    return start, end


def _cached(shown: Shown) -> str:
    if shown.until is None:
        return "private, no-cache"
    age_s = max(0, min(CACHED_S, shown.until - int(time.time())))
    return f"{'public' if shown.public else 'private'}, max-age={age_s}"


class _Pieces(payload.Payload):
    """Written after the handler has returned, so with a bound of its own for readers that stall."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        super().__init__(rest)
        self._first, self._rest = first, rest

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """It is no text."""
        raise TypeError("a picture is no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """All pieces; what fails from here on can only end the connection."""
        rest: Any = self._rest
        try:
            async with aclosing(rest):
                await self._send(writer, self._first)
                async for piece in rest:
                    await self._send(writer, piece)
        except (Problem, TimeoutError) as error:
            log.warning("picture cut short", error=repr(error))
            raise ConnectionResetError from error

    async def _send(self, writer: AbstractStreamWriter, piece: bytes) -> None:
        async with asyncio.timeout(STALLS_S):
            await writer.write(piece)
