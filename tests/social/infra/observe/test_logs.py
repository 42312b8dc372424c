"""The content of the logs, and what they must not contain."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from social.infra.observe import logs, metrics
from social.infra.settings import LogSettings, StartError

HOSTILE = [
    'x\n{"level": "info", "event": "admin logged in"}',
    "x\r\n2026-01-01T00:00:00Z [info     ] admin logged in",
    "x\x1b[2J\x1b[1;1H\x1b]0;owned\x07",
    "x\u2028y\u2029z\x85\x0b\x0c\x1c\x1d\x1e",
    "\u202eevil\u202c \x00 \x9b31m",
    "lone \ud800 surrogate",
    "\\n already escaped",
    '"', "'", "=", "a" * 100_000,
]  # fmt: skip


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before, root, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    if lines := getattr(structlog.get_config()["processors"][0], "_lines", None):
        with suppress(OSError):  # /dev/full
            lines.close()
    logging.root.handlers = root
    logging.root.setLevel(level)
    structlog.configure(**before)
    logs.bind_trace(None)


def configure(**settings: Any) -> None:
    logging.root.handlers = []  # pytest's too: it cannot pass what they keep to another process, if it is hostile
    logs.configure("test", LogSettings(**{"log_style": "json", **settings}))


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_logged_failure_says_where_but_never_what_was_in_hand(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(log_style=style)
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


@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_event_is_one_line_for_machines_whatever_is_in_it(
    hostile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(log_file=tmp_path / "log")
    try:
        raise RuntimeError(hostile)
    except RuntimeError:
        logs.get("test").exception(hostile, value=hostile, several=[hostile], raw=hostile.encode("utf-8", "replace"))
    for text in (capsys.readouterr().out, (tmp_path / "log").read_text()):
        (line,) = text.splitlines()
        assert line.isascii()
        event = json.loads(line)
        assert event["event"] == event["value"] == event["several"][0] == hostile
        assert hostile in event["exception"]
        assert event["level"] == "error"


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("library", [False, True])
def test_nobody_writes_lines_of_their_own_or_moves_the_cursor(
    hostile: str, library: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(log_style="console")
    try:
        raise RuntimeError(hostile)
    except RuntimeError:
        if library:
            logging.getLogger("some.library").exception("failed: %s", hostile)
        else:
            logs.get("test").exception(hostile, value=hostile, several=[hostile])
    said = capsys.readouterr().out
    first, *rest = said.splitlines()
    assert all(line.startswith("  | ") for line in rest)
    assert "RuntimeError" in rest[-1] or len(rest) > 3
    assert all(each.isprintable() for each in [first, *rest])
    assert "test" in first or "some.library" in first


def test_what_fails_the_same_way_is_logged_once_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    now = [1_000.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])

    def fail(kind: type[Exception], times: int) -> None:
        for number in range(times):
            try:
                raise kind(number)
            except Exception:
                logs.get("test").exception("failed", number=number)

    def said() -> list[dict[str, object]]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    fail(RuntimeError, 500)
    fail(ValueError, 500)
    logs.get("test").error("failed")  # not with a traceback
    assert [each.get("number") for each in said()] == [0, 0, None]
    now[0] += logs.KIND_EVERY_S
    fail(RuntimeError, 2)
    (again,) = said()
    assert again["left_out"] == 499


def test_kinds_of_failures_are_not_kept_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    for number in range(logs.MOST_KINDS + 10):
        try:
            exec(compile("\n" * number + "raise RuntimeError", "somewhere", "exec"))
        except RuntimeError:
            logs.get("test").exception("failed")
    assert len(capsys.readouterr().out.splitlines()) == logs.MOST_KINDS + 10


def test_what_libraries_say_is_an_event_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logs.bind_trace("r1/0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    logging.getLogger("some.library").warning("%d%% full", 93)
    logging.getLogger("some.library").info("all is well")
    event = json.loads(capsys.readouterr().out)
    assert (event["part"], event["event"], event["level"]) == ("some.library", "93% full", "warning")
    assert (event["request_id"], event["trace_id"]) == ("r1", "0af7651916cd43dd8448eb211c80319c")
    assert event["process"] == "test"


def test_the_file_is_put_aside_and_old_ones_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(log_style="console", log_file=tmp_path / "log", log_file_bytes=10_000, log_files=3)
    for number in range(1_000):
        logs.get("test").info("counted", number=number)
    files = sorted(tmp_path.iterdir())
    assert [each.name for each in files] == ["log", "log.1", "log.2"]
    assert all(each.stat().st_size <= 10_000 for each in files)
    numbers = [json.loads(line)["number"] for each in reversed(files) for line in each.read_text().splitlines()]
    assert numbers == list(range(numbers[0], 1_000))
    assert "counted" in capsys.readouterr().out


def test_a_full_disk_costs_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    configure(log_file=Path("/dev/full"))
    before = metrics.LOG_LINES_DROPPED._value.get()
    logs.get("test").info("hello")
    said = capsys.readouterr()
    assert json.loads(said.out)["event"] == "hello"
    assert said.err == ""
    assert metrics.LOG_LINES_DROPPED._value.get() == before + 1


def test_a_folder_that_went_away_and_came_back_is_written_to_again(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    configure(log_file=folder / "log", log_file_bytes=10_000)
    before = metrics.LOG_LINES_DROPPED._value.get()
    log = logs.get("test")
    folder.rename(tmp_path / "away")
    for _ in range(4):
        log.info("x" * 6_000)
    assert metrics.LOG_LINES_DROPPED._value.get() > before
    folder.mkdir()
    log.info("hello")
    assert json.loads((folder / "log").read_text())["event"] == "hello"


def test_a_file_that_cannot_be_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"^LOG_FILE: cannot write to .*nowhere/log: No such file or directory$"):
        configure(log_file=tmp_path / "nowhere" / "log")


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root file system of a container is read-only."""
    monkeypatch.chdir(tmp_path)
    configure()
    logs.get("test").info("hello")
    assert list(tmp_path.iterdir()) == []


def test_what_is_done_for_several_requests_names_each_once() -> None:
    assert logs.about(["a", None, "b/x-y-01", "a"]) == {"requests": ["a", "b"], "traces": ["x"]}
    assert logs.about([None, "a"]) == {"requests": ["a"]}
    with logs.working_for("a"):
        with logs.working_for("b"):
            assert logs.request_id() == "b"
        assert logs.request_id() == "a"
    assert logs.request_id() is None
