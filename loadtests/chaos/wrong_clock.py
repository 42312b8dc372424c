"""Run a program of Plaza with a clock that a file steps: wrong_clock.py <file with seconds> <module>.

The clock of the product, of its tokens and of `time.time` is wrong; timers stay right, as on a machine whose clock is
stepped. libfaketime is no way here: with right timers it makes Python's sleeps fail.
"""

import runpy
import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import jwt.api_jwt

from social.infra import clock

LOOKS_EVERY_S = 0.2


class WrongClock:
    """The difference that a file names, which is read a few times a second."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._next = 0.0
        self._seconds = 0.0

    def seconds(self) -> float:
        """Return how far the clock is ahead now."""
        if time.monotonic() > self._next:
            self._next = time.monotonic() + LOOKS_EVERY_S
            self._seconds = float(self._file.read_text() or 0)
        return self._seconds


def install(wrong: WrongClock) -> None:
    """Let this process see the wrong time."""
    right_now, right_time = clock.now, time.time

    class Datetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Datetime":
            return cls.fromtimestamp(right_time() + wrong.seconds(), tz)

    clock.now = lambda: right_now() + timedelta(seconds=wrong.seconds())
    time.time = lambda: right_time() + wrong.seconds()
    vars(jwt.api_jwt)["datetime"] = Datetime


if __name__ == "__main__":
    file, module = sys.argv[1:]
    install(WrongClock(Path(file)))
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__")
