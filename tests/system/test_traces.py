"""A trace goes from a request through outbox, RabbitMQ and Redis to the socket; untraced requests leave nothing."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.eventually import eventually
from support.processes import ROOT
from support.site import Site, system
from support.sockets import QUICK, Wire

from realtime.app import Gateway
from realtime.settings import GatewaySettings
from social.infra.observe import logs, tracing
from social.infra.observe.spans import Spans
from social.infra.settings import StartError, TraceSettings


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def every(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    """Return settings with which all requests are traced."""
    yield from traced(exporter, 1.0)


def traced(exporter: InMemorySpanExporter, share: float) -> Iterator[InMemorySpanExporter]:
    tracing.use(Spans("test", share, SimpleSpanProcessor(exporter)))
    yield exporter
    tracing.close()
    tracing.use(None)


@asynccontextmanager
async def gateway(site: Site) -> AsyncIterator[Gateway]:
    node = Gateway(GatewaySettings(**QUICK), site.plaza, site.keys.verifier, site.tasks)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()


def of_trace(exporter: InMemorySpanExporter, root: ReadableSpan) -> dict[str, ReadableSpan]:
    """Return the spans of a trace by name; of several with one name the first."""
    found: dict[str, ReadableSpan] = {}
    for span in exporter.get_finished_spans():
        if span.context.trace_id == root.context.trace_id:
            found.setdefault(span.name, span)
    return found


def under(span: ReadableSpan, other: ReadableSpan) -> bool:
    return span.parent is not None and span.parent.span_id == other.context.span_id


async def test_a_like_is_one_trace_from_the_request_to_the_socket(
    every: InMemorySpanExporter, mongo_url: str, mongo_database: str, redis_url: str, amqp_url: str
) -> None:
    async with (
        system(mongo_url, mongo_database, redis_url=redis_url, broker_url=amqp_url) as site,
        gateway(site) as node,
        aiohttp.ClientSession() as http,
    ):
        ada, bob = await site.door.register("ada"), await site.door.register("bob")
        post = await ada.publish("hello")
        wire = await Wire(node.port, http).open({"token": ada.tokens.access_token})
        await wire.ask("post.watch", {"post_id": post.id})
        answer = await bob.ask(
            "PUT",
            f"/v1/posts/{post.id}/like",
            headers={"X-Request-ID": "bobs-like", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"},
        )
        assert answer.headers["X-Request-ID"] == "bobs-like"
        await wire.event("notification")
        await wire.event("post.stats")
        (root,) = [span for span in every.get_finished_spans() if span.name == "PUT /v1/posts/{post_id}/like"]

        async def look() -> None:
            spans = of_trace(every, root)
            names = ("commit like", "notifications PostLiked", "counters PostLiked")
            assert {*names, "publish PostLiked", "push to user", "push to post"} <= set(spans)
            commit, notified, counted = (spans[name] for name in names)
            assert under(commit, root)
            assert under(spans["publish PostLiked"], commit)
            assert under(notified, commit)
            assert under(counted, commit)
            assert under(spans["push to user"], notified)
            assert under(spans["push to post"], counted)

        await eventually(look)
        await wire.close()
    assert root.parent is None, "a client does not decide which requests are traced"
    assert f"{root.context.trace_id:032x}" != "a" * 32
    assert root.attributes is not None
    assert dict(root.attributes) == {
        "http.request.method": "PUT",
        "http.route": "/v1/posts/{post_id}/like",
        "http.response.status_code": 200,
    }
    said = repr([(span.name, dict(span.attributes or {}), span.status) for span in every.get_finished_spans()])
    for secret in (ada.password, ada.tokens.access_token, ada.tokens.refresh_token, "hello", post.id):
        assert secret not in said


async def test_a_message_over_a_socket_is_traced_as_a_request_is(every: InMemorySpanExporter, site: Site) -> None:
    async with gateway(site) as node, aiohttp.ClientSession() as http:
        ada = await site.door.register("ada")
        wire = await Wire(node.port, http).open({"token": ada.tokens.access_token})
        assert (await wire.ask("post.create", {"text": "hello"}))["ok"]

        async def look() -> None:
            (root,) = [span for span in every.get_finished_spans() if span.name == "message post.create"]
            spans = of_trace(every, root)
            assert {"commit publish", "feeds PostPublished"} <= set(spans)
            assert under(spans["commit publish"], root)
            assert under(spans["feeds PostPublished"], spans["commit publish"])

        await eventually(look)
        await wire.close()


async def test_a_share_of_requests_is_traced_and_the_others_leave_nothing(
    exporter: InMemorySpanExporter, site: Site
) -> None:
    traces = traced(exporter, 0.5)
    next(traces)
    ada = await site.door.register("ada")
    for _ in range(60):
        await ada.me()
    await site.door.ask("GET", "/livez")
    names = [span.name for span in exporter.get_finished_spans()]
    assert 10 < names.count("GET /v1/users/me") < 50
    assert "GET /livez" not in names
    next(traces, None)


async def test_a_failure_is_named_by_its_kind_alone(every: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), tracing.request("ask"), tracing.part("look"):
        raise ValueError("a secret")
    look, ask = every.get_finished_spans()
    assert look.status.description == ask.status.description == "ValueError"
    assert look.events == ask.events == ()


async def test_what_is_traced_is_passed_on_by_who_traces_nothing(every: InMemorySpanExporter) -> None:
    logs.bind_trace("r1")
    with tracing.request("ask"):
        trace = logs.current_trace()
    assert trace is not None
    assert logs.current_trace() == "r1"
    tracing.use(None)
    with logs.working_for(trace), tracing.request("ask"), tracing.part("look"):
        assert logs.current_trace() == trace
        with tracing.parts("consumer", [("one", trace), ("other", None)]) as traces:
            assert traces == [trace, None]
    for made_up in (f"{trace}x", "r1/", "r1/1-2", "r1/x-y-01", f"r1/{'f' * 40}-{'f' * 16}-01"):
        tracing.use(Spans("test", 1.0, SimpleSpanProcessor(every)))
        with logs.working_for(made_up), tracing.part("look") as span:
            span.annotate(fine=1)
        tracing.close()


def test_who_does_not_ask_for_traces_does_not_import_them() -> None:
    program = (
        "import sys, api.app, realtime.app, workers.app, embedded.app\n"
        "from social.infra.observe import tracing\n"
        "from social.infra.settings import TraceSettings\n"
        "tracing.configure('api', TraceSettings())\n"
        "ours = ('social.infra.observe.spans', 'opentelemetry.sdk.trace',"
        " 'opentelemetry.exporter', 'google.protobuf')\n"
        "sys.exit(', '.join(name for name in ours if name in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_traces_without_their_packages_stop_the_start_with_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "social.infra.observe.spans")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(StartError, match=r"^TRACES_SAMPLED: the extra `traces` is not installed"):
        tracing.configure("api", TraceSettings(traces_sampled=0.1))


def test_a_collector_that_is_away_is_nobody_s_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    tracing.configure("api", TraceSettings(traces_sampled=1, traces_url="http://127.0.0.1:9/v1/traces"))
    try:
        with tracing.request("ask"):
            pass
        tracing.close()
    finally:
        tracing.use(None)
