"""The one JSON codec: orjson, straight from models."""

from typing import Any

import orjson
from pydantic import BaseModel


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.__dict__
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def encode(value: Any) -> bytes:
    """JSON bytes of models and plain values; times as RFC 3339 with `Z`."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)


def encode_sorted(value: Any) -> bytes:
    """The same with sorted keys: for fingerprints and for files under version control."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_SORT_KEYS)


def decode(data: bytes | str) -> Any:
    """Plain values of JSON text; raises ValueError for anything that is not JSON (NaN and lone surrogates too)."""
    return orjson.loads(data)
