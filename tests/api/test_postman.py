"""The Postman collection, run by newman against a live API."""

import asyncio
import json
from pathlib import Path

import pytest
from support.browser import require_node
from support.people import Door

from api.app import ALL
from api.docs import postman

ROOT = Path(__file__).parents[2]
NEWMAN = ROOT / "node_modules/newman/bin/newman.js"


async def test_every_request_of_the_collection_gets_the_answer_it_says(door: Door, tmp_path: Path) -> None:
    require_node("newman")
    report = tmp_path / "report.json"
    process = await asyncio.create_subprocess_exec(
        "node", NEWMAN, "run", ROOT / "docs/postman-collection.json", "--env-var", f"base_url={door.url}",
        "--reporters", "cli,json", "--reporter-json-export", report, "--color", "off",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, output.decode()
    ran = json.loads(report.read_text())["run"]
    assert ran["stats"]["requests"]["total"] == len(postman.STEPS)
    assert ran["stats"]["assertions"]["total"] == len(postman.STEPS)


def test_an_operation_without_a_step_is_named() -> None:
    with pytest.raises(LookupError, match="create_post"):
        postman.collection([service for service in ALL if service.name != "posts"])
