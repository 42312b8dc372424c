"""Which workers live, and which part of shared work is whose: a hint that spreads it, never what makes it correct.

Each process says every few seconds that it lives, by a number that grows; whoever sees it grow believes it for a while,
by its own clock. All compute from that who does which part. They may disagree for a moment, or nobody may know while
the store is away: then all goes on as it is, since queues and leases see to it that each part is done by one.
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
LIVES_S = 10.0  # since it was last seen to grow
PARTITIONS = "partitions"  # the row that says up to which partition anybody has published

Owners = Mapping[int, str | None]  # by part: None is this process, everything else a name for another one


@dataclass(eq=False)
class _Joined:
    """A kind of work that this process does a share of."""

    parts: int
    changed: Callable[[Owners], None]
    places: Mapping[int, int]  # of each part, how often this process has gone to the end of its line
    grows: bool  # with the partitions that are published to
    name: str = field(default_factory=clock.new_id)  # a new one each time it is taken up


class _Seen(NamedTuple):
    """Another process as it was seen to live: when, and what it does."""

    beat: int
    at: float
    works: Mapping[str, Work]

    def name(self, work: str, part: int) -> str:
        """Who it is in the line for a part: another name for each time that it goes to the end."""
        does = self.works[work]
        return f"{does['name']} {does['places'].get(str(part), 0)}"


class Members:
    """The workers that live, as this process knows them."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._id = clock.new_id()
        self._beat = 0
        self._joined: dict[str, _Joined] = {}
        self._seen: dict[str, _Seen] = {}
        self._published = 0  # up to so many partitions, whoever did
        self._sooner = asyncio.Event()
        self._told = False

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
        """Do a share of this work, of so many parts; `changed` is called with whose they are.

        `places`: where those who do a part stand in line, how often this process has gone to the end of each line.
        `grows`: the parts are partitions, of which there may be more, since others publish to more.
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
        """Whether no other process is known to do any of this work."""
        return not any(work in seen.works for seen in self._seen.values())

    async def run(self) -> None:
        """Say that this process lives, and look who else does, as long as it takes part in anything."""
        try:
            while True:
                self._sooner.clear()
                if self._joined or self._told:
                    try:
                        await self.look()
                    except Unavailable as error:
                        log.debug("parts stay whose they are", error=repr(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_S if self._joined else None):
                        await self._sooner.wait()
        finally:
            await self._leave()

    async def look(self) -> None:
        """Say that it lives, look who else does, and pass on what changed; raises Unavailable."""
        self._beat += 1
        works = {
            work: {"name": joined.name, "places": {str(part): times for part, times in joined.places.items()}}
            for work, joined in self._joined.items()
        }
        row = {"beat": self._beat, "works": works, "at": clock.now()}
        await self._mongo.update(WORKERS, {"_id": self._id}, {"$set": row}, upsert=True)
        self._told = bool(works)
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
        if self._told:
            with contextlib.suppress(Unavailable, TimeoutError):  # then it is over by itself
                async with asyncio.timeout(1):
                    await self._mongo.delete(WORKERS, {"_id": self._id})


async def publishes_to(mongo: Mongo, partitions: int) -> None:
    """Have all workers consume so many partitions, also those that were told of fewer; raises Unavailable."""
    await mongo.update(WORKERS, {"_id": PARTITIONS}, {"$max": {"most": partitions}}, upsert=True)


def assigned(work: str, parts: int, members: Collection[str]) -> dict[int, str]:
    """Whose each part is: as even as it can be, and by rendezvous hashing among those who have least.

    The same for all who know the same members.
    """
    has: Counter[str] = Counter()
    owners: dict[int, str] = {}
    for part in range(parts):
        least = min(has[each] for each in members)
        free = [each for each in members if has[each] == least]
        owners[part] = max(free, key=lambda each: (zlib.crc32(f"{work} {part} {each}".encode()), each))
        has[owners[part]] += 1
    return owners
