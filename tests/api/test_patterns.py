"""The patterns of the published documents: JSON Schema's, which are ECMAScript's, and short enough to be read."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import require_node

DOCS = Path(__file__).parents[2] / "docs"
LONGEST = 120
COMPILE = """
const patterns = JSON.parse(require("fs").readFileSync(0));
for (const flags of ["", "u"]) for (const pattern of patterns) new RegExp(pattern, flags);
"""


def patterns(node: Any) -> Iterator[str]:
    """Yield all patterns at and below a node of a document."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for each in node.values():
            yield from patterns(each)
    elif isinstance(node, list):
        for each in node:
            yield from patterns(each)


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
async def test_every_pattern_compiles_as_ecmascript_and_can_be_read(name: str) -> None:
    found = sorted(set(patterns(json.loads((DOCS / name).read_text()))))
    assert found
    assert [each for each in found if len(each) > LONGEST or not each.isascii()] == []
    require_node("socket.io-client")
    process = await asyncio.create_subprocess_exec(
        "node", "-e", COMPILE, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(json.dumps(found).encode()), 60)
    assert process.returncode == 0, errors.decode()
