"""The documents under the rules of Redocly and Spectral, which would find a wrong one."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

from support.browser import require_node

from api.app import ALL
from api.docs import asyncapi, openapi
from social.contracts.codec import encode

ROOT = Path(__file__).parents[2]
REDOCLY = ROOT / "node_modules/@redocly/cli/bin/cli.js"
SPECTRAL = ROOT / "tests/api/spectral.mjs"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


async def node(*words: object) -> str:
    process = await asyncio.create_subprocess_exec(
        "node", *map(str, words), env=os.environ | QUIET, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 120)
    assert output, errors.decode()
    return output.decode()


def right() -> dict[str, Any]:
    """Return both documents, and a service's own, which must not have what only other services refer to."""
    return {
        "openapi": openapi.document(ALL),
        "asyncapi": asyncapi.document(),
        "likes": openapi.document([service for service in ALL if service.name == "likes"]),
    }


def wrong() -> dict[str, Any]:
    """Return two small documents with mistakes."""
    answer = {"description": "OK", "content": {"application/json": {"schema": {"type": "string"}, "example": 42}}}
    info = {"title": "Plaza", "version": "1"}
    return {
        "openapi": {"openapi": "3.1.0", "info": info, "paths": {"/": {"get": {"responses": {"200": answer}}}}},
        "asyncapi": {"asyncapi": "3.0.0", "info": info, "operations": {"ask": {}}},
    }


def written(folder: Path, documents: dict[str, Any]) -> list[Path]:
    files: list[Path] = []
    folder.mkdir(exist_ok=True)
    for name, document in documents.items():
        files.append(folder / f"{name}.json")
        files[-1].write_bytes(encode(document))
    return files


async def test_spectral_finds_nothing_wrong_with_the_documents_and_would(tmp_path: Path) -> None:
    require_node("@stoplight/spectral-rulesets")
    files = written(tmp_path, right()) + written(tmp_path / "wrong", wrong())
    *good, rest, socket = map(json.loads, (await node(SPECTRAL, *files)).splitlines())
    assert good == [[]] * len(right())
    assert any(each.startswith("oas3-valid-media-example at paths///get/responses/200") for each in rest)
    assert any("operations/ask" in each for each in socket)


async def test_redocly_finds_nothing_wrong_with_the_documents_and_would(tmp_path: Path) -> None:
    require_node("@redocly/cli")
    assert await _by_redocly(written(tmp_path, right())) == set()
    assert await _by_redocly(written(tmp_path / "wrong", wrong())) >= {"no-invalid-media-type-examples", "struct"}


async def _by_redocly(files: list[Path]) -> set[str]:
    """Return the rules that the files break; the output has a JSON document for each file."""
    output = await node(REDOCLY, "lint", *files, "--extends=recommended-strict", "--format=json")
    assert output.count('"totals"') == len(files), output
    return set(re.findall(r'"ruleId": "([^"]+)"', output))
