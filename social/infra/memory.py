"""What a process read a moment ago and need not ask for again: bounded, and never older than two seconds."""

import time
from typing import Any

MOST = 10_000
FRESH_S = 2.0


class Memory:
    """Documents by key; the one that is kept longest makes room."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    def keep(self, key: str, document: dict[str, Any]) -> None:
        """Remember what was just read."""
        self._kept.pop(key, None)
        self._kept[key] = time.monotonic() + FRESH_S, document
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    def get(self, key: str) -> dict[str, Any] | None:
        """What is remembered, if it is fresh."""
        until, document = self._kept.get(key, (0.0, None))
        return document if time.monotonic() < until else None

    def forget(self, key: str) -> None:
        """It is different now."""
        self._kept.pop(key, None)
