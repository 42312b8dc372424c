"""Structured logs: one event per outcome, carrying the request id it belongs to."""

import logging
import sys
from typing import Literal

import structlog


def configure(process: str, style: Literal["console", "json"] = "console", level: str = "info") -> None:
    """Send this process's logs to standard output: lines for people, or JSON."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the default shows locals: passwords and tokens
        )
        if style == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info if style == "json" else _keep,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stdout)
    for chatty in ("aio_pika", "aiormq"):  # each failed reconnect is logged by our own broker, once
        logging.getLogger(chatty).setLevel(logging.CRITICAL)


def _keep(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event


def get(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger that names its part of the system."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=name)
    return logger


def bind_trace(trace: str | None) -> None:
    """From here on in this task, logs and recorded events belong to this request."""
    structlog.contextvars.bind_contextvars(trace=trace)


def current_trace() -> str | None:
    """The request id this task works for."""
    trace = structlog.contextvars.get_contextvars().get("trace")
    return trace if isinstance(trace, str) else None
