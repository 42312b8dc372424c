"""Generated requests, good and bad, against every service: all of Schemathesis' checks hold.

`make test` tries a few of each operation; `make soak` (PLAZA_SOAK=1) many.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from support.people import Door

from api.settings import SERVICES

SOAK = os.environ.get("PLAZA_SOAK") == "1"
EXAMPLES, WITHIN_S = (300, 120) if SOAK else (5, 5)
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_does_what_its_document_says(door: Door, tmp_path: Path, service: str) -> None:
    person = await door.register("fuzz")
    done = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={CONFIG}",
        "run",
        f"{door.url}/openapi/{service}.json",
        f"--header=Authorization: Bearer {person.tokens.access_token}",
        "--checks=all",
        "--phases=examples,coverage,fuzzing,stateful" if SOAK else "--phases=coverage,fuzzing",
        f"--max-examples={EXAMPLES}",
        f"--max-time={WITHIN_S}",
        "--generation-database=none",
        "--seed=1",
        "--continue-on-failure",
        "--no-color",
        "--suppress-health-check=all",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await done.communicate()
    assert done.returncode == 0, output.decode()
