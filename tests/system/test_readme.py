"""The README's tour, word for word, against a system of its own."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest
from support import documents
from support.documents import ROOT
from support.ports import free_ports
from support.system import Embedded


def blocks(language: str, section: str) -> list[str]:
    return [block.text for block in documents.blocks("README.md", section) if block.language == language]


@pytest.fixture
async def embedded(tmp_path):
    api_port, realtime_port = free_ports(2)
    async with Embedded(tmp_path / "var", api_port=api_port, realtime_port=realtime_port) as system:
        yield system


async def run(*command, cwd, timeout_s=180.0, **options):
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, **options
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode, output.decode()


async def test_the_tour_of_the_readme_works_as_it_is_written(embedded, tmp_path):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")

    def here(text: str) -> str:
        return text.replace("localhost:8080", f"127.0.0.1:{embedded.api_port}").replace(
            "localhost:8081", f"127.0.0.1:{embedded.realtime_port}"
        )

    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "ada.mjs").write_text(here(blocks("js", "A tour")[0]))
    (tmp_path / "bob.py").write_text(here(blocks("py", "A tour")[0]))
    opening, rest = blocks("sh", "A tour")
    together = f"""
set -eu
{here(opening)}
node ada.mjs $ADA > ada.log 2>&1 &
LISTENER=$!
for _ in $(seq 100); do grep -q listens ada.log && break; sleep 0.1; done
"{sys.executable}" bob.py $BOB $POST
wait $LISTENER
cat ada.log
{here(rest)}
"""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    code, output = await run("bash", "-c", together, cwd=tmp_path, env={**os.environ, "PATH": path})
    assert code == 0, output
    assert '"text":"hello, plaza"' in output
    assert "bob: like (1)" in output
    assert "watching: {'ok': True" in output
    assert "'liked': True" in output
    assert "live: {'post_id'" in output
    assert '"liked":true,"likes":1' in output
    assert '"type":"like"' in output
    assert '"pointer":"/text"' in output
    assert '"pointer":"/colour"' in output


async def test_the_demo_delivers_everything_it_was_acknowledged(embedded):
    code, output = await run(
        sys.executable, "-m", "social", "demo", "--users", "8", "--seconds", "4", "--json",
        "--api", embedded.api_url, "--realtime", embedded.realtime_url,
        cwd=ROOT,
    )  # fmt: skip
    assert code == 0, output + embedded.output.decode()
    assert '"missing":0' in output
    assert '"duplicates":0' in output
    assert '"refused":0' in output


async def test_the_three_processes_start_by_themselves_against_real_servers(
    mongo_url, mongo_database, redis_url, amqp_url, tmp_path
):
    (block,) = blocks("sh", "Against real servers")
    api_port, realtime_port, workers_port = free_ports(3)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": mongo_database,
        "REDIS_URL": redis_url,
        "AMQP_URL": amqp_url,
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
  for _ in $(seq 100); do curl -sf $url > /dev/null && continue 2; sleep 0.1; done
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
