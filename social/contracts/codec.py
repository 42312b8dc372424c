"""The codecs: JSON, by orjson and straight from models, and base64url."""

import base64
import json
from typing import Any, NoReturn

import orjson
from pydantic import BaseModel

MOST_NESTED = 500  # levels of a text that orjson refuses: the standard library reads nested values by recursion


_LONG = 20  # digits: a number beyond 64 bits is a double, as orjson reads it


class Unreadable(ValueError):
    """JSON that is nested too deeply to be read here."""


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.__dict__
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def encode(value: Any) -> bytes:
    """Return models and plain values as JSON; times as RFC 3339 with `Z`."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)


def encode_sorted(value: Any) -> bytes:
    """Return JSON with sorted keys: for fingerprints and for files under version control."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC | orjson.OPT_SORT_KEYS)


def decode(data: bytes | str) -> Any:
    """Return the plain values of JSON; raises ValueError for anything else (NaN and lone surrogates too)."""
    return orjson.loads(data)


def decode_foreign(text: str) -> Any:
    """Return the plain values of JSON as JavaScript reads it: lone surrogates stay as they are in strings.

    Strings with such halves of characters are no text: pydantic refuses them wherever it checks a string, and `encode`
    raises TypeError. Raises Unreadable, and ValueError for anything that JavaScript does not read either.
    """
    try:
        return orjson.loads(text)
    except ValueError:
        if text.count("[") + text.count("{") > MOST_NESTED:
            raise Unreadable("too many lists and objects") from None
    try:
        return json.loads(text, parse_int=_integer, parse_constant=_refuse)
    except RecursionError:
        raise Unreadable("nested too deeply") from None


def base64url(data: bytes) -> str:
    """Return bytes as text for URLs and tokens, without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Return the bytes of such a text; raises ValueError where a character is of no such text."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _LONG else float(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
