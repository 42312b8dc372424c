"""The reads of a request in the document store: how many, and how many in a row, also in shared commands."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, NamedTuple
from unittest.mock import patch

from social.infra.observe.logs import current_trace
from social.infra.store.group_commit import GroupCommit
from social.infra.store.loaders import Loader
from social.infra.store.mongo import Mongo

_shared: ContextVar[bool] = ContextVar(
    "shared", default=False
)  # the command of a loader, which is counted for those who wait for it


class Read(NamedTuple):
    """A read, from its beginning to its answer."""

    name: str
    since: int
    until: int


class Reads:
    """Reads by the request that caused them."""

    def __init__(self) -> None:
        self._reads: dict[str | None, list[Read]] = defaultdict(list)
        self._moments = itertools.count()

    def of(self, request_id: str) -> list[str]:
        """Return the reads of a request, by the method that each used."""
        return [each.name for each in self._reads[request_id]]

    def in_a_row(self, request_id: str) -> int:
        """Return how many reads of a request waited for the one before: the length of the longest such chain."""
        length, last = 0, -1
        for each in sorted(self._reads[request_id], key=lambda each: each.until):
            if each.since > last:
                length, last = length + 1, each.until
        return length

    def awaited(self, name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a coroutine that reads, and record it."""

        @wraps(read)
        async def watched(*arguments: Any, **named: Any) -> Any:
            trace, since = current_trace(), next(self._moments)
            try:
                return await read(*arguments, **named)
            finally:
                if not _shared.get():
                    self._reads[trace].append(Read(name, since, next(self._moments)))

        return watched

    def begun(self, read: Callable[..., "asyncio.Future[Any]"]) -> Callable[..., "asyncio.Future[Any]"]:
        """Wrap a loader's read, and record it from its beginning; a read of nothing is not recorded."""

        @wraps(read)
        def watched(loader: Loader, ids: Any) -> "asyncio.Future[Any]":
            trace, since = current_trace(), next(self._moments)
            future = read(loader, ids)
            if not future.done():
                note = Read(f"get {loader._name}", since, 0)
                future.add_done_callback(lambda _: self._reads[trace].append(note._replace(until=next(self._moments))))
            return future

        return watched


def _shares(load: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(load)
    async def loaded(*arguments: Any) -> Any:
        token = _shared.set(True)
        try:
            return await load(*arguments)
        finally:
            _shared.reset(token)

    return loaded


@contextmanager
def watched() -> Iterator[Reads]:
    """Record the reads in the block."""
    reads = Reads()
    with ExitStack() as stack:
        for name in ("one", "many", "aggregate", "count", "insert", "update", "delete"):
            stack.enter_context(patch.object(Mongo, name, reads.awaited(name, getattr(Mongo, name))))
        stack.enter_context(patch.object(GroupCommit, "commit", reads.awaited("commit", GroupCommit.commit)))
        stack.enter_context(patch.object(Loader, "get_many", reads.begun(Loader.get_many)))
        stack.enter_context(patch.object(Mongo, "_by_id", _shares(Mongo._by_id)))
        yield reads
