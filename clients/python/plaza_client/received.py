"""The base of every model of what a server sends."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

SECRET = frozenset({"access_token", "refresh_token"})


class Received(BaseModel):
    """Something a server sent: it does not change, and fields that this release does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the fields that `repr` and `str` show: no tokens, since both end up in logs."""
        return (each for each in super().__repr_args__() if each[0] not in SECRET)
