"""What the logs say, and what they must not."""

from collections.abc import Iterator

import pytest
import structlog

from social.infra import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_logged_failure_says_where_but_never_what_was_in_hand(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", style)
    try:
        check(" ".join(["correct", "horse", "battery"]))
    except ValueError:
        logs.get("test").exception("request failed")
    said = capsys.readouterr().out
    assert "request failed" in said
    assert "in check" in said
    assert "correct horse" not in said


def check(password: str) -> None:
    raise ValueError("no good")
