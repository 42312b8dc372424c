"""The headers that routes read and write, as the OpenAPI document describes them."""

from typing import Any

from api.pictures import Picture
from api.routing import Route
from social.contracts.base import Page

_REQUEST: dict[str, tuple[str, dict[str, Any]]] = {
    "Idempotency-Key": (
        "A retry with an equal key and body gets the first answer and writes nothing.",
        {"type": "string", "pattern": r"^[\x21-\x7e]{1,128}$"},
    ),
    "If-Match": (
        "The `ETag` of the answer that you read: the edit is refused with 412 after another edit (counts do not "
        "matter). Without this header the last edit wins.",
        {"type": "string"},
    ),
    "If-None-Match": (
        "The `ETag` of the answer that you have: 304 without a body while it is unchanged.",
        {"type": "string"},
    ),
    "Range": ("One range of bytes to send; otherwise the whole is sent.", {"type": "string"}),
    "If-Range": (
        "The `ETag` of the picture that you have a part of; another is sent whole.",
        {"type": "string"},
    ),
}

_RESPONSE: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Request-ID": ("The id of this request, given by the client or made here.", {"type": "string"}),
    "ETag": ("A strong tag of exactly this answer; `If-Match` and `If-None-Match` take it.", {"type": "string"}),
    "Accept-Ranges": ("The unit of ranges: `bytes`.", {"type": "string"}),
    "Content-Range": ("The range of these bytes, and the size of the whole.", {"type": "string"}),
    "Link": ('The next and previous page (RFC 8288): `<…>; rel="next"`.', {"type": "string"}),
    "Location": ("The URL of the new resource.", {"type": "string"}),
    "RateLimit": ("The rest of each limit: `r` requests now, the whole quota in `t` seconds.", {"type": "string"}),
    "RateLimit-Policy": ("Each limit: `q` requests in `w` seconds.", {"type": "string"}),
    "Retry-After": ("Seconds after which a retry makes sense.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": ("How to authenticate, and why it failed.", {"type": "string"}),
}


def components() -> dict[str, Any]:
    """Return the header components of the OpenAPI document."""
    return {
        "parameters": {
            name: {"name": name, "in": "header", "required": False, "description": says, "schema": schema}
            for name, (says, schema) in _REQUEST.items()
        },
        "headers": {name: {"description": says, "schema": schema} for name, (says, schema) in _RESPONSE.items()},
    }


def in_request(route: Route) -> list[dict[str, Any]]:
    """Return references to the headers that a route reads."""
    names = {
        "Idempotency-Key": route.idempotency_key,
        "If-Match": route.if_match,
        "If-None-Match": route.method == "GET",
        "Range": route.answer is Picture,
        "If-Range": route.answer is Picture,
    }
    return [{"$ref": f"#/components/parameters/{name}"} for name, reads in names.items() if reads]


def in_response(route: Route, status: int) -> dict[str, Any]:
    """Return references to the headers of a route's answer with this status."""
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
