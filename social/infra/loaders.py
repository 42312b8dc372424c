"""Loaders: point reads by id that are asked for at the same time share one command.

All `get`s of one turn of the event loop become one `$in` per collection and projection; what is asked for while that
is in flight gathers for the next one. A read that begins after a commit returned is therefore sent after it: it sees
the write. `aiodataloader` has this shape, but no bound on what waits, and its batch fails or succeeds as a whole.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

from social.contracts.problems import Unavailable
from social.infra import metrics

Document = dict[str, Any]
Waiter = asyncio.Future[Document | None]
Fetch = Callable[[str, Sequence[str], Sequence[str] | None], Awaitable[list[Document]]]

MOST_IDS = 64  # in one command; a Python store answers 16 ids in 1.3 ms and 64 in 6.7 ms, a network round trip is alike
MOST_WAITING = 4_096  # ids of one collection: what is asked for beyond them is refused at once
IN_FLIGHT = 2  # commands of one collection: while one is answered the next is on its way


class Loader:
    """The point reads of one collection and projection."""

    def __init__(self, name: str, fields: Sequence[str] | None, fetch: Fetch) -> None:
        self._name, self._fields, self._fetch = name, fields, fetch
        self._wanted: dict[str, list[Waiter]] = {}
        self._running = 0
        self._scheduled = False

    async def get(self, id_: str) -> Document | None:
        """The document with this id, a copy of the caller's own, or None; raises Unavailable."""
        found = await self._ask(id_)
        return None if found is None else dict(found)

    async def get_many(self, ids: Iterable[str]) -> dict[str, Document]:
        """Those of the documents with these ids that exist, by id, in the order of the ids; raises Unavailable."""
        waiters = {id_: self._ask(id_) for id_ in dict.fromkeys(ids)}
        try:
            return {id_: dict(found) for id_, each in waiters.items() if (found := await each) is not None}
        finally:
            for each in waiters.values():  # after a failure or a cancellation nobody waits for the others
                if not each.cancel() and not each.cancelled():
                    each.exception()

    def _ask(self, id_: str) -> Waiter:
        waiters = self._wanted.get(id_)
        if waiters is None:
            if len(self._wanted) >= MOST_WAITING:
                raise Unavailable("Too many reads wait for the store; try again later")
            waiters = self._wanted[id_] = []
        loop = asyncio.get_running_loop()
        if not self._scheduled and self._running < IN_FLIGHT:
            self._scheduled = True
            # In a context of its own: the deadline and the trace of whoever asks first are not the others'.
            loop.call_soon(self._start, context=contextvars.Context())
        waiter: Waiter = loop.create_future()
        waiters.append(waiter)
        return waiter

    def _start(self) -> None:
        self._scheduled = False
        while self._wanted and self._running < IN_FLIGHT:
            batch = self._next()
            if batch:
                self._running += 1
                task = asyncio.get_running_loop().create_task(self._run(batch), name=f"loader {self._name}")
                task.add_done_callback(self._ended)

    def _next(self) -> dict[str, list[Waiter]]:
        """The next ids that somebody still waits for: a request that ended meanwhile costs the store nothing."""
        batch: dict[str, list[Waiter]] = {}
        while self._wanted and len(batch) < MOST_IDS:
            id_ = next(iter(self._wanted))
            waiting = [each for each in self._wanted.pop(id_) if not each.done()]
            if waiting:
                batch[id_] = waiting
        return batch

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running -= 1
        if not task.cancelled():
            self._start()

    async def _run(self, batch: dict[str, list[Waiter]]) -> None:
        metrics.LOADER_BATCH.labels(collection=self._name).observe(len(batch))
        try:
            found = {row["_id"]: row for row in await self._fetch(self._name, list(batch), self._fields)}
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, Unavailable):  # one of the ids is at fault: find it
                for id_, waiters in batch.items():
                    await self._run({id_: waiters})
                return
            for waiter in _still(batch.values()):
                waiter.set_exception(error)
            return
        except BaseException:
            for waiter in _still(batch.values()):
                waiter.cancel()
            raise
        for id_, waiters in batch.items():
            for waiter in _still([waiters]):
                waiter.set_result(found.get(id_))


def _still(lists: Iterable[list[Waiter]]) -> Iterator[Waiter]:
    return (waiter for waiters in lists for waiter in waiters if not waiter.done())


class Loaders:
    """A loader for each collection and projection that is read by id."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._loaders: dict[tuple[str, Sequence[str] | None], Loader] = {}

    def of(self, collection: str, fields: tuple[str, ...] | None = None) -> Loader:
        """The loader of a collection; `fields` names what is read of its documents, `_id` always with it."""
        loader = self._loaders.get((collection, fields))
        if loader is None:
            loader = self._loaders[collection, fields] = Loader(collection, fields, self._fetch)
        return loader

    async def many(
        self, collection: str, ids: Iterable[str], fields: tuple[str, ...] | None = None
    ) -> dict[str, Document]:
        """The documents with these ids that exist, by id, in the order of the ids."""
        return await self.of(collection, fields).get_many(ids)
