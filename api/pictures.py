"""Answers with stored picture bytes, whole or a range of them (RFC 9110), which browsers take for nothing else."""

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

CACHED_S = 300  # by caches that do not revalidate: a picture that was deleted may be shown from them for so long
STALLS_S = 30.0  # the longest that sending a piece may take
SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
PICTURES = {mime: {"schema": {"type": "string", "format": "binary"}} for mime in get_args(Mime)}

_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))", re.IGNORECASE)


class Picture(web.Response):
    """A picture, or a part of one."""


async def answer(raw: web.Request, blobs: Blobs, shown: Shown) -> Picture:
    """Answer with a picture that the client may see; raises RangeNotSatisfiable, NotFound, Unavailable."""
    tag = f'"{shown.tag}"'
    headers = {"ETag": tag, "Cache-Control": _cached(shown), "Accept-Ranges": "bytes"}
    if shown.until is None:
        headers["Vary"] = "Authorization"
    if conditional.not_modified(raw, tag):
        return Picture(status=304, headers=headers)
    start, end = requested_range(raw, shown.size, tag) or (0, shown.size)
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
    first = await anext(pieces)  # a missing blob or store can be answered with a problem only while nothing was sent
    return Picture(status=206 if part else 200, headers=headers, body=_Pieces(first, pieces))


def requested_range(raw: web.Request, size: int, tag: str) -> tuple[int, int] | None:
    """Return the range that is requested, its end exclusive; None for the whole. Raises RangeNotSatisfiable.

    Several ranges, other units and unreadable ranges are ignored, and so is a range of another version of the bytes
    (If-Range).
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
    """The body of a picture. It is written after the handler has returned, so it bounds stalling readers by itself."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        super().__init__(rest)
        self._first, self._rest = first, rest

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse: a picture is no text."""
        raise TypeError("a picture is no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all pieces; a failure from here on can only end the connection."""
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
