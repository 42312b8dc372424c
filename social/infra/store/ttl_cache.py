"""What a process read a moment ago and need not ask for again: bounded, never older than two seconds."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

from social.infra import clock

MOST = 10_000
FRESH_S = 2.0


class TtlCache:
    """Documents by key, for two seconds from the moment they were asked for; the oldest makes room.

    Whoever changes a document forgets it here once that is committed. What was asked for before, and is answered
    after, is not kept: nobody finds the old state here once the change is known to this process.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, datetime, Any]] = {}
        self._reading: set[Reading] = set()

    def get(self, key: str, since: datetime | None = None) -> Any:
        """The document under this key, if it is fresh, and where `since` is given was asked for after that."""
        kept = self._kept.get(key)
        if kept is None or kept[0] <= time.monotonic() or (since is not None and kept[1] <= since):
            return None
        return kept[2]

    def reading(self, *keys: str) -> "Reading":
        """Begin to read what belongs under these keys: what is read inside the `with` may be kept."""
        return Reading(self, keys)

    def forget(self, keys: Iterable[str]) -> None:
        """What is under these keys is different now."""
        for key in keys:
            self._kept.pop(key, None)
            for reading in self._reading:
                reading.keys.discard(key)


class Reading:
    """Reads under way, whose answers are kept unless they were changed meanwhile."""

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
        """Keep what was read; nobody changes it from here on."""
        if key in self.keys:
            kept = self._cache._kept
            kept.pop(key, None)
            kept[key] = self._until, self._asked_at, document
            for _ in range(2):  # oldest first: what nobody can find any more goes, so this holds two seconds' worth
                oldest = next(iter(kept))
                if len(kept) > MOST or kept[oldest][0] <= time.monotonic():
                    del kept[oldest]
