"""AsyncAPI's own parser on the document of the socket."""

import asyncio
import json
from pathlib import Path
from typing import Any

from support.browser import require_node

from api.docs.asyncapi import document

SCRIPT = Path(__file__).with_name("asyncapi.mjs")


async def test_asyncapis_own_parser_finds_nothing_wrong_and_would_find_a_type_that_is_none(tmp_path: Path) -> None:
    require_node("@asyncapi/parser")
    right, wrong = document(), json.loads(json.dumps(document()))
    wrong["components"]["messages"]["ack.post.like"]["payload"]["oneOf"][0]["type"] = "thing"
    found = await _parsed(tmp_path, right, wrong)
    assert found[0] == []
    assert "components/messages/ack.post.like/payload/oneOf/0/type" in {each["path"] for each in found[1]}


async def _parsed(folder: Path, *documents: dict[str, Any]) -> list[Any]:
    files = [folder / f"{number}.json" for number in range(len(documents))]
    for file, each in zip(files, documents, strict=True):
        file.write_text(json.dumps(each))
    process = await asyncio.create_subprocess_exec("node", SCRIPT, *files, stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines()]
