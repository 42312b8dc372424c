"""Spans by OpenTelemetry; only `tracing` imports this module, and only when traces are configured."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from social.infra import clock
from social.infra.observe import logs

Kind = Literal["server", "internal", "producer", "consumer"]
KINDS: Mapping[Kind, SpanKind] = {
    "server": SpanKind.SERVER,
    "internal": SpanKind.INTERNAL,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
CLOSE_MS = 2_000

Attributes = Mapping[str, str | int]


def exporter(url: str) -> SpanProcessor:
    """Return a processor whose thread sends spans to a collector in batches; while it is away they are dropped."""
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=2))


class RecordedSpan:
    """A span whose attributes have the names of OpenTelemetry's conventions: dots where ours have `__`."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def annotate(self, **attributes: str | int) -> None:
        """Set attributes of the span."""
        self._span.set_attributes(_named(attributes))


class Spans:
    """The tracer of this process and its exporter."""

    def __init__(self, process: str, sampled: float, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sampled)),
            resource=Resource.create({"service.name": f"plaza-{process}"}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("plaza")

    def close(self) -> None:
        """Send the spans that are left."""
        self._provider.force_flush(CLOSE_MS)
        self._provider.shutdown()

    @contextmanager
    def request(self, name: str, attributes: Attributes) -> Iterator[RecordedSpan]:
        """Start the first span of a request; a `traceparent` of the client is ignored: it could force tracing."""
        span = self._tracer.start_span(name, kind=SpanKind.SERVER, attributes=_named(attributes))
        with self._in(span, logs.current_trace() or clock.new_id()):
            yield RecordedSpan(span)

    @contextmanager
    def part(self, name: str, kind: Kind, attributes: Attributes) -> Iterator[RecordedSpan]:
        """Start a span under the span that the running task works for."""
        trace = logs.current_trace() or ""
        span = self._tracer.start_span(name, _context(trace), KINDS[kind], _named(attributes))
        with self._in(span, trace):
            yield RecordedSpan(span)

    @contextmanager
    def parts(self, kind: Kind, of: Sequence[tuple[str, str | None]]) -> Iterator[list[str | None]]:
        """Start a span under each of these traces that is traced."""
        spans = [
            self._tracer.start_span(name, _context(trace), KINDS[kind]) if trace and "/" in trace else None
            for name, trace in of
        ]
        try:
            yield [_trace(trace or "", span) if span else trace for (_, trace), span in zip(of, spans, strict=True)]
        except BaseException as error:
            for span in spans:
                if span:
                    _fail(span, error)
            raise
        finally:
            for span in spans:
                if span:
                    span.end()

    @contextmanager
    def _in(self, span: Span, trace: str) -> Iterator[None]:
        if not span.is_recording():
            yield
            return
        try:
            with logs.working_for(_trace(trace, span)):
                yield
        except BaseException as error:
            _fail(span, error)
            raise
        finally:
            span.end()


def _fail(span: Span, error: BaseException) -> None:
    """Mark a span as failed with the kind of its error: the message may hold secrets."""
    span.set_status(StatusCode.ERROR, type(error).__name__)


def _named(attributes: Attributes) -> dict[str, str | int]:
    return {name.replace("__", "."): value for name, value in attributes.items()}


def _trace(trace: str, span: Span) -> str:
    context = span.get_span_context()
    return f"{trace.partition('/')[0]}/{context.trace_id:032x}-{context.span_id:016x}-01"


def _context(trace: str) -> Context | None:
    """Return the span behind a trace as a parent, or None for an invalid trace."""
    try:
        trace_id, span_id, _ = trace.partition("/")[2].split("-")
        parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1))
    except ValueError:
        return None
    return set_span_in_context(NonRecordingSpan(parent))
