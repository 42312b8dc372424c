"""A private OpenTelemetry collector: takes the traces of processes, by OTLP over HTTP."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Collector:
    """The spans that were sent, by their trace: the service that made each, and its name."""

    def __init__(self) -> None:
        self.port = 0
        self.spans: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)

    @property
    def url(self) -> str:
        """Return the value of TRACES_URL."""
        return f"http://127.0.0.1:{self.port}/v1/traces"

    async def take(self, request: web.Request) -> web.Response:
        """Take spans of a process."""
        for group in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            said = {each.key: each.value.string_value for each in group.resource.attributes}
            for span in (span for scope in group.scope_spans for span in scope.spans):
                self.spans[span.trace_id.hex()].add((said["service.name"], span.name))
        return web.Response(body=ExportTraceServiceResponse().SerializeToString())


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Yield a collector that listens."""
    collector, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        collector.port = runner.addresses[0][1]
        yield collector
    finally:
        await runner.cleanup()
