"""Further down than entries are kept: many lines are fanned out on read at once, for this page and the next ones.

Those that are not shown yet are kept in Redis; without it, or later, they are looked for again. A page shows of them
what is still there and for its reader to see, as ever; it does not have what came in below its place meanwhile.
"""

import contextlib
import struct
from collections.abc import Sequence
from datetime import timedelta

from social.feeds import sources
from social.feeds.cursors import Older
from social.feeds.sources import Found, Line, Span
from social.infra import clock
from social.infra.redis import AWAY, Redis
from social.infra.wiring import Social

LINES = 200
KEPT_S = 300
NEAR = 2  # times as far as that many lines reached on this page: nearly always far enough

_LINE = struct.Struct(">12s12s")


async def older(social: Social, owner: str, at: Older, most: int) -> tuple[Found, str]:
    """Lines below a place, and where the scroll that they belong to began."""
    if at.start and (kept := await _kept(social.redis, owner, at, most)):
        return kept, at.start
    span = Span(at.place, older=True, most=max(LINES, most))
    found = await _fan_out(social, owner, span, at.near, most)
    with contextlib.suppress(*AWAY):
        await social.redis.set(_key(owner, at.place), _pack(found), ex=KEPT_S)
    return _first(found.lines, found.ended, most), at.place


def near(lines: Sequence[Line]) -> str:
    """How far down the next lines may reach, given some."""
    top, last = clock.made_at(lines[0].place), clock.made_at(lines[-1].place)
    lasts = max(top - last, timedelta(seconds=1)) * (NEAR * LINES / len(lines))
    return clock.first_id(max(clock.EPOCH, last - lasts))


async def _fan_out(social: Social, owner: str, span: Span, near: str, least: int) -> Found:
    """At first no further down than `near`: else so many keys are walked for each of those they follow."""
    if near:
        found = await sources.followed(social.mongo, owner, span._replace(bottom=near))
        if len(found.lines) >= least:
            return found._replace(ended=False)
    return await sources.followed(social.mongo, owner, span)


async def _kept(redis: Redis, owner: str, at: Older, most: int) -> Found | None:
    with contextlib.suppress(*AWAY):
        packed = await redis.get(_key(owner, at.start))
        if isinstance(packed, bytes):
            rows = ((place.hex(), author_id.hex()) for place, author_id in _LINE.iter_unpack(packed[1:]))
            lines = [
                Line(place, place, author_id, clock.made_at(place)) for place, author_id in rows if place < at.place
            ]
            ended = packed[0] == 1
            if ended or len(lines) >= most:
                return _first(lines, ended, most)
    return None


def _first(lines: list[Line], ended: bool, most: int) -> Found:
    return Found(lines[:most], ended and len(lines) <= most)


def _pack(found: Found) -> bytes:
    lines = (_LINE.pack(bytes.fromhex(each.place), bytes.fromhex(each.author_id)) for each in found.lines)
    return bytes([found.ended]) + b"".join(lines)


def _unpack(packed: bytes) -> Found:
    rows = ((place.hex(), author_id.hex()) for place, author_id in _LINE.iter_unpack(packed[1:]))
    return Found([Line(place, place, author_id, clock.made_at(place)) for place, author_id in rows], packed[0] == 1)


def _key(owner: str, start: str) -> str:
    return f"scroll:{owner}:{start}"
