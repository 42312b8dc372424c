"""The connections that were opened within a moment: each asks soon for a place, of which there may be few."""

import time
from collections.abc import Callable

MOMENT_S = 0.1  # about what a client needs until its CONNECT is here


class Openings:
    """Counts openings, so that no more clients are let in than there are places for.

    Whoever opens a connection and asks for nothing holds no place: the count begins anew each moment.
    """

    def __init__(self) -> None:
        self.places: Callable[[], int] | None = None  # that are free; None: as many as come
        self._count = 0
        self._began = 0.0

    def note(self) -> None:
        """Count a connection that was opened."""
        self._count += 1

    def may_begin(self) -> bool:
        """Return whether one more connection may be opened now."""
        if self.places is None:
            return True
        now = time.monotonic()
        if now >= self._began + MOMENT_S:
            self._count, self._began = 0, now
        return self._count < self.places()
