"""Generated requests, valid and invalid, against every service: all of Schemathesis' checks hold.

`make test` tries a few of each operation; `make soak` (PLAZA_SOAK=1) many.
"""

import asyncio
import os
from pathlib import Path

import pytest
from support.forking import Forks
from support.people import Door
from support.site import Site, serving

from api.settings import SERVICES

SOAK = os.environ.get("PLAZA_SOAK") == "1"
EXAMPLES, WITHIN_S = (300, 120) if SOAK else (5, 1)
FORKS = Forks("schemathesis.cli")
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_does_what_its_document_says(site: Site, tmp_path: Path, service: str) -> None:
    person = await site.door.register("fuzz")
    async with serving(site.plaza, site.keys, api_services=(service,)) as alone:  # two may share a path
        await holds(alone, service, person.tokens.access_token, tmp_path)


async def holds(door: Door, service: str, token: str, folder: Path) -> None:
    """All checks, of everything in the service's document."""
    words = [
        "schemathesis.cli",
        f"--config-file={CONFIG}",
        "run",
        f"{door.url}/openapi/{service}.json",
        f"--header=Authorization: Bearer {token}",
        "--checks=all",
        "--phases=examples,coverage,fuzzing,stateful" if SOAK else "--phases=coverage,fuzzing",
        f"--max-examples={EXAMPLES}",
        f"--max-time={WITHIN_S}",
        "--generation-database=none",
        "--seed=1",
        "--continue-on-failure",
        "--no-color",
        "--suppress-health-check=all",
    ]
    log = folder / "log"
    with log.open("wb") as out:
        running = FORKS.start(words, cwd=folder, env=os.environ, out=out, err=out)
    while running.poll() is None:
        await asyncio.sleep(0.05)
    assert running.returncode == 0, log.read_text()
