"""The parts of a request as validated values: its path, query, JSON body and Idempotency-Key."""

import asyncio
from itertools import islice
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from api.routing import Route
from social.contracts.base import IDEMPOTENCY_KEY
from social.contracts.codec import decode
from social.contracts.problems import (
    MOST_ERRORS,
    BodyTimeout,
    FieldProblem,
    MalformedJson,
    NotFound,
    UnsupportedContentEncoding,
    ValidationFailed,
    wrong_fields,
)
from social.infra.process.plaza import IdempotencyKey
from social.infra.security.tokens import Access

MAX_BODY = 1024 * 1024
MOST_NESTED = 10_000  # lists and objects in a body: JSON is read in one go, and a MiB of brackets takes 0.2 s
BODY_S = 8.0  # for a body to arrive, of the 10 s that the whole request has


async def arguments(
    route: Route, raw: web.Request, access: Access | None
) -> tuple[dict[str, Any], IdempotencyKey | None]:
    """Return the arguments of the route's handler, and the Idempotency-Key.

    Raises UnsupportedContentEncoding, NotFound, BodyTimeout, MalformedJson, and ValidationFailed with all that is
    wrong in query, body and key together.
    """
    if ",".join(raw.headers.getall("Content-Encoding", ())).strip().lower() not in ("", "identity"):
        raise UnsupportedContentEncoding
    found = _in_path(route, raw)
    wrong: list[FieldProblem] = []
    found |= _query(route, raw, wrong)
    if route.body is not None:
        body = await _json(raw)
        try:
            found["body"] = route.body.model_validate(body)
        except ValidationError as error:
            wrong += wrong_fields(error).errors or []
    key = _idempotency_key(raw, access, wrong) if route.idempotency_key and access else None
    if wrong:
        raise ValidationFailed(errors=wrong)
    return found, key


def _in_path(route: Route, raw: web.Request) -> dict[str, Any]:
    try:
        return {name: check.validate_python(raw.match_info[name]) for name, check in route.in_path.items()}
    except ValidationError:
        raise NotFound from None


def _query(route: Route, raw: web.Request, wrong: list[FieldProblem]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name in islice(dict.fromkeys(raw.query), MOST_ERRORS):
        values = raw.query.getall(name)
        given[name] = values[0] if len(values) == 1 else values
    if route.query is None:
        wrong += [
            FieldProblem(pointer=f"?{name}", code="extra_forbidden", detail="no such parameter") for name in given
        ]
        return {}
    try:
        return route.query.model_validate(given).__dict__
    except ValidationError as error:
        wrong += wrong_fields(error, where="?").errors or []
        return {}


async def _json(raw: web.Request) -> Any:
    try:
        async with asyncio.timeout(BODY_S):
            body = await raw.read()
        if body.count(b"[") + body.count(b"{") > MOST_NESTED:
            raise MalformedJson(f"The body has more than {MOST_NESTED:,} lists and objects")
        return decode(body)
    except TimeoutError:
        raise BodyTimeout from None
    except (ValueError, web.RequestPayloadError):  # not JSON, or a transfer whose chunks are malformed
        raise MalformedJson from None


def _idempotency_key(raw: web.Request, access: Access, wrong: list[FieldProblem]) -> IdempotencyKey | None:
    key = raw.headers.get("Idempotency-Key")
    if key is None:
        return None
    try:
        return IdempotencyKey(access.user_id, IDEMPOTENCY_KEY.validate_python(key))
    except ValidationError as error:
        wrong += [
            FieldProblem(pointer="Idempotency-Key", code=each["type"], detail=each["msg"]) for each in error.errors()
        ]
        return None
