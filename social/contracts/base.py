"""What all wire shapes share: strict requests, tolerant answers, ids, times, text, pages."""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

T = TypeVar("T")

MOST_FIELDS = 100  # each unknown one is named in the refusal: 100,000 of them would be a second of work and 9 MiB

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$"), Field(examples=["66f2a1c4e3b0a1d2c3f4a5b6"])]
Time = Annotated[datetime, Field(description="RFC 3339, UTC, milliseconds")]


NoNul = StringConstraints(pattern=r"^[^\x00]*$")
_SEEN = r"[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
PostText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000, pattern=rf"^[^\x00]*{_SEEN}[^\x00]*$"),
]
Caption = Annotated[  # of a post with pictures: it may be empty
    str, StringConstraints(strip_whitespace=True, max_length=2_000, pattern=rf"^([^\x00]*{_SEEN}[^\x00]*)?$")
]
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
IDEMPOTENCY_KEY: TypeAdapter[str] = TypeAdapter(IdempotencyKey)


class Contract(BaseModel):
    """A shape this system writes; readers ignore fields they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Ask(BaseModel):
    """A shape a client writes: exact types, and no field that has no meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: object) -> object:
        if isinstance(value, dict) and len(value) > MOST_FIELDS:
            raise ValueError(f"has more than {MOST_FIELDS} fields")
        return value


class Page(Contract, Generic[T]):
    """One page of a list, newest first; `next` continues to older items, `prev` to newer ones."""

    items: list[T]
    next: str | None = Field(default=None, description="cursor of the older page; null at the end")
    prev: str | None = Field(default=None, description="cursor of what is newer than this page")
