"""A circuit breaker: after a failure no attempt is made for a while."""

import time


class Breaker:
    """A breaker that is open for `rest_s` seconds after each failure; while it is open nothing is attempted."""

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether the last failure is so recent that no attempt is made."""
        return self.left_s > 0

    @property
    def left_s(self) -> float:
        """Return the seconds until the next attempt may be made; 0 when it may be made now."""
        return max(0.0, self._open_until - time.monotonic())

    def trip(self) -> None:
        """Record a failure: the breaker is open for `rest_s` from now."""
        self._open_until = time.monotonic() + self._rest_s
