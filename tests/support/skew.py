"""Clocks that are wrong: of a process, during some of its work; and of the document store."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

import pytest

from social.infra import clock

_ahead: ContextVar[timedelta] = ContextVar("ahead", default=timedelta(0))
_right = clock.now


def _now() -> datetime:
    return _right() + _ahead.get()


@contextmanager
def clock_ahead(seconds: float) -> Iterator[None]:
    """Run the block, and the tasks that begin in it, with a clock that is `seconds` ahead, or behind where negative.

    Everything else in this process has the right clock, as another machine would. The fixture `skew` is needed.
    """
    token = _ahead.set(timedelta(seconds=seconds))
    try:
        yield
    finally:
        _ahead.reset(token)


@pytest.fixture
def skew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the clock that `clock_ahead` moves."""
    monkeypatch.setattr(clock, "now", _now)
