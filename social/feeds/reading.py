"""Reading home timelines: a walk over entries and the posts that are merged into them or lie below them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

from social.contracts.people import UserRef
from social.contracts.posts import Feed, FeedPost
from social.contracts.problems import Unavailable
from social.feeds import cursors, scroll_cache, sources, timelines
from social.feeds.cursors import Newer, Older
from social.feeds.sources import TOP, Found, Line, Span, together
from social.feeds.timelines import Timeline
from social.infra import clock
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Where
from social.infra.store.paging import pacing
from social.posts import access, publishing
from social.posts.access import SeenPost

GROWS = 4  # times as much is looked at where nearly all was hidden
MOST_AT_ONCE = 500
LIST = "feed"  # whose cursors these are

Shown = tuple[Line, FeedPost]
Look = Callable[[Sequence[Line], int], Awaitable[Found]]

MOST_REMEMBERED = 31  # lines: about 10 kB; larger pages than the usual are read each time


async def page(plaza: Plaza, *, owner: str, cursor: str | None, limit: int) -> Feed:
    """Return a home timeline, newest first; what was deleted or hidden meanwhile is skipped and the page refilled.

    An owner who was away is answered at once, from the posts of those they follow. Raises ValidationFailed.
    """
    at = cursors.unpack(await plaza.mongo.seals.open(cursor, (LIST, owner))) if cursor is not None else None
    await plaza.mongo.seals.ready()
    walk = _Walk(plaza, owner)
    if isinstance(at, Newer):
        found = await _newer(walk, at, limit)
    else:
        found = await _older(walk, at, limit)
    if walk.looked:
        await _keep(plaza, owner, walk.timeline)
    return found


async def _keep(plaza: Plaza, owner: str, timeline: Timeline | None) -> None:
    try:
        if timeline is None or timeline.active_at <= clock.now() - timelines.ACTIVE:
            await plaza.commit(timelines.want, owner)
        else:
            await timelines.touch(plaza.mongo, timeline)
    except Unavailable:
        return  # the next read says it again


class _Walk:
    """The way of a request through a timeline."""

    def __init__(self, plaza: Plaza, owner: str) -> None:
        self.plaza = plaza
        self.mongo = plaza.mongo
        self.owner = owner
        self.looked = False
        self.timeline: Timeline | None = None

    @property
    def floor(self) -> str:
        """The place from which upwards entries are complete."""
        return self.timeline.floor if self.timeline and self.timeline.kept else timelines.NOTHING

    async def older(self, at: Older, most: int) -> tuple[Found, bool]:
        """Return lines below a place, and whether any of them was looked for beyond the entries."""
        if at.beyond:
            return await scroll_cache.older(self.plaza, self.owner, at, most), True
        span = Span(at.place, older=True, most=most)
        entries, merged = await self._look(span, span)
        if entries.ended and self.floor != timelines.ALL:
            return together(True, entries, await sources.followed(self.mongo, self.owner, span)), True
        return together(True, entries, merged), False

    async def until(
        self, look: Look, limit: int, *, most: int, wants: Callable[[Line], bool] = lambda _: True
    ) -> tuple[list[Line], list[Shown]]:
        """Return the lines that were looked at, and which of them are shown: more than `limit`, or all there are.

        `look` returns up to so many lines beyond those looked at before; `wants` says which of them may be shown.
        """
        looked: list[Line] = []
        shown: list[Shown] = []
        async with pacing(self.mongo) as pause:
            while True:
                found = await look(looked, most)
                looked += found.lines
                shown += await self.show([each for each in found.lines if wants(each)])
                if len(shown) > limit or found.ended:
                    return looked, shown
                await pause()
                most = min(most * GROWS, MOST_AT_ONCE)

    def on(self, last: str, beyond: bool, looked: Sequence[Line], most: int = 0) -> Older:
        """Return the cursor to go on with below a place, perhaps with more lines than a scroll finds at once."""
        if beyond and last <= self.floor:
            return Older(last, True, scroll_cache.near(looked, most))
        return Older(last)

    def sealed(self, at: Older | Newer) -> str:
        """Return a place, as a client gets it."""
        return self.mongo.seals.seal(cursors.pack(at), (LIST, self.owner))

    async def newer(self, at: Newer, after: str, most: int) -> Found:
        """Return lines above a place, and those below it that came in late: the oldest first, from above `after`."""
        since = at.since - clock.SETTLES
        late = {"arrived": {"$gte": since}, "place": {"$gt": after}}
        made = Span(max(after, min(at.place, clock.first_id(since))), older=False, most=most)
        entries, merged = await self._look(Span(max(after, at.place), older=False, most=most), made, late)
        if at.place < self.floor:
            merged = await sources.followed(self.mongo, self.owner, made)
        return together(False, entries, merged)

    async def show(self, lines: Sequence[Line]) -> list[Shown]:
        """Return lines as their owner sees them, without posts that are deleted or not for them to see."""
        reading = access.posts(
            self.mongo, dict.fromkeys(line.post_id for line in lines), viewer=self.owner, muted=False, fresh=False
        )
        if any(line.reposts for line in lines):
            found, bringers = await asyncio.gather(reading, sources.bringers(self.mongo, self.owner, lines))
        else:
            found, bringers = await reading, {}
        seen = {each.post["_id"]: each for each in found}
        shown = []
        for line in lines:
            each = seen.get(line.post_id)
            by = next((bringers[who] for who in line.reposts if who in bringers), None)
            if each and self._belongs(line, each, by):
                shown.append(
                    (line, FeedPost.model_construct(**publishing.fields(each), place=line.place, reposted_by=by))
                )
        return shown

    def _belongs(self, line: Line, seen: SeenPost, by: UserRef | None) -> bool:
        """Return whether a post is here for its author, or, if they are not followed, for a person who reposted it."""
        mine = seen.follows or seen.author["_id"] == self.owner
        return (by is not None and not mine) if line.reposts else mine

    async def _look(self, span: Span, made: Span, late: Where | None = None) -> tuple[Found, Found]:
        """Return the entries, on the way down as far as they are complete, and the merged lines."""
        self.timeline, found = await asyncio.gather(timelines.of(self.mongo, self.owner), self._entries(span, late))
        merged = await sources.merged(self.mongo, self.timeline, made)
        self.looked = True
        if span.older and (whole := [line for line in found.lines if line.place >= self.floor]) != found.lines:
            found = Found(whole, True)
        return found, merged

    async def _entries(self, span: Span, late: Where | None) -> Found:
        """Return entries; those of the newest page are remembered until somebody changes them."""

        async def read() -> Found:
            return await sources.entries(self.mongo, self.owner, span, late)

        if late or span.most > MOST_REMEMBERED or span != Span(TOP, older=True, most=span.most):
            return await read()
        found: Found = await self.plaza.lines.get(self.owner, span.most, read)
        return found


async def _older(walk: _Walk, at: Older | None, limit: int) -> Feed:
    beyond = False

    async def look(looked: Sequence[Line], most: int) -> Found:
        nonlocal beyond
        below = walk.on(looked[-1].place, beyond, looked, most) if looked else at or Older(TOP)
        found, beyond = await walk.older(below, most)
        return found

    _, shown = await walk.until(look, limit, most=limit + 1)
    more, shown = len(shown) > limit, shown[:limit]
    if not shown:
        return Feed(items=[])
    lines = [line for line, _ in shown]
    since, top, last = _last_arrived(lines), lines[0].place, lines[-1].place
    bottom, seen = _recent(lines, since, last if more else "", top)
    return Feed(
        items=[post for _, post in shown],
        next=walk.sealed(walk.on(last, beyond, lines)) if more else None,
        prev=walk.sealed(Newer(top, bottom, since, seen)),
    )


async def _newer(walk: _Walk, at: Newer, limit: int) -> Feed:
    async def look(looked: Sequence[Line], most: int) -> Found:
        return await walk.newer(at, looked[-1].place if looked else at.bottom, most)

    def wants(line: Line) -> bool:
        return line.place > at.place or _is_late(line, at)

    looked, shown = await walk.until(look, limit, most=limit + 1 + len(at.seen), wants=wants)
    full, shown = len(shown) > limit, shown[:limit]
    if not shown:
        return Feed(items=[], prev=walk.sealed(at))
    last = shown[-1][0].place
    places = {line.place for line, _ in shown}
    known = [each for each in looked if each.place in places or cursors.fingerprint(each.place) in at.seen]
    if last <= at.place and full:
        prev = _amid_late(at, last, known, places)
    else:
        since, top = max(at.since, _last_arrived(line for line, _ in shown)), max(at.place, last)
        bottom, seen = _recent(known, since, at.bottom, top)
        prev = Newer(top, bottom, since, seen)
    fresh = [line.place for line, _ in shown if line.place > at.place]
    return Feed(
        items=[post for _, post in reversed(shown)],
        next=walk.sealed(Older(fresh[0] if fresh else shown[0][0].place)),
        prev=walk.sealed(prev),
    )


def _is_late(line: Line, at: Newer) -> bool:
    late = line.place > at.bottom and line.arrived >= at.since - clock.SETTLES
    return late and cursors.fingerprint(line.place) not in at.seen


def _amid_late(at: Newer, last: str, looked: Sequence[Line], shown: set[str]) -> Newer:
    """Return where to go on when late lines alone fill a page, up to `last`: others are still to come."""
    seen = at.seen | {cursors.fingerprint(each) for each in shown}
    if shown and len(seen) <= cursors.MOST_SEEN:
        return at._replace(seen=seen)
    return at._replace(
        bottom=last, seen=at.seen - {cursors.fingerprint(each.place) for each in looked if each.place <= last}
    )


def _last_arrived(lines: Iterable[Line]) -> datetime:
    """Return when the last line came in, for a cursor to go on from: the time of day would change each entity tag."""
    return min(max(line.arrived for line in lines), clock.now())  # one of a clock that is ahead would hide what comes


def _recent(lines: Iterable[Line], since: datetime, bottom: str, top: str) -> tuple[str, frozenset[int]]:
    """Return which of these lines had just come in, so that they count as seen, and up to which place all does."""
    just = {line.place for line in lines if bottom < line.place <= top and line.arrived >= since - clock.SETTLES}
    newest = sorted(just, reverse=True)
    seen = frozenset(cursors.fingerprint(each) for each in newest[: cursors.MOST_SEEN])
    return newest[cursors.MOST_SEEN] if len(newest) > cursors.MOST_SEEN else bottom, seen
