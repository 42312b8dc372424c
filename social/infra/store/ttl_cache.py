"""A cache of documents that were read a moment ago: bounded, never older than two seconds."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any

from social.infra import clock

MOST = 10_000
FRESH_S = 2.0


class TtlCache:
    """Documents by key, for two seconds from when their read began; the oldest makes room.

    A writer forgets the changed keys after its commit. A read that began before and ends after is not kept: no caller
    finds the old state here once the change is known to this process.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, datetime, Any]] = {}
        self._reading: set[Reading] = set()

    def get(self, key: str, since: datetime | None = None) -> Any:
        """Return the document under this key if it is fresh and, with `since`, was read after that."""
        kept = self._kept.get(key)
        if kept is None or kept[0] <= time.monotonic() or (since is not None and kept[1] <= since):
            return None
        return kept[2]

    def reading(self, *keys: str) -> "Reading":
        """Begin to read these keys: documents that are read inside the `with` may be kept."""
        return Reading(self, keys)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop the documents under these keys, because they changed."""
        for key in keys:
            self._kept.pop(key, None)
            for reading in self._reading:
                reading.keys.discard(key)


class Reading:
    """Reads under way, whose documents are kept unless they changed meanwhile."""

    def __init__(self, cache: TtlCache, keys: Iterable[str]) -> None:
        self.keys = set(keys)
        self._cache = cache
        self._asked_at, self._until = clock.now(), time.monotonic() + FRESH_S

    def __enter__(self) -> "Reading":
        self._cache._reading.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._cache._reading.discard(self)

    def keep(self, key: str, document: Mapping[str, Any]) -> None:
        """Keep a document; callers must not change it from here on."""
        if key in self.keys:
            kept = self._cache._kept
            kept.pop(key, None)
            kept[key] = self._until, self._asked_at, document
            for oldest in list(islice(kept, 2)):  # expired entries go, so this holds two seconds' worth
                if len(kept) > MOST or kept[oldest][0] <= time.monotonic():
                    del kept[oldest]
