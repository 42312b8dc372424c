"""A circuit breaker: after a failure a server is left alone for a while."""

import time


class Breaker:
    """Open for `rest_s` seconds after each failure; while it is open nothing is attempted."""

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the last failure is so recent that no attempt is made."""
        return self.left_s > 0

    @property
    def left_s(self) -> float:
        """Seconds until the next attempt may be made; 0 where it may be made now."""
        return max(0.0, self._open_until - time.monotonic())

    def trip(self) -> None:
        """Record a failure: open for `rest_s` from now."""
        self._open_until = time.monotonic() + self._rest_s
