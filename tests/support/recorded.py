"""Recorded frames and answers with constant ids, times and secrets, and what those of a kind have in common."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

ID = re.compile(r"[0-9a-f]{24}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
OFFSET = re.compile(r"[0-9a-f]{8}\.(\d+)")
SIGNED = re.compile(r"until=\d+&signature=[\w-]+")
SOME_TIME = "2026-01-31T12:00:00"
SOME = {
    "token": "<access token>",
    "access_token": "<access token>",
    "refresh_token": "<refresh token>",
    "next": "<cursor>",
    "prev": "<cursor>",
    "kid": "<key id>",
    "x": "<public key>",
    "device": "Ada's phone",
    "ip": "203.0.113.7",
    "after_ms": 500,
}
SOME_MS = 1_769_860_800_000
SOME_EPOCH = "5f0c2b7e"
SOME_ID = "66f2a1c4e3b0a1d2c3f4a5"
SOME_SIGNED = "until=1769860800&signature=s7k4iw8j8jK2xZfRQd_50Q"

R = TypeVar("R")


def normal(recorded: R) -> R:
    """Return a recording with constant ids, times, offsets, tokens, cursors and signatures."""
    ids: dict[str, str] = {}

    def id_for(value: str) -> str:
        return ids.setdefault(value, f"{SOME_ID}{len(ids) + 1:02x}") if int(value, 16) else value

    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: SOME[key] if key in SOME and each is not None else of(each) for key, each in value.items()}
        if isinstance(value, list):
            return [of(each) for each in value]
        if isinstance(value, int) and value > 1_000_000_000_000:
            return SOME_MS
        return _text(value, id_for) if isinstance(value, str) else value

    kept: R = of(recorded)
    return kept


def _text(value: str, id_for: Any) -> str:
    if ID.fullmatch(value):
        return str(id_for(value))
    if at := TIME.fullmatch(value):
        return SOME_TIME + re.sub(r"\d", "0", at[1] or "") + "Z"
    if value.startswith("/v1/"):
        return SIGNED.sub(SOME_SIGNED, ID.sub(lambda found: id_for(found[0]), value))
    return OFFSET.sub(rf"{SOME_EPOCH}.\1", value) if OFFSET.fullmatch(value) else value


def shape(value: Any) -> Any:
    """Return what all recordings of a kind have in common: fields, kinds of values, and which are null."""
    if isinstance(value, Mapping):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    for kind, pattern in (("id", ID), ("time", TIME), ("offset", OFFSET)):
        if isinstance(value, str) and pattern.fullmatch(value):
            return kind
    return type(value).__name__


def without_unknown(value: Any, schema: dict[str, Any], said: dict[str, Any]) -> bool:
    """Return whether a value has only fields that its schema knows, which validators ignore."""
    if "$ref" in schema:
        schema = said["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        return any(without_unknown(value, each, said) for each in choices)
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        return set(value) <= set(known) and all(without_unknown(value[k], known[k], said) for k in value)
    if isinstance(value, list) and "items" in schema:
        return all(without_unknown(each, schema["items"], said) for each in value)
    return not isinstance(value, dict) or "properties" not in schema
