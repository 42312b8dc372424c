"""The headers that routes read and write, as the OpenAPI document tells them."""

from typing import Any

from api.pictures import Picture
from api.routing import Route
from social.contracts.base import Page

_ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "Idempotency-Key": (
        "A retry with the same key and body gets the first answer and writes nothing.",
        {"type": "string", "pattern": r"^[\x21-\x7e]{1,128}$"},
    ),
    "If-Match": (
        "The `ETag` of what was read: the edit is refused with 412 when somebody edited it meanwhile (counts do not "
        "matter). Without it the last edit wins.",
        {"type": "string"},
    ),
    "If-None-Match": (
        "The `ETag` of what the client has: 304 without a body while it is the same.",
        {"type": "string"},
    ),
    "Range": ("Which bytes of it, one range of them; otherwise the whole is sent.", {"type": "string"}),
    "If-Range": ("The `ETag` of what the client has a part of: of another the whole is sent.", {"type": "string"}),
}

_ANSWERED: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Request-ID": ("The name of this request, as the client gave it or made here.", {"type": "string"}),
    "ETag": ("A strong tag of just this answer; `If-Match` and `If-None-Match` take it.", {"type": "string"}),
    "Accept-Ranges": ("What a range can be of: `bytes`.", {"type": "string"}),
    "Content-Range": ("Which bytes these are, of how many.", {"type": "string"}),
    "Link": ('The pages to either side, as RFC 8288 has it: `<…>; rel="next"`.', {"type": "string"}),
    "Location": ("Where to find what was made.", {"type": "string"}),
    "RateLimit": ("What is left of each limit: `r` requests, the whole quota in `t` seconds.", {"type": "string"}),
    "RateLimit-Policy": ("Each limit: `q` requests in `w` seconds.", {"type": "string"}),
    "Retry-After": ("Seconds after which a retry makes sense.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": ("How to authenticate, and why that failed.", {"type": "string"}),
}


def components() -> dict[str, Any]:
    """The parts of the document that routes point to."""
    return {
        "parameters": {
            name: {"name": name, "in": "header", "required": False, "description": says, "schema": schema}
            for name, (says, schema) in _ASKED.items()
        },
        "headers": {name: {"description": says, "schema": schema} for name, (says, schema) in _ANSWERED.items()},
    }


def asked(route: Route) -> list[dict[str, Any]]:
    """What a route reads beside its parameters."""
    names = {
        "Idempotency-Key": route.idempotency_key,
        "If-Match": route.if_match,
        "If-None-Match": route.method == "GET",
        "Range": route.answer is Picture,
        "If-Range": route.answer is Picture,
    }
    return [{"$ref": f"#/components/parameters/{name}"} for name, reads in names.items() if reads]


def answered(route: Route, status: int) -> dict[str, Any]:
    """What a route's answer of this status says in its headers."""
    done = status == route.status
    page = isinstance(route.answer, type) and issubclass(route.answer, Page)
    names = {
        "X-Request-ID": True,
        "RateLimit": True,
        "RateLimit-Policy": True,
        "ETag": status in (206, 304) or (done and (route.method == "GET" or route.if_match)),
        "Accept-Ranges": done and route.answer is Picture,
        "Content-Range": status in (206, 416),
        "Link": done and page,
        "Location": done and route.location is not None,
        "Retry-After": status in (429, 503),
        "WWW-Authenticate": status == 401,
    }
    return {name: {"$ref": f"#/components/headers/{name}"} for name, says in names.items() if says}
