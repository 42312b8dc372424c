"""`/docs`: Swagger UI from local files, the page of the socket's events, and the documents behind them."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.resources import files

from aiohttp import web

from api.docs import asyncapi, event_pages, postman
from api.docs.openapi import document
from api.routing import Service
from api.static import HTML, Static
from social.contracts.codec import encode

_Handler = Callable[[web.Request], Awaitable[web.Response]]

COLLECTION = "/docs/postman-collection.json"
JSON = "application/json"
ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui-standalone-preset.js": "text/javascript; charset=utf-8",
}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plaza — {title}</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<body>
<nav style="font-family: sans-serif; padding: 1rem 20px 0">
<a href="/docs/events">Events of the socket</a> ·
<a href="{collection}" download>Postman collection</a>
</nav>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/swagger-ui-standalone-preset.js"></script>
<script>{script}</script>
</body>
</html>
"""

# A token that is typed in is forgotten with the page; a token that an earlier release of the page kept is removed.
SCRIPT = """
  localStorage.removeItem("authorized");
  SwaggerUIBundle({{
    url: "{document}", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false, validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  }});
"""

# Swagger UI writes style attributes, has its icons in its style sheet, and sends requests to this origin alone.
POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
STATIC_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_docs(
    app: web.Application,
    services: Sequence[Service],
    *,
    every: Sequence[Service],
    realtime_port: Callable[[], int | None],
) -> None:
    """Serve the documents of `services` and the pages that show them; each is made at its first request.

    The events page shows how to connect to `realtime_port`, or to the page's own origin where that is None. The Postman
    collection walks through `every` service, also those this process does not have, because each of its requests needs
    what earlier ones created.
    """
    static = files("swagger_ui") / "static"
    for name, content_type in ASSETS.items():
        app.router.add_get(f"/docs/assets/{name}", _page((static / name).read_bytes, content_type, age_s=86_400))
    app.router.add_get("/openapi.json", _page(lambda: encode(document(services)), JSON))
    app.router.add_get("/docs", _swagger("all services", "/openapi.json"))
    app.router.add_get("/asyncapi.json", _page(lambda: encode(asyncapi.document()), JSON))
    events = _page(lambda: event_pages.page(asyncapi.document(), realtime_port()).encode(), HTML, policy=STATIC_POLICY)
    app.router.add_get("/docs/events", events)
    app.router.add_get(COLLECTION, _page(lambda: encode(postman.collection(every)), JSON))
    for service in services:
        path = f"/openapi/{service.name}.json"
        app.router.add_get(path, _page(partial(_document_of, service), JSON))
        app.router.add_get(f"/docs/{service.name}", _swagger(service.says, path))


def _document_of(service: Service) -> bytes:
    return encode(document([service]))


def _swagger(title: str, path: str) -> _Handler:
    script = SCRIPT.format(document=path)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = PAGE.format(title=title, script=script, collection=COLLECTION).encode()
    return _page(lambda: page, HTML, policy=POLICY.format(digest=digest))


def _page(make: Callable[[], bytes], content_type: str, age_s: int = 0, policy: str | None = None) -> _Handler:
    making: asyncio.Future[Static] | None = None

    async def handler(request: web.Request) -> web.Response:
        nonlocal making
        if making is None or (making.done() and (making.cancelled() or making.exception())):
            making = asyncio.ensure_future(asyncio.to_thread(lambda: Static(make(), content_type, age_s, policy)))
        return (await asyncio.shield(making)).answer(request)

    return handler
