"""Clocks that are wrong: of a process, for as long as it does something; and of the document store."""

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
    """What is done in here, and the tasks that begin here, has a clock that is so far ahead, or behind where negative.

    Everything else in this process goes by the right one, as another machine does. It needs the fixture `skew`.
    """
    token = _ahead.set(timedelta(seconds=seconds))
    try:
        yield
    finally:
        _ahead.reset(token)


@pytest.fixture
def skew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets `clock_ahead` have its way."""
    monkeypatch.setattr(clock, "now", _now)
