"""Structured logs: an event per outcome, on one line, with the id of its request."""

import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from types import TracebackType
from typing import Any, TextIO

import structlog

from social.infra.observe import metrics
from social.infra.settings import LogSettings, StartError

# A request id; where the request is traced, also `/` and the rest of its W3C traceparent.
_trace: ContextVar[str | None] = ContextVar("trace", default=None)

KIND_EVERY_S = 1.0  # a traceback has 2 KB, and a client that finds out how to cause it can cause thousands a second
MOST_KINDS = 1_000

_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def configure(process: str, settings: LogSettings) -> None:
    """Send the log of this process to standard output, and to its file if it has one; raises StartError."""
    console = settings.log_style == "console"
    outputs = _Outputs(process, _Lines(settings) if settings.log_file else None, console=console)
    structlog.configure(
        processors=[outputs],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    logging.root.handlers = [*(each for each in logging.root.handlers if not isinstance(each, _Others)), _Others()]
    logging.root.setLevel(logging.WARNING)
    for chatty in ("aio_pika", "aiormq"):  # each failed reconnect is logged by our own broker, once
        logging.getLogger(chatty).setLevel(logging.CRITICAL)


class _Outputs:
    """The outputs of an event: a readable or JSON line on standard output, and a JSON line in the file."""

    def __init__(self, process: str, lines: "_Lines | None", *, console: bool) -> None:
        self._process, self._lines = process, lines
        self._kinds = _Kinds()
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        self._console = (
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=_write_traceback)
            if console
            else None
        )

    def __call__(self, logger: Any, method: str, event: structlog.typing.EventDict) -> str:
        if "exc_info" in event:
            self._kinds.pass_on(event)
        event = {**structlog.contextvars.get_contextvars(), **event, "process": self._process, "level": method}
        if trace := current_trace():
            event["request_id"], _, parent = trace.partition("/")
            if parent:
                event["trace_id"] = parent.split("-")[0]
        event = self._stamp(logger, method, event)
        if self._lines is None and self._console is None:
            return _json(event)
        line = _json(event) if self._lines or self._console is None else ""
        if self._lines:
            self._lines.write(line)
        return line if self._console is None else self._for_people(logger, method, event)

    def _for_people(self, logger: Any, method: str, event: structlog.typing.EventDict) -> str:
        shown = {name: _visible(value) if isinstance(value, str) else value for name, value in event.items()}
        assert self._console is not None
        return str(self._console(logger, method, shown))


class _Kinds:
    """Limits tracebacks to one a second for each kind, which is the exception and where it was raised."""

    def __init__(self) -> None:
        self._next_at: dict[tuple[Any, ...], float] = {}
        self._left_out: dict[tuple[Any, ...], int] = {}

    def pass_on(self, event: structlog.typing.EventDict) -> None:
        """Add how many events of its kind were skipped before it; raises structlog.DropEvent for a skipped event."""
        error, at = _raised(event["exc_info"])
        if error is None:
            return
        kind, now = (event.get("part"), error, at), time.monotonic()
        if now < self._next_at.get(kind, 0.0):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            raise structlog.DropEvent
        if len(self._next_at) >= MOST_KINDS:
            self._next_at.clear()
            self._left_out.clear()
        self._next_at[kind] = now + KIND_EVERY_S
        if left_out := self._left_out.pop(kind, 0):
            event["left_out"] = left_out


def _raised(exc_info: Any) -> tuple[type[BaseException] | None, tuple[str, int] | None]:
    """Return the kind of an exception and the line that raised it."""
    error = exc_info if isinstance(exc_info, BaseException) else (sys.exc_info() if exc_info is True else exc_info)[1]
    if not isinstance(error, BaseException):
        return None, None
    last: TracebackType | None = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return type(error), (last.tb_frame.f_code.co_filename, last.tb_lineno) if last else None


def _json(event: structlog.typing.EventDict) -> str:
    """Return an event as a line of JSON: the standard encoder escapes all that is not ASCII, lone surrogates too."""
    if exc_info := event.get("exc_info"):
        event = structlog.processors.format_exc_info(None, "", {**event, "exc_info": exc_info})
    return json.dumps(event, default=repr)


def _visible(text: str) -> str:
    """Escape characters that could end a line or move a terminal's cursor, as Python writes them."""
    return _INVISIBLE.sub(lambda found: found[0].encode("unicode_escape", "backslashreplace").decode(), text)


def _write_traceback(out: TextIO, exc_info: Any) -> None:
    """Write a traceback with every line marked; never the locals, which hold passwords and tokens."""
    for line in "".join(traceback.format_exception(*exc_info)).splitlines():
        out.write(f"\n  | {_visible(line)}")


class _Lines:
    """The log file: a bounded number of files of bounded size. A full disk costs lines, never a request.

    The standard library's handler makes three file system calls a line; they alone take longer than writing it.
    """

    def __init__(self, settings: LogSettings) -> None:
        assert settings.log_file is not None
        self._path, self._most, self._files = settings.log_file, settings.log_file_bytes, settings.log_files
        self._turn = threading.Lock()
        try:
            self._open()
        except OSError as error:
            raise StartError(f"LOG_FILE: cannot write to {settings.log_file}: {error.strerror}") from None

    def write(self, line: str) -> None:
        """Write the line of an event."""
        data = f"{line}\n".encode()
        with self._turn:
            try:
                if self._file.closed:  # the next file could not be opened
                    self._open()
                if self._size + len(data) > self._most:
                    self._put_aside()
                self._size += self._file.write(data)
            except OSError:
                metrics.LOG_LINES_DROPPED.inc()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> None:
        self._file = self._path.open("ab", buffering=0)
        self._size = self._file.tell()

    def _put_aside(self) -> None:
        if not self._size:
            return
        self._file.close()
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._files))]
        for older, newer in reversed(list(pairwise(names))):
            if older.exists():
                older.replace(newer)
        self._open()


class _Others(logging.Handler):
    """Turns log records of libraries into events of ours: their text may come from clients too."""

    def emit(self, record: logging.LogRecord) -> None:
        level = max(logging.DEBUG, min(logging.CRITICAL, record.levelno // 10 * 10))
        log = structlog.get_logger(part=record.name)
        log.log(level, record.getMessage(), **({"exc_info": record.exc_info} if record.exc_info else {}))


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that names its part of the system."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=name)
    return logger


def bind_trace(trace: str | None) -> None:
    """Make logs, recorded events and pushes of this task belong to this request from here on."""
    _trace.set(trace)


def current_trace() -> str | None:
    """Return the request this task works for: its id, and where it is traced `<id>/<trace id>-<span id>-<flags>`."""
    return _trace.get()


@contextmanager
def working_for(trace: str | None) -> Iterator[None]:
    """Make logs, events and pushes in this block belong to this request."""
    token = _trace.set(trace)
    try:
        yield
    finally:
        _trace.reset(token)


def request_id() -> str | None:
    """Return the id of the request this task works for."""
    return (_trace.get() or "").partition("/")[0] or None


def about(traces: Iterable[str | None]) -> dict[str, list[str]]:
    """Return the log fields of an event about several requests: `requests`, their ids, and `traces` of the traced ones.

    Each value once, and at most 100 of either.
    """
    parts = [each.partition("/") for each in traces if each]
    said = {"requests": list(dict.fromkeys(request for request, _, _ in parts))[:100]}
    if traced := list(dict.fromkeys(parent.partition("-")[0] for _, _, parent in parts if parent))[:100]:
        said["traces"] = traced
    return said
