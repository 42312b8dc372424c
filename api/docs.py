"""`/docs`: Swagger UI from local files, for all services or one, the socket's events, and the documents behind them."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from importlib.resources import files

from aiohttp import web

from api import compression, conditional, event_pages
from api.openapi import document
from api.routing import Service
from social import asyncapi
from social.contracts.codec import encode

_Handler = Callable[[web.Request], Awaitable[web.Response]]

ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plaza — {title}</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/swagger-ui-standalone-preset.js"></script>
<script>
  SwaggerUIBundle({{
    url: "{document}", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: true,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  }});
</script>
</body>
</html>
"""


def add_docs(app: web.Application, services: Sequence[Service]) -> None:
    """Serve the documents and the pages that show them; each is made once."""
    static = files("swagger_ui") / "static"
    for name, content_type in ASSETS.items():
        app.router.add_get(f"/docs/assets/{name}", _fixed((static / name).read_bytes(), content_type, age_s=86_400))
    app.router.add_get("/openapi.json", _fixed(encode(document(services)), "application/json"))
    app.router.add_get("/docs", _page("all services", "/openapi.json"))
    events = asyncapi.document()
    app.router.add_get("/asyncapi.json", _fixed(encode(events), "application/json"))
    app.router.add_get("/docs/events", _fixed(event_pages.page(events).encode(), "text/html"))
    for service in services:
        path = f"/openapi/{service.name}.json"
        app.router.add_get(path, _fixed(encode(document([service])), "application/json"))
        app.router.add_get(f"/docs/{service.name}", _page(service.says, path))
    app.router.add_get("/", _to_docs)


def _page(title: str, path: str) -> _Handler:
    return _fixed(PAGE.format(title=title, document=path).encode(), "text/html")


def _fixed(body: bytes, content_type: str, age_s: int = 0) -> _Handler:
    headers = {
        "Content-Type": f"{content_type}; charset=utf-8" if content_type.startswith("text/") else content_type,
        "Cache-Control": f"public, max-age={age_s}" if age_s else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "ETag": conditional.entity_tag(body),
        "Vary": "Accept-Encoding",
    }

    packed = cache(lambda: compression.pack(body, 9))

    async def handler(request: web.Request) -> web.Response:
        if conditional.not_modified(request, headers["ETag"]):
            return web.Response(status=304, headers={k: v for k, v in headers.items() if k != "Content-Type"})
        if not compression.accepts_gzip(request.headers.getall("Accept-Encoding", ())):
            return web.Response(body=body, headers=headers)
        response = web.Response(body=packed(), headers=headers)
        compression.say_packed(response)
        return response

    return handler


async def _to_docs(_request: web.Request) -> web.Response:
    raise web.HTTPFound("/docs")
