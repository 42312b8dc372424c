"""Runs of the simulation have no flaw, and notice a missing safety line; in a process, since clocks are replaced."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.simulation.campaign import Campaign, told
from devtools.simulation.mutated import mutated
from devtools.simulation.run import Outcome
from social.infra.store.transaction import Transaction

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


def test_a_campaign_goes_on_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "campaign.json"
    begun = Campaign.of(file, 7)
    begun.add(outcome(7), 0.1)
    begun.add(outcome(8, "lost: a like"), 0.1)
    begun.keep(file)
    again = Campaign.of(file, 1)
    assert (again.first, again.next, again.failed, again.acknowledged) == (7, 9, [8], 6)


def test_a_seed_with_a_flaw_says_its_faults_and_how_it_is_run_again() -> None:
    text = told(outcome(8, "lost: a like"))
    assert "fault: worker 1 dies at its step 5" in text
    assert "flaw: lost: a like" in text
    assert text.endswith("make simulate SEEDS=1 SEED=8")


def test_a_safety_line_is_missing_only_within_the_block() -> None:
    kept = Transaction.all_writes.__code__
    with mutated("social/infra/store/transaction.py", "return [*self.writes, *(", "return [*("):
        assert Transaction.all_writes.__code__ is not kept
    assert Transaction.all_writes.__code__ is kept


def test_a_safety_line_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="must have it once"), mutated("social/infra/clock.py", "no such text", ""):
        pass


def outcome(seed: int, *flaws: str) -> Outcome:
    return Outcome(seed, [*flaws], ["worker 1 dies at its step 5"], 1, 100, 5.0, 3, 2, 1)
