"""Building blocks of all wire shapes: strict requests, tolerant answers, ids, times, text and pages."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Generic, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

T = TypeVar("T")

MOST_FIELDS = 100  # each unknown field is named in the error: 100,000 of them would be a second of work and 9 MiB

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$"), Field(examples=["66f2a1c4e3b0a1d2c3f4a5b6"])]
Time = Annotated[datetime, Field(description="RFC 3339, UTC, milliseconds")]
NoNul = StringConstraints(pattern=r"^[^\x00]*$")
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
IDEMPOTENCY_KEY: TypeAdapter[str] = TypeAdapter(IdempotencyKey)


class Contract(BaseModel):
    """A shape that this system writes; readers ignore fields they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def model_construct(  # type: ignore[override]  # typed as in pydantic, whose mypy plugin would misread it otherwise
        cls, _fields_set: set[str] | None = None, **values: Any
    ) -> Self:
        """Make an instance of valid values without validation, five times as fast as pydantic where none is missing."""
        known = _shape(cls)
        if known is None or not known.needed <= values.keys() or not values.keys() <= known.fields.keys():
            return super().model_construct(_fields_set, **values)
        made = cls.__new__(cls)
        _set(made, "__dict__", {**known.fields, **values})
        _set(made, "__pydantic_fields_set__", set(values) if _fields_set is None else _fields_set)
        _set(made, "__pydantic_extra__", None)
        _set(made, "__pydantic_private__", None)
        return made


class _Shape(NamedTuple):
    """The fields of a model in order, each with its default, and the required ones."""

    fields: Mapping[str, Any]
    needed: frozenset[str]


_set = object.__setattr__  # models are frozen
_CONSTANT = (type(None), bool, int, float, str)  # types of defaults that instances may share


@cache
def _shape(model: type[BaseModel]) -> _Shape | None:
    """Return how to make a model without looking at each field, or None where pydantic must make it."""
    fields = model.__pydantic_fields__
    if model.__pydantic_post_init__ or any(each.alias or each.validation_alias for each in fields.values()):
        return None
    shared = {
        name: each.default
        for name, each in fields.items()
        if not each.is_required() and each.default_factory is None and isinstance(each.default, _CONSTANT)
    }
    return _Shape({name: shared.get(name) for name in fields}, frozenset(fields.keys() - shared.keys()))


class ClientInput(BaseModel):
    """A shape that a client writes: exact types, and no unknown field."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: object) -> object:
        if isinstance(value, dict) and len(value) > MOST_FIELDS:
            raise ValueError(f"has more than {MOST_FIELDS} fields")
        return value


class Page(Contract, Generic[T]):
    """A page of a list, newest first; `next` continues to older items, `prev` to newer ones."""

    items: list[T]
    next: str | None = Field(default=None, description="cursor of the older page; null at the end")
    prev: str | None = Field(default=None, description="cursor of the items newer than this page")
