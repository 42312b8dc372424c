"""Tests in simulated time: the loop's clock jumps to the next timer, so that no busy machine delays anything."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Jumps(selectors.DefaultSelector):  # type: ignore[misc] # a class that differs between systems
    """A selector that lets the time pass for which it should wait."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everything waits, and for no timer"
        self.passed_s += max(0.0, timeout)
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only where everything waits; nothing in it may wait for the world outside."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._jumps.passed_s


def simulated(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in simulated time."""

    @functools.wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
            runner.run(test())

    return run
