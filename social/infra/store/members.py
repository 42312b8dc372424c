"""The live workers, and which part of a shared work each does: a hint that spreads the work, not a guarantee.

Each process increments a number in its row every few seconds; the others consider it alive for a while after each
change, by their own clocks. All compute from that which process does which part. They may disagree for a moment, and
while the store is away the shares stay as they are: queues and leases ensure that each part is done by one process.
"""

import asyncio
import contextlib
import time
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from social.contracts.problems import Unavailable
from social.infra import clock
from social.infra.observe import logs
from social.infra.store.mongo import Mongo
from social.infra.store.rows import WORKERS, Work, WorkerRow

log = logs.get("members")

EVERY_S = 2.0
LIVES_S = 10.0  # since its number last grew
PARTITIONS = "partitions"  # the row of the highest number of partitions that a process publishes to

Owners = Mapping[int, str | None]  # by part: None is this process, anything else a name for another


@dataclass(eq=False)
class _Joined:
    """A work that this process does a share of."""

    parts: int
    changed: Callable[[Owners], None]
    places: Mapping[int, int]  # by part, how often this process has gone to the end of its queue
    grows: bool  # with the number of partitions that are published to
    name: str = field(default_factory=clock.new_id)  # a new name each time it is joined


class _Seen(NamedTuple):
    """Another process as last seen: when, and which work it does."""

    beat: int
    at: float
    works: Mapping[str, Work]

    def name(self, work: str, part: int) -> str:
        """Return its name in the queue for a part, which changes each time that it goes to the end."""
        does = self.works[work]
        return f"{does['name']} {does['places'].get(str(part), 0)}"


class Members:
    """The live workers, as this process knows them."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._id = clock.new_id()
        self._beat = 0
        self._joined: dict[str, _Joined] = {}
        self._seen: dict[str, _Seen] = {}
        self._published = 0  # highest number of partitions that any process publishes to
        self._sooner = asyncio.Event()
        self._announced = False

    @contextlib.contextmanager
    def join(
        self,
        work: str,
        parts: int,
        changed: Callable[[Owners], None],
        *,
        places: Mapping[int, int] | None = None,
        grows: bool = False,
    ) -> Iterator[None]:
        """Do a share of a work of so many parts, meanwhile; `changed` is called with the owners of the parts.

        `places`: by part, how often this process has gone to the end of the queue of its consumers.
        `grows`: the parts are partitions, which become more when other processes publish to more.
        """
        joined = self._joined[work] = _Joined(parts, changed, {} if places is None else places, grows)
        self._sooner.set()
        try:
            yield
        finally:
            if self._joined.get(work) is joined:
                del self._joined[work]
            self._sooner.set()

    def alone(self, work: str) -> bool:
        """Return whether no other process is known to do any of this work."""
        return not any(work in seen.works for seen in self._seen.values())

    async def run(self) -> None:
        """Announce this process and read the others every 2 s, while it takes part in any work."""
        try:
            while True:
                self._sooner.clear()
                if self._joined or self._announced:
                    try:
                        await self.refresh()
                    except Unavailable as error:
                        log.debug("shares of work stay as they are", error=repr(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_S if self._joined else None):
                        await self._sooner.wait()
        finally:
            await self._leave()

    async def refresh(self) -> None:
        """Announce this process, read the others, and call those whose shares changed; raises Unavailable."""
        self._beat += 1
        works = {
            work: {"name": joined.name, "places": {str(part): times for part, times in joined.places.items()}}
            for work, joined in self._joined.items()
        }
        row = {"beat": self._beat, "works": works, "at": clock.now()}
        await self._mongo.update(WORKERS, {"_id": self._id}, {"$set": row}, upsert=True)
        self._announced = bool(works)
        rows = {row["_id"]: row for row in await self._mongo.many(WORKERS, {"_id": {"$gt": ""}})}
        published = rows.pop(PARTITIONS, None)
        self._published = published.get("most", 0) if published else 0
        rows.pop(self._id, None)
        self._see(rows)
        for work, joined in list(self._joined.items()):
            joined.changed(self._owners(work, joined))

    def _see(self, rows: Mapping[str, WorkerRow]) -> None:
        now, before = time.monotonic(), self._seen
        self._seen = {id_: _Seen(row["beat"], now, row["works"]) for id_, row in rows.items()}
        self._seen |= {id_: old for id_, old in before.items() if id_ in rows and old.beat == rows[id_]["beat"]}

    def _owners(self, work: str, joined: _Joined) -> Owners:
        since = time.monotonic() - LIVES_S
        others = {id_: seen for id_, seen in self._seen.items() if work in seen.works and seen.at > since}
        parts = max(joined.parts, self._published if joined.grows else 0)
        owners = assigned(work, parts, [*others, self._id])
        return {part: others[id_].name(work, part) if id_ in others else None for part, id_ in owners.items()}

    async def _leave(self) -> None:
        if self._announced:
            with contextlib.suppress(Unavailable, TimeoutError):  # then it is over by itself
                async with asyncio.timeout(1):
                    await self._mongo.delete(WORKERS, {"_id": self._id})


async def announce_partitions(mongo: Mongo, partitions: int) -> None:
    """Make all workers consume at least so many partitions; raises Unavailable."""
    await mongo.update(WORKERS, {"_id": PARTITIONS}, {"$max": {"most": partitions}}, upsert=True)


def assigned(work: str, parts: int, members: Collection[str]) -> dict[int, str]:
    """Return the owner of each part: as evenly as possible, by rendezvous hashing among those who have the fewest.

    Processes that know the same members compute the same owners.
    """
    has: Counter[str] = Counter()
    owners: dict[int, str] = {}
    for part in range(parts):
        least = min(has[each] for each in members)
        free = [each for each in members if has[each] == least]
        owners[part] = max(free, key=lambda each: (zlib.crc32(f"{work} {part} {each}".encode()), each))
        has[owners[part]] += 1
    return owners
