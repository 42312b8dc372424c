"""A killed gateway's sockets all come back, resumed, and miss nothing; the figures of it make a table."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests import tables_of_sockets
from loadtests.benchmarks import avalanche

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def figures() -> Any:
    """Run the benchmark's short form, in `make soak`."""
    if not os.environ.get("PLAZA_SOAK"):
        pytest.skip("make soak runs it: three gateways and their crowd take a while to start")
    if not shutil.which("cc") or not shutil.which("redis-server"):
        pytest.skip("needs a C compiler and redis-server")
    done = subprocess.run(
        [sys.executable, "loadtests/benchmarks/avalanche.py", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_all_sockets_of_a_killed_gateway_resume_and_miss_nothing(figures):
    end = figures["kill"]
    assert end["connected"] == figures["sockets"] == 300
    assert end["recovered"] == end["returned"] >= end["lost_sockets"] == 100
    assert end["replayed"] >= end["missed"] == 20
    assert end["wrong"] == 0
    assert avalanche.wrong(figures) == []


def test_the_figures_make_a_table_and_a_chart(figures, tmp_path):
    rows = tables_of_sockets.of_avalanche(figures)
    assert ["events lost, twice or out of order", 0] in rows
    assert {len(row) for row in rows} == {2}
    tables_of_sockets.chart_of_avalanche(figures, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"connected": 299}, "not everybody came back"),
        ({"recovered": 99}, "not everybody was recovered"),
        ({"replayed": 19}, "missed events were lost"),
        ({"wrong": 1}, "came twice or out of order"),
    ],
)
def test_any_loss_fails_the_benchmark(changed, said):
    end = {"connected": 300, "returned": 100, "recovered": 100, "replayed": 20, "missed": 20, "wrong": 0}
    assert avalanche.wrong({"sockets": 300, "kill": end}) == []
    (problem,) = avalanche.wrong({"sockets": 300, "kill": {**end, **changed}})
    assert said in problem
