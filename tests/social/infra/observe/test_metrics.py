"""The text of a process's metrics: as fresh as possible without delaying the other work of the process."""

import pytest

from social.infra.observe import metrics


def test_requests_without_a_pause_get_the_text_of_a_moment_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    written, now = 0, [100.0]
    monkeypatch.setattr(metrics.time, "monotonic", lambda: now[0])

    def write(_: object) -> bytes:
        nonlocal written
        written += 1
        now[0] += 0.02
        return b"text %d" % written

    monkeypatch.setattr(metrics, "generate_latest", write)
    exposition = metrics._Exposition()
    assert {exposition() for _ in range(100)} == {b"text 1"}
    now[0] += 0.02 * metrics.RESTS * 1.5
    assert exposition() == b"text 2"
