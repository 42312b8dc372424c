"""Loaders: concurrent point reads by id share one command.

All reads of one turn of the event loop become one `$in` per collection and projection; reads that come while it is in
flight gather for the next command. A read that begins after a commit returned is therefore sent after it and sees the
write. `aiodataloader` has this shape, but does not bound the waiting reads, and its batch fails or succeeds as a whole.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar, overload

from social.contracts.problems import Unavailable
from social.infra.observe import logs, metrics
from social.infra.store.rows import Collection, Document, Row

Fetch = Callable[[str, Sequence[str], Sequence[str] | None], Awaitable[list[Document]]]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

MOST_IDS = 32  # in one command: a Python store compares each id with each document, 16 take 1.3 ms and 64 take 6.7 ms
MOST_RARE = 64  # in one command where few of the ids exist, as of likes: missing ids are compared with nothing
RARE = 0.25  # share of the ids that exist
MOST_WAITING = 4_096  # ids of a collection: more are refused at once
IN_FLIGHT = 2  # commands of a collection: while one is answered the next is on its way


class _Ask:
    """A request of a caller; its future is done when the last of its ids has been read."""

    __slots__ = ("found", "future", "ids", "left", "trace")

    def __init__(self, ids: Sequence[str], future: "asyncio.Future[dict[str, Any]]", trace: str | None) -> None:
        self.ids, self.future, self.trace = ids, future, trace
        self.left = len(ids)
        self.found: dict[str, Any] = {}

    def finish(self) -> None:
        """Return the documents to the caller, in the order of the ids."""
        if not self.future.done():
            found = self.found
            ordered = len(found) < 2
            self.future.set_result(found if ordered else {each: found[each] for each in self.ids if each in found})

    def fail(self, error: BaseException) -> None:
        """Fail the request, because the read of an id failed."""
        if not self.future.done():
            self.future.set_exception(error)


Batch = dict[str, list[_Ask]]


class Loader(Generic[Row]):
    """The point reads of a collection and projection."""

    def __init__(self, name: str, fields: Sequence[str] | None, fetch: Fetch) -> None:
        self._name, self._fields, self._fetch = name, fields, fetch
        self._sizes = metrics.LOADER_BATCH.labels(collection=name)
        self._wanted: Batch = {}
        self._running = 0
        self._scheduled = False
        self._share = 1.0  # share of the recent ids that existed

    async def get(self, id_: str) -> Row | None:
        """Return the document with this id, or None; raises Unavailable."""
        return (await self.get_many((id_,))).get(id_)

    def get_many(self, ids: Iterable[str]) -> "asyncio.Future[dict[str, Row]]":
        """Begin to read the documents with these ids; return those that exist, by id, in the order of the ids.

        A caller that gives up cancels the future: ids that no caller waits for are not sent. The future fails with
        Unavailable where the store is away, or too many ids wait already.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[str, Row]] = loop.create_future()
        asked = tuple(dict.fromkeys(ids))
        if not asked:
            future.set_result({})
        elif self._wanted and self._too_many(asked):
            future.set_exception(Unavailable("Too many reads wait for the store; try again later"))
        else:
            ask = _Ask(asked, future, logs.current_trace())
            wanted = self._wanted
            for id_ in asked:
                if id_ in wanted:
                    wanted[id_].append(ask)
                else:
                    wanted[id_] = [ask]
            if not self._scheduled and self._running < IN_FLIGHT:
                self._scheduled = True
                # In its own context: the deadline and the trace of the first caller are not those of the others.
                loop.call_soon(self._start, context=contextvars.Context())
        return future

    def _too_many(self, asked: Sequence[str]) -> bool:
        here = len(self._wanted)
        return here + len(asked) > MOST_WAITING and here + sum(map(self._is_new, asked)) > MOST_WAITING

    def _is_new(self, id_: str) -> bool:
        return id_ not in self._wanted

    def _start(self) -> None:
        self._scheduled = False
        while self._wanted and self._running < IN_FLIGHT:
            if batch := self._next():
                self._running += 1
                task = asyncio.get_running_loop().create_task(self._run(batch), name=f"loader {self._name}")
                task.add_done_callback(self._ended)

    def _next(self) -> Batch:
        """Return the next ids that a caller still waits for: a cancelled request costs the store nothing."""
        batch: Batch = {}
        most = MOST_RARE if self._share < RARE else MOST_IDS
        while self._wanted and len(batch) < most:
            id_ = next(iter(self._wanted))
            waiting = [each for each in self._wanted.pop(id_) if not each.future.done()]
            if waiting:
                batch[id_] = waiting
        return batch

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running -= 1
        if not task.cancelled():
            task.result()  # it fails only by a bug in this file, which the loop then reports
            self._start()

    async def _run(self, batch: Batch) -> None:
        traces = {ask.trace for asks in batch.values() for ask in asks}
        try:
            with logs.working_for(traces.pop() if len(traces) == 1 else None):
                await self._load(batch)
        except BaseException:  # the process stops: callers get an error instead of waiting for ever
            for asks in batch.values():
                for ask in asks:
                    ask.fail(Unavailable())
            raise

    async def _load(self, batch: Batch) -> None:
        if not batch:
            return
        self._sizes.observe(len(batch))
        try:
            found = {row["_id"]: row for row in await self._fetch(self._name, list(batch), self._fields)}
            self._share += (len(found) / len(batch) - self._share) / 8
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, Unavailable):  # one of the ids is at fault: find it
                for half in _halves(batch):
                    await self._load(half)
                return
            for asks in batch.values():
                for ask in asks:
                    ask.fail(error)
            return
        for id_, asks in batch.items():
            document = found.get(id_)
            for ask in asks:
                if document is not None:
                    ask.found[id_] = document.copy()  # a copy for each caller
                ask.left -= 1
                if not ask.left:
                    ask.finish()


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    """Return both halves of a batch, without requests that were cancelled or failed meanwhile."""
    waiting = [(id_, left) for id_, asks in batch.items() if (left := [ask for ask in asks if not ask.future.done()])]
    middle = len(waiting) // 2
    return dict(waiting[:middle]), dict(waiting[middle:])


class Loaders:
    """The loaders, one for each collection and projection that is read by id."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._loaders: dict[tuple[str, Sequence[str] | None], Loader[Any]] = {}

    def of(self, collection: Collection[Row], fields: tuple[str, ...] | None = None) -> Loader[Row]:
        """Return the loader of a collection; `fields` names the fields that are read, besides `_id`."""
        loader = self._loaders.get((collection, fields))
        if loader is None:
            loader = self._loaders[collection, fields] = Loader(collection, fields, self._fetch)
        return loader


@overload
async def together(a: Awaitable[A], b: Awaitable[B], /) -> tuple[A, B]: ...


@overload
async def together(a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> tuple[A, B, C]: ...


async def together(*reads: Awaitable[Any]) -> tuple[Any, ...]:
    """Return the results of concurrent reads, in order; after a failure it does not wait for the others.

    `get_many` begins when it is called, a coroutine only when it is awaited: put a coroutine first.
    """
    try:
        return tuple([await each for each in reads])
    finally:
        for each in reads:
            if isinstance(each, asyncio.Future):
                if not each.cancel() and not each.cancelled():
                    each.exception()  # retrieved: the caller fails by the first error
            elif isinstance(each, Coroutine):
                each.close()
