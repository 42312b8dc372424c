"""Runs of the simulation have no flaw, and notice a missing safety line; in a process, since clocks are replaced."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEEDS = 8


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    kept = tmp_path_factory.mktemp("simulation") / "campaign.json"
    command = [sys.executable, "-m", "devtools.simulation", "--seeds", str(SEEDS), "--resume", str(kept), "--prove"]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    ), kept


def test_every_promise_holds_in_every_run(campaign: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    ended, kept = campaign
    assert ended.returncode == 0, ended.stdout + ended.stderr
    state = json.loads(kept.read_text())
    assert (state["next"], state["failed"]) == (SEEDS + 1, [])
    assert state["crashes"]
    assert state["acknowledged"] > 3 * SEEDS
    assert state["notifications"] > SEEDS


def test_a_seed_repeats_itself_step_by_step(campaign: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    assert "the order of steps repeats" in campaign[0].stdout


def test_a_missing_safety_line_is_noticed(campaign: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    assert campaign[0].stdout.count("a flaw after") == 3
    assert "no flaw" not in campaign[0].stdout
