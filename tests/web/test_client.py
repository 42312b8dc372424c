"""plaza-client, the package of `web/client`: its own tests in node, against the embedded system."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.browser import require_node
from support.ports import free_ports
from support.system import Embedded

CLIENT = Path(__file__).parents[2] / "web/client"
TESTS = (
    "merge",
    "feed",
    "notifications",
    "queue",
    "rest",
    "session",
    "storage",
    "stores",
    "live",
    "offline",
    "package",
)
NEEDED = ("openapi-fetch", "fake-indexeddb", "happy-dom", "preact", "react-dom", "svelte", "vite", "vue")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Embedded]:
    for package in NEEDED:
        require_node(package)
    api_port, realtime_port = free_ports(2)
    folder = tmp_path_factory.mktemp("client") / "var"
    unlimited = {"RATE_USER": "1000000/60"}  # the people of these tests lose their network twice a second
    async with Embedded(folder, api_port=api_port, realtime_port=realtime_port, **unlimited) as embedded:
        yield embedded


async def run(system: Embedded, *words: str) -> str:
    """Run node on the client's tests; return its output, and fail with it where it fails."""
    urls = {"PLAZA_API": system.api_url, "PLAZA_REALTIME": system.realtime_url}
    process = await asyncio.create_subprocess_exec(
        "node",
        *words,
        cwd=CLIENT,
        env=os.environ | urls,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output = (await asyncio.wait_for(process.communicate(), 300))[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output
    return output


@pytest.mark.parametrize("name", TESTS)
async def test_of_the_client(system: Embedded, name: str) -> None:
    assert "# fail 0" in await run(system, "--test", "--test-reporter=tap", f"test/{name}.test.js")


async def test_the_bindings_of_the_readme_run_in_their_frameworks(system: Embedded) -> None:
    assert "# pass 4" in await run(
        system, "--conditions=browser", "--test", "--test-reporter=tap", "test/frameworks.test.js"
    )


async def test_every_store_equals_a_fresh_fetch_after_random_acts_and_cuts(system: Embedded) -> None:
    assert "compared" in await run(system, "test/converge.js", "--acts", "60", "--people", "3", "--drops", "4")
