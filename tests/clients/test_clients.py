"""Clients that generators make of docs/openapi.json: each registers, posts, likes, sends a picture and hears of it."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.browser import require_node
from support.one_site import one_door, one_loop, one_site
from support.people import Door
from support.pictures import picture

pytestmark = one_loop
site, door = one_site(), one_door()

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
DOCUMENT = ROOT / "docs/openapi.json"
PYTHON_CONFIG = ROOT / "docs/clients/openapi-python-client.yml"
PICTURE = picture(size=(80, 60))
TSC = ("node", ROOT / "node_modules/typescript/bin/tsc", "--strict", "--target", "es2022", "--module", "esnext")
GO = {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOTOOLCHAIN": "local"}


async def run(*words: object, cwd: Path, **environment: str) -> str:
    """Return what a command printed; it has to succeed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, words), cwd=cwd, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 300)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, f"{output.decode()}{errors.decode()}"
    return output.decode()


async def works(door: Door, program: Sequence[object], folder: Path) -> None:
    """Run a client's story; what it says has to be true, and what its people did has to be seen by others."""
    file = folder / "picture.png"
    file.write_bytes(PICTURE)
    story = json.loads(await run(*program, door.url, file, cwd=folder))
    assert story["pictures"] == [{"alt": "a wall", "width": 80}]
    assert story["bytes"] > 0
    assert story["liked"] is True
    kind, actor, target = story["heard"]
    assert (kind, actor[:4], target) == ("like", "bob_", story["post"])
    reader = await door.register(f"reader_{actor[4:]}")
    seen: Any = (await reader.ask("GET", f"/v1/posts/{story['post']}")).body
    assert (seen["text"], len(seen["media"])) == ("hello", 1)
    shown = await reader.ask("GET", seen["media"][0]["url"])
    assert len(shown.raw) == story["bytes"]


async def test_openapi_python_client_makes_a_client_that_works(door: Door, tmp_path: Path) -> None:
    said = await run(
        sys.executable, "-m", "openapi_python_client", "generate", "--path", DOCUMENT, "--meta", "none",
        "--output-path", tmp_path / "plaza", "--config", PYTHON_CONFIG, "--fail-on-warning", cwd=tmp_path,
    )  # fmt: skip
    assert "WARNING" not in said  # it would have left something out
    await works(door, (sys.executable, shutil.copy(HERE / "story.py", tmp_path)), tmp_path)


async def test_openapi_typescript_and_openapi_fetch_make_a_client_that_works(door: Door, tmp_path: Path) -> None:
    require_node("openapi-fetch")
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(ROOT / "web/types/rest.d.ts", tmp_path)  # tests/web holds it to the document
    shutil.copy(HERE / "story.ts", tmp_path)
    await run(*TSC, "--moduleResolution", "bundler", "--skipLibCheck", "--types", "node", "story.ts", cwd=tmp_path)
    await works(door, ("node", tmp_path / "story.js"), tmp_path)


async def test_oapi_codegen_makes_a_client_that_works(door: Door, tmp_path: Path) -> None:
    require_go()
    module = tmp_path / "story"
    shutil.copytree(HERE / "go", module)
    (module / "plaza").mkdir()
    made = ("-generate", "types,client", "-package", "plaza", "-o", "plaza/plaza.go", DOCUMENT)
    await run("go", "tool", "oapi-codegen", *made, cwd=module, **GO)
    await run("go", "build", "-o", "story", ".", cwd=module, **GO)
    await works(door, (module / "story",), tmp_path)


def require_go() -> None:
    """Skip where Go is missing or older than the module needs; where CI=true that is a failure."""
    needed = re.search(r"^go (\d+)\.(\d+)", (HERE / "go/go.mod").read_text(), re.M)
    words = (shutil.which("go") or "true", "env", "GOVERSION")
    found = re.match(r"go(\d+)\.(\d+)", subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert needed
    if found and tuple(map(int, found.groups())) >= tuple(map(int, needed.groups())):
        return
    message = f"there is no Go {needed[1]}.{needed[2]}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{message}, and CI=true lets no test be skipped for it", pytrace=False)
    pytest.skip(message)
