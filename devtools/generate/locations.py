"""The generated parts of nginx/: a location for each path of the API, and the problems that nginx answers itself."""

import re
from collections.abc import Sequence

from api.app import ALL
from api.docs.pages import ASSETS, COLLECTION
from api.forms import MOST_BODY
from api.page import PATHS
from api.routing import Route, Service
from social.contracts.codec import encode
from social.contracts.problems import (
    HeadersTooLarge,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    RateLimited,
    TooLarge,
    Unavailable,
)

WRITTEN = "# Written by `make docs` from the code; a test fails when this file differs from it.\n"
DOCS = "docs"  # the upstream of pages that every API process serves alike
SHARED = (*PATHS, "/docs", "/docs/events", COLLECTION, "/asyncapi.json")  # equal on every process
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]

MOST_MIB = -(-MOST_BODY // 2**20)
UPLOAD_S = 75  # the API gives a picture 60 s after its last byte

# The statuses that nginx answers by itself, by problem; 494: headers too large, 497: plain HTTP on a TLS port.
REFUSALS: dict[Problem, tuple[int, ...]] = {
    MalformedRequest(): (400, 497, 501, 505),
    NotFound(): (403, 404),
    MethodNotAllowed(METHODS): (405,),
    TooLarge(): (413,),
    RateLimited(): (429,),
    HeadersTooLarge(): (414, 494),
    Problem(): (500,),
    Unavailable(): (502, 503, 504),
}


def locations(services: Sequence[Service] = ALL) -> str:
    """Return `locations.conf`: each path leads to the upstream of its service, by the method where two share it."""
    routes: dict[str, list[Route]] = {}
    for service in services:
        for route in service.routes:
            routes.setdefault(route.path, []).append(route)
    exact = [path for path in sorted(routes) if "{" not in path]
    patterns = [path for path in sorted(routes) if "{" in path]
    blocks = [_location(f"= {path}", routes[path]) for path in exact]
    # nginx takes the first pattern that matches: patterns with fewer placeholders come first, else `me` is a username.
    blocks += [_location(f"~ {_pattern(path)}", routes[path]) for path in sorted(patterns, key=_vagueness)]
    blocks += [_to(f"= {path}", DOCS) for path in (*SHARED, *(f"/docs/assets/{name}" for name in ASSETS))]
    blocks.append(_to("^~ /app/", DOCS))
    for service in services:
        blocks += [
            _to(f"= {path}", service.name) for path in (f"/docs/{service.name}", f"/openapi/{service.name}.json")
        ]
    return WRITTEN + "".join(blocks)


def owners(services: Sequence[Service] = ALL) -> str:
    """Return `owners.conf`: the service of a request on a shared path; of a preflight the requested method counts."""
    shared: dict[str, dict[str, str]] = {}
    for service in services:
        for route in service.routes:
            shared.setdefault(route.path, {})[route.method] = service.name
    maps = [_owner(path, by_method) for path, by_method in shared.items() if len(set(by_method.values())) > 1]
    return WRITTEN + "".join(maps)


def problems() -> str:
    """Return `problems.conf`: an `application/problem+json` for each refusal of nginx itself."""
    pages, bodies = [], []
    for problem, codes in REFUSALS.items():
        page = f"/problems/{problem.status}"
        pages.append(f"error_page {' '.join(map(str, codes))} ={problem.status} {page};\n")
        body = encode(problem.body("$request_name")).decode()
        assert "'" not in body
        headers = {"Cache-Control": "no-store", "X-Request-ID": "$request_name", **problem.headers()}
        directives = (
            "internal;",
            "client_max_body_size 0; # the refused request may have a body of any size",
            "default_type application/problem+json;",
            "include security.conf;",
            *(f'add_header {name} "{value}" always;' for name, value in headers.items()),
            f"return {problem.status} '{body}';",
        )
        bodies.append(f"location = {page} {{\n" + "".join(f"    {each}\n" for each in directives) + "}\n")
    return WRITTEN + "".join(pages + bodies)


def _location(where: str, routes: list[Route]) -> str:
    services = {route.service for route in routes}
    upstream = services.pop() if len(services) == 1 else f"${_variable(routes[0].path)}"
    return _to(where, upstream, upload=any(route.form for route in routes))


def _to(where: str, upstream: str, *, upload: bool = False) -> str:
    if not upload:
        return f"location {where} {{ proxy_pass http://{upstream}; }}\n"
    return (
        f"location {where} {{\n    client_max_body_size {MOST_MIB}m;\n    proxy_request_buffering off;\n"
        f"    proxy_read_timeout {UPLOAD_S}s;\n    proxy_pass http://{upstream};\n}}\n"
    )


def _owner(path: str, by_method: dict[str, str]) -> str:
    default = by_method.get("GET") or next(iter(by_method.values()))
    others = {method: owner for method, owner in by_method.items() if owner != default}
    lines = "".join(f'    "~^({method} |OPTIONS {method}$)" {owner};\n' for method, owner in others.items())
    asked = '"$request_method $http_access_control_request_method"'
    return f"map {asked} ${_variable(path)} {{\n{lines}    default {default};\n}}\n"


def _variable(path: str) -> str:
    return "owner_of" + re.sub(r"\W+", "_", path)


def _pattern(path: str) -> str:
    return "^" + "[^/]+".join(map(re.escape, re.split(r"{\w+}", path))) + "$"


def _vagueness(path: str) -> tuple[int, str]:
    return path.count("{"), path
