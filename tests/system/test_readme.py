"""The README's tour and the guides that continue it, word for word, against a system of their own."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from support.documents import ROOT, Terminal, blocks, checkout, tools
from support.ports import free_ports
from support.system import Embedded

README = (ROOT / "README.md").read_text()
GUIDES = ("rest", "sockets", "posts", "timelines", "notifications", "media")


@pytest.fixture
async def embedded(tmp_path):
    api_port, realtime_port = free_ports(2)
    async with Embedded(tmp_path / "var", api_port=api_port, realtime_port=realtime_port) as system:
        yield system


async def run(*command, cwd, timeout_s=600.0, **options):
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, **options
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode, output.decode()


async def test_the_tour_and_the_guides_work_as_they_are_written(embedded, tmp_path):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")

    def here(text: str) -> str:
        return text.replace("localhost:8080", f"127.0.0.1:{embedded.api_port}").replace(
            "localhost:8081", f"127.0.0.1:{embedded.realtime_port}"
        )

    terminal = Terminal(checkout(tmp_path / "plaza"), tools(tmp_path / "bin"), here, {})
    try:
        await terminal.follow("README.md", "A tour")
        for guide in GUIDES:
            await terminal.follow(f"docs/guide/{guide}.md")
    finally:
        await terminal.close()


def test_every_guide_is_followed_and_the_readme_leads_to_it() -> None:
    assert {page.stem for page in (ROOT / "docs/guide").glob("*.md")} == set(GUIDES)
    assert {f"docs/guide/{guide}.md" for guide in GUIDES} <= set(re.findall(r"docs/guide/\w+\.md", README))


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= 900


async def test_the_demo_delivers_everything_it_was_acknowledged(embedded):
    code, output = await run(
        sys.executable, "-m", "social", "demo", "--users", "8", "--seconds", "4", "--json",
        "--api", embedded.api_url, "--realtime", embedded.realtime_url,
        cwd=ROOT,
    )  # fmt: skip
    assert code == 0, output + embedded.output
    assert '"missing":0' in output
    assert '"duplicates":0' in output
    assert '"refused":0' in output


async def test_the_three_processes_start_by_themselves_against_real_servers(
    mongo_url, mongo_database, redis_url, amqp_url, tmp_path
):
    block, *_ = (each.text for each in blocks("docs/deploying.md", "Against real servers") if each.language == "sh")
    api_port, realtime_port, workers_port = free_ports(3)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": mongo_database,
        "REDIS_URL": redis_url,
        "BROKER_URL": amqp_url,
        "API_PORT": str(api_port),
        "REALTIME_PORT": str(realtime_port),
        "WORKERS_PORT": str(workers_port),
        "DRAIN_S": "0",
    }
    ready = " ".join(f"http://127.0.0.1:{port}/readyz" for port in (api_port, realtime_port, workers_port))
    demo = f"--users 4 --seconds 2 --api http://127.0.0.1:{api_port} --realtime http://127.0.0.1:{realtime_port}"
    script = f"""
set -eu
trap 'kill $(jobs -p); wait' EXIT
{block}
for url in {ready}; do
  for _ in $(seq 1200); do curl -sf $url > /dev/null && continue 2; sleep 0.1; done
  echo "$url is not ready"; exit 1
done
python -m social demo {demo} --json
python -m social parked list
JWT_PRIVATE_KEY_FILE=keys/jwt.pem REFRESH_KEY_FILE=keys/refresh.key python -m social doctor
"""
    code, output = await run("bash", "-c", script, cwd=tmp_path, env=environment)
    assert code == 0, output
    assert '"missing":0' in output
    assert '"duplicates":0' in output
    assert " 0 problem\n" in output
