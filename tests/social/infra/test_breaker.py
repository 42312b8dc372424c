"""A circuit breaker rests after each failure, and for no longer."""

import pytest

from social.infra.breaker import Breaker


def test_nothing_is_attempted_for_a_while_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    breaker = Breaker(2.0)
    assert not breaker.is_open
    breaker.trip()
    now = 101.5
    assert breaker.is_open
    assert breaker.left_s == pytest.approx(0.5)
    now = 102.0
    assert not breaker.is_open
