"""What a request asks the document store for: how often, and how often in a row, whoever shares the commands."""

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
from social.notifications import streams

_shared: ContextVar[bool] = ContextVar("shared", default=False)  # the command of a loader, which its askers count


class Asked(NamedTuple):
    """One question, from the moment it was asked to its answer."""

    name: str
    since: int
    until: int


class Reads:
    """Questions by the request that asked them."""

    def __init__(self) -> None:
        self._asked: dict[str | None, list[Asked]] = defaultdict(list)
        self._moments = itertools.count()

    def of(self, request_id: str) -> list[str]:
        """What one request asked, by the method that it asked by."""
        return [each.name for each in self._asked[request_id]]

    def in_a_row(self, request_id: str) -> int:
        """How many questions of a request waited for the answer to the one before: the longest such chain."""
        length, last = 0, -1
        for each in sorted(self._asked[request_id], key=lambda each: each.until):
            if each.since > last:
                length, last = length + 1, each.until
        return length

    def awaited(self, name: str, ask: Callable[..., Any]) -> Callable[..., Any]:
        """A coroutine that asks, watched."""

        @wraps(ask)
        async def watched(*arguments: Any, **named: Any) -> Any:
            trace, since = current_trace(), next(self._moments)
            try:
                return await ask(*arguments, **named)
            finally:
                if not _shared.get():
                    self._asked[trace].append(Asked(name, since, next(self._moments)))

        return watched

    def begun(self, ask: Callable[..., "asyncio.Future[Any]"]) -> Callable[..., "asyncio.Future[Any]"]:
        """A loader's read, watched: it is asked when it begins, and nothing where nothing was wanted."""

        @wraps(ask)
        def watched(loader: Loader, ids: Any) -> "asyncio.Future[Any]":
            trace, since = current_trace(), next(self._moments)
            future = ask(loader, ids)
            if not future.done():
                note = Asked(f"get {loader._name}", since, 0)
                future.add_done_callback(lambda _: self._asked[trace].append(note._replace(until=next(self._moments))))
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
    """What is asked meanwhile."""
    reads = Reads()
    with ExitStack() as stack:
        for name in ("one", "many", "aggregate", "count", "insert", "update", "delete"):
            stack.enter_context(patch.object(Mongo, name, reads.awaited(name, getattr(Mongo, name))))
        for name in ("position", "since"):
            stack.enter_context(patch.object(streams, name, reads.awaited(name, getattr(streams, name))))
        stack.enter_context(patch.object(GroupCommit, "commit", reads.awaited("commit", GroupCommit.commit)))
        stack.enter_context(patch.object(Loader, "get_many", reads.begun(Loader.get_many)))
        stack.enter_context(patch.object(Mongo, "_by_id", _shares(Mongo._by_id)))
        yield reads
