"""Examples of the OpenAPI document: a request and an answer of each operation, and a refusal of each code, recorded."""

from functools import cache
from pathlib import Path
from typing import Any

from social.contracts.codec import decode

RECORDED = Path(__file__).with_name("answers.json")  # written and held by tests/api/test_postman.py


def request(operation: str) -> dict[str, Any]:
    """Return the `example` of an operation's body; nothing for an operation that was not recorded with one."""
    return _example(operation, "request")


def answer(operation: str) -> dict[str, Any]:
    """Return the `example` of an operation's good answer; nothing for an operation that was not recorded with one."""
    return _example(operation, "answer")


def refusals(codes: list[str]) -> dict[str, Any]:
    """Return the `examples` of refusals with these codes, as references to components; codes may lack one."""
    found = {code: {"$ref": f"#/components/examples/{code}"} for code in codes if code in _recorded()["refusals"]}
    return {"examples": found} if found else {}


def components() -> dict[str, Any]:
    """Return the example components: a refusal of each code that was recorded."""
    refused = _recorded()["refusals"]
    return {"examples": {code: {"summary": body["title"], "value": body} for code, body in refused.items()}}


def _example(operation: str, part: str) -> dict[str, Any]:
    recorded = _recorded()["operations"].get(operation, {})
    return {"example": recorded[part]} if part in recorded else {}


@cache
def _recorded() -> Any:
    return decode(RECORDED.read_bytes())
