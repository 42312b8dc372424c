"""Spans of requests, where TRACES_SAMPLED is above 0 and the extra `traces` is installed; otherwise nothing at all.

A traced request is one whose `logs.current_trace` has a span behind its id. The trace goes with it through the outbox,
the broker and Redis, so processes that trace nothing pass it on too.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from social.infra.observe import logs
from social.infra.settings import StartError, TraceSettings

if TYPE_CHECKING:
    from social.infra.observe.spans import Kind, Spans


class Span(Protocol):
    """A running span, or a stand-in where nothing is traced."""

    def annotate(self, **attributes: str | int) -> None:
        """Set attributes of the span."""


class _NoSpan:
    def annotate(self, **attributes: str | int) -> None: ...


NO_SPAN: AbstractContextManager[Span] = nullcontext(_NoSpan())
_spans: "Spans | None" = None


def configure(process: str, settings: TraceSettings) -> None:
    """Set up the traces of this process, if its settings ask for them; raises StartError."""
    if not settings.traces_sampled:
        return
    try:
        from social.infra.observe.spans import Spans, exporter
    except ImportError as error:
        raise StartError(f"TRACES_SAMPLED: the extra `traces` is not installed ({error})") from None
    use(Spans(process, settings.traces_sampled, exporter(settings.traces_url)))


def use(spans: "Spans | None") -> None:
    """Make spans with this tracer from here on."""
    global _spans  # noqa: PLW0603 - as logs are: what is done anywhere belongs to the one trace of its request
    _spans = spans


def close() -> None:
    """Send the spans that are left, within 2 s."""
    if _spans is not None:
        _spans.close()


def request(name: str, **attributes: str | int) -> AbstractContextManager[Span]:
    """Start the span of a client's request, which decides whether the request is traced to its last push."""
    return NO_SPAN if _spans is None else _spans.request(name, attributes)


def part(name: str, kind: "Kind" = "internal", **attributes: str | int) -> AbstractContextManager[Span]:
    """Start a span of the request that this task works for."""
    trace = logs.current_trace()
    return NO_SPAN if _spans is None or trace is None or "/" not in trace else _spans.part(name, kind, attributes)


@contextmanager
def parts(kind: "Kind", of: Sequence[tuple[str, str | None]]) -> Iterator[list[str | None]]:
    """Start a span for each of several requests, given by name and trace; yield the traces of their parts, in order."""
    if _spans is None or not any(trace and "/" in trace for _, trace in of):
        yield [trace for _, trace in of]
    else:
        with _spans.parts(kind, of) as traces:
            yield traces
