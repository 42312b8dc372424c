"""Routes declared by typed handlers, whose types both validate requests and make the OpenAPI document."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, getdoc, signature
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model

from social.contracts.problems import Problem
from social.infra.process.admission import Priority

Handler = Callable[..., Awaitable[Any]]
Limit = Literal["login", "register", "reset", "upload"]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_PLACEHOLDER = re.compile(r"{(\w+)}")


# Under overload (social/infra/process/admission.py) BULK is refused first, and ESSENTIAL last: clients catch up by it.
BULK = frozenset(("feeds", "search", "media"))
ESSENTIAL = frozenset(("auth", "notifications"))
# Their requests wait for password hashes and uploads, so their duration says nothing of the load and is not measured.
OUTSIDE = frozenset(("auth", "media"))


@dataclass(frozen=True)
class Route:
    """An operation of the API: its path, its parameters and body, its answer and its problems."""

    service: str
    method: Method
    path: str
    handler: Handler
    status: int
    auth: bool
    signed: bool
    public: bool
    idempotency_key: bool
    if_match: bool
    limit: Limit | None
    raises: tuple[type[Problem], ...]
    location: Callable[[Any], str] | None
    in_path: Mapping[str, TypeAdapter[Any]]
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    form: type[BaseModel] | None
    answer: Any

    @property
    def priority(self) -> Priority:
        """The priority under overload: reads without a login are refused first, `ESSENTIAL` services last."""
        if self.public:
            return Priority.PUBLIC
        if self.service in ESSENTIAL:
            return Priority.ESSENTIAL
        return Priority.BULK if self.service in BULK or self.query is not None else Priority.USUAL

    @property
    def name(self) -> str:
        """The operation's id, which is its handler's name."""
        return self.handler.__name__

    @property
    def says(self) -> str:
        """The operation's description, which is its handler's docstring."""
        return getdoc(self.handler) or ""


@dataclass
class Service:
    """A group of routes that can be deployed on its own."""

    name: str
    says: str
    routes: list[Route] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a read.

        With `signed=True` it also takes a signature in the URL instead of a token; with `public=True` anybody may
        read it where the operator allows that, and shared caches keep it for a moment.
        """
        return self._add("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a write that creates or acts; `idempotency_key=True` takes that header, and `form` replaces JSON."""
        return self._add("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a write that changes nothing when it is repeated."""
        return self._add("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare an edit; `if_match=True` takes an If-Match, which the verb checks as `request.expected`."""
        return self._add("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a removal, which changes nothing when it is repeated."""
        return self._add("DELETE", path, **options)

    def _add(
        self,
        method: Method,
        path: str,
        *,
        status: int = 200,
        auth: bool = True,
        signed: bool = False,
        public: bool = False,
        idempotency_key: bool = False,
        if_match: bool = False,
        limit: Limit | None = None,
        form: type[BaseModel] | None = None,
        raises: tuple[type[Problem], ...] = (),
        location: Callable[[Any], str] | None = None,
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            hints = get_type_hints(handler, include_extras=True)
            placeholders = set(_PLACEHOLDER.findall(path))
            parameters = {
                name: parameter
                for name, parameter in signature(handler).parameters.items()
                if name not in ("request", "body") and name not in placeholders
            }
            answer = hints["return"]
            self.routes.append(
                Route(
                    self.name,
                    method,
                    path,
                    handler,
                    204 if answer is type(None) else status,
                    auth and not public,
                    signed,
                    public,
                    idempotency_key,
                    if_match,
                    limit,
                    raises,
                    location,
                    {name: TypeAdapter(hints[name]) for name in placeholders},
                    _query(handler.__name__, parameters, hints),
                    hints.get("body"),
                    form,
                    None if answer is type(None) else answer,
                )
            )
            return handler

        return declare


def _query(name: str, parameters: Mapping[str, Parameter], hints: Mapping[str, Any]) -> type[BaseModel] | None:
    if not parameters:
        return None
    fields: dict[str, Any] = {
        each: (hints[each], ... if parameter.default is Parameter.empty else parameter.default)
        for each, parameter in parameters.items()
    }
    return create_model(f"{name}_query", __config__=ConfigDict(extra="forbid"), **fields)
