"""Lines further down than entries are kept: many are fanned out on read at once, for this page and the next.

Redis keeps for each reader those that were found last, without gaps from their start to the last of them; without it,
or later, they are looked for again. A page shows those that are still there and for its reader to see, as ever; it
lacks lines that came in below its place meanwhile.
"""

from collections.abc import Sequence

from social.feeds import sources
from social.feeds.cursors import Older
from social.feeds.sources import Found, Line, Span
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.redis.redis import BestEffortRedis

LINES = 201  # ten pages of 20, or two of 100, and the one that says that there are more
KEPT_S = 300
NEAR = 2  # times as far down as that many lines reach at the pace of a page: nearly always far enough
PLACE = 12  # bytes


async def older(plaza: Plaza, owner: str, at: Older, most: int) -> Found:
    """Return lines below a place."""
    if kept := await _kept(plaza.cache, owner, at.place, most):
        return kept
    found = await _fan_out(plaza, owner, Span(at.place, older=True, most=max(LINES, most)), at.near, most)
    if len(found.lines) > most:  # else all of them are shown now
        await _keep(plaza.cache, owner, at.place, found)
    return Found(found.lines[:most], found.ended and len(found.lines) <= most)


def near(lines: Sequence[Line], most: int) -> str:
    """Return how far down the next lines may reach, at the pace of these; below it only where they are too few."""
    top, last = (int(each.place[:8], 16) for each in (lines[0], lines[-1]))  # seconds
    lasts = max(top - last, 1) * NEAR * max(LINES, most) // len(lines)
    return f"{max(0, last - lasts):08x}{'0' * 16}"


async def _fan_out(plaza: Plaza, owner: str, span: Span, near: str, least: int) -> Found:
    """Find lines, at first no further down than `near`: else many keys are walked for each person they follow."""
    if near:
        found = await sources.followed(plaza.mongo, owner, span._replace(bottom=near))
        if len(found.lines) >= least:
            return found._replace(ended=False)
    return await sources.followed(plaza.mongo, owner, span)


async def _keep(cache: BestEffortRedis, owner: str, start: str, found: Found) -> None:
    lines = found.lines[:LINES]
    ended = found.ended and len(lines) == len(found.lines)
    packed = bytes([ended]) + bytes.fromhex(start + "".join(each.place for each in lines))
    await cache.ask(lambda redis: redis.set(_key(owner), packed, ex=KEPT_S))


async def _kept(cache: BestEffortRedis, owner: str, place: str, most: int) -> Found | None:
    packed: bytes | None = await cache.ask(lambda redis: redis.get(_key(owner)))
    if not packed:
        return None
    ended = packed[0] == 1
    start, *places = (packed[at : at + PLACE].hex() for at in range(1, len(packed), PLACE))
    below = [each for each in places if each < place]
    if start < place or not (ended or len(below) >= most):
        return None
    lines = [Line(each, each, "", clock.made_at(each)) for each in below[:most]]  # no author: the post is read anyway
    return Found(lines, ended and len(below) <= most)


def _key(owner: str) -> str:
    return f"scroll:{owner}"
