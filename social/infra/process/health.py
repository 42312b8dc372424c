"""Liveness, readiness and metrics, at the same paths in every process."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from aiohttp import web

from social.contracts.codec import decode, encode
from social.infra.observe import metrics

CHECK_DEADLINE_S = 2.0
JSON = "application/json"

Check = Callable[[], Awaitable[None]]


class Health:
    """Health of a process: alive while the loop turns, ready while every check passes and it is not stopping."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self.stopping = False
        self._starting = False

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Report "not ready" meanwhile, whatever the checks say."""
        self._starting = True
        try:
            yield
        finally:
            self._starting = False

    async def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, content type and body for `/livez`, `/readyz` or `/metrics`."""
        if path == "/metrics":
            return 200, metrics.CONTENT_TYPE, metrics.exposition()
        if path == "/livez":
            return 200, JSON, encode({"status": "alive"})
        if path != "/readyz":
            return 404, JSON, encode({"status": "no such page"})
        results = await asyncio.gather(*(self._run(check) for check in self._checks.values()))
        checks = dict(zip(self._checks, results, strict=True))
        ready = not (self.stopping or self._starting) and all(result == "ok" for result in results)
        now = "stopping" if self.stopping else "starting" if self._starting else "not ready"
        status = "ready" if ready else now
        return 200 if ready else 503, JSON, encode({"status": status, "checks": checks})

    @staticmethod
    async def _run(check: Check) -> str:
        try:
            async with asyncio.timeout(CHECK_DEADLINE_S):
                await check()
        except Exception as error:
            return str(error) or type(error).__name__
        return "ok"

    def routes(self, *, public: bool = False) -> list[web.RouteDef]:
        """Return the routes of these paths for an aiohttp application; `public` ones say no metrics and no reasons."""

        async def handler(request: web.Request) -> web.Response:
            status, content_type, body = await self.answer(request.path)
            if public:
                body = encode({"status": decode(body)["status"]})
            return web.Response(status=status, body=body, headers={"Content-Type": content_type})

        return [web.get(path, handler) for path in ("/livez", "/readyz", *(() if public else ("/metrics",)))]
