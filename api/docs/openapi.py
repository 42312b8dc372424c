"""The OpenAPI 3.1 document, generated from the routes and the models that validate them."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api import headers
from api.docs import answers
from api.pictures import PICTURES, Picture
from api.routing import Route, Service
from social.contracts.codec import encode
from social.contracts.problems import (
    BodyTimeout,
    IdempotencyMismatch,
    MalformedForm,
    MalformedJson,
    NotAuthenticated,
    PreconditionFailed,
    Problem,
    ProblemBody,
    RateLimited,
    SessionRevoked,
    TokenExpired,
    TooLarge,
    Unavailable,
    UnsupportedContentEncoding,
    UnsupportedMediaType,
    ValidationFailed,
)

REFERENCE = "#/components/schemas/{model}"
JSON = "application/json"
FORM = "multipart/form-data"
MERGE_PATCH = "application/merge-patch+json"
LICENSE = "Apache-2.0"
CONTACT = {"name": "The operator of this server"}  # who can look up a request by its X-Request-ID


def document(services: Sequence[Service]) -> dict[str, Any]:
    """Return the OpenAPI document of these services."""
    routes = [route for service in services for route in service.routes]
    schemas = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Plaza",
            "version": "1",
            "description": "A real-time, websocket-first social backend. Changes are also pushed over Socket.IO.",
            "contact": CONTACT,
            "license": {"name": LICENSE, "identifier": LICENSE},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": service.name, "description": service.says} for service in services],
        "paths": paths,
        "components": {
            "schemas": schemas,
            **_used({**headers.components(), **answers.components()}, paths),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _used(components: dict[str, Any], paths: dict[str, Any]) -> dict[str, Any]:
    """Return the components that the paths refer to: a service's own document has no others."""
    text = encode(paths).decode()
    return {
        kind: {name: each for name, each in some.items() if f'"#/components/{kind}/{name}"' in text}
        for kind, some in components.items()
    }


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemBody, "serialization"): None}
    for route in routes:
        if route.body is not None:
            wanted[(route.body, "validation")] = None
        if route.form is not None:
            wanted[(route.form, "validation")] = None
        if _is_model(route.answer):
            wanted[(route.answer, "serialization")] = None
    _, definitions = models_json_schema(list(wanted), ref_template=REFERENCE)
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _operation(route: Route) -> dict[str, Any]:
    summary, _, more = route.says.partition("\n")
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.service],
        "summary": summary.rstrip("."),
        "description": (more.strip() or summary),
        "parameters": _parameters(route),
        "responses": _responses(route),
        "security": [{"token": []}] * route.auth + [{}] * route.signed,
    }
    if route.form is not None:
        schema = {"schema": {"$ref": REFERENCE.format(model=route.form.__name__)}}
        operation["requestBody"] = {"required": True, "content": {FORM: schema}}
    if route.body is not None:
        schema = {"schema": {"$ref": REFERENCE.format(model=route.body.__name__)}}
        media = {**schema, **answers.request(route.name)}
        content = {JSON: media, MERGE_PATCH: media} if route.method == "PATCH" else {JSON: media}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": check.json_schema()}
        for name, check in sorted(route.in_path.items())
    ]
    if route.query is not None:
        schema = route.query.model_json_schema()
        required = schema.get("required", [])
        for name, each in schema["properties"].items():
            parameters.append({"name": name, "in": "query", "required": name in required, "schema": _plain(each)})
    return parameters + headers.in_request(route)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without null: a query parameter without a value is absent."""
    options = schema.get("anyOf")
    if not options:
        return {name: value for name, value in schema.items() if name != "title"}
    (only,) = [option for option in options if option.get("type") != "null"]
    return {**only, **{name: value for name, value in schema.items() if name in ("description",)}}


def _responses(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {str(route.status): _success(route)}
    if route.method == "GET":
        responses["304"] = {
            "description": "Unchanged since the client read it",
            "headers": headers.in_response(route, 304),
        }
    if route.answer is Picture:
        responses["206"] = {**_success(route), "description": "The bytes of the requested range"}
    by_status: dict[int, list[type[Problem]]] = {}
    for problem in _problems(route):
        by_status.setdefault(problem.status, []).append(problem)
    for status, problems in sorted(by_status.items()):
        says = "; ".join(f"`{problem.code}`: {problem.title}" for problem in problems)
        schema = {"$ref": REFERENCE.format(model="ProblemBody")}
        examples = answers.refusals([problem.code for problem in problems])
        content = {"application/problem+json": {"schema": schema, **examples}}
        responses[str(status)] = {
            "description": says,
            "headers": headers.in_response(route, status),
            "content": content,
        }
    return responses


def _success(route: Route) -> dict[str, Any]:
    response_headers = headers.in_response(route, route.status)
    if route.answer is None:
        return {"description": "Done", "headers": response_headers}
    if route.answer is Picture:
        return {"description": "The picture", "headers": response_headers, "content": PICTURES}
    schema = {"$ref": REFERENCE.format(model=route.answer.__name__)} if _is_model(route.answer) else {"type": "object"}
    content = {JSON: {"schema": schema, **answers.answer(route.name)}}
    return {"description": "OK", "headers": response_headers, "content": content}


def _problems(route: Route) -> list[type[Problem]]:
    found: list[type[Problem]] = [*route.raises, RateLimited, Unavailable]
    if route.auth:
        found += [NotAuthenticated, TokenExpired, SessionRevoked]
    if route.body is not None:
        found += [MalformedJson, BodyTimeout, TooLarge, UnsupportedContentEncoding]
    if route.form is not None:
        found += [MalformedForm, BodyTimeout, TooLarge, UnsupportedMediaType, UnsupportedContentEncoding]
    found.append(ValidationFailed)
    if route.idempotency_key:
        found.append(IdempotencyMismatch)
    if route.if_match:
        found.append(PreconditionFailed)
    return list(dict.fromkeys(found))


def _is_model(answer: Any) -> bool:
    return isinstance(answer, type) and issubclass(answer, BaseModel)
