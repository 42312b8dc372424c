"""Writes the generated files of docs/; a test fails when one is not what the code says."""

from pathlib import Path
from typing import Any

import orjson

from api.app import ALL
from api.openapi import document as openapi
from api.postman import collection
from social.asyncapi import document as asyncapi

DOCS = Path(__file__).parent.parent / "docs"


def documents() -> dict[str, dict[str, Any]]:
    """Each generated file's name and content."""
    return {"openapi.json": openapi(ALL), "asyncapi.json": asyncapi(), "postman-collection.json": collection(ALL)}


def text(document: dict[str, Any]) -> bytes:
    """As it is written: stable, and readable in a diff."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    for name, document in documents().items():
        (DOCS / name).write_bytes(text(document))
