"""Runs of the simulation have no flaw, and notice a missing safety line; in a process, since clocks are replaced."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from devtools.simulation import loop as loops
from devtools.simulation.campaign import Campaign, told
from devtools.simulation.loop import Broken, SimulatedLoop, Stuck
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
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False
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


async def of_the_real_network() -> None:
    """Ask it as clients do, which take every error for a server that is away and try again for ever."""
    while True:
        try:
            await asyncio.open_connection("rabbitmq", 5672)
        except Exception:
            await asyncio.sleep(1)


async def without_an_end() -> None:
    while True:
        await asyncio.sleep(1)


async def without_a_timer() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(
    ("work", "error", "why"),
    [
        (of_the_real_network, Broken, "an edge of the product is not replaced"),
        (without_an_end, Stuck, "steps, and no end"),
        (without_a_timer, Stuck, "everything waits"),
    ],
)
def test_a_run_that_cannot_advance_ends_at_once_and_says_why(
    work: Callable[[], Coroutine[Any, Any, None]], error: type[Exception], why: str
) -> None:
    loop = SimulatedLoop(random.Random(1), most_steps=1_000)
    try:
        with pytest.raises(error, match=why):
            loop.run_until_complete(work())
    finally:
        loop.close()


def test_a_run_has_a_bound_on_the_time_of_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MOST_CPU_S", 0.0)
    loop = SimulatedLoop(random.Random(1), most_steps=1_000_000)
    try:
        with pytest.raises(Broken, match="of a processor"):
            loop.run_until_complete(without_an_end())
    finally:
        loop.close()


def outcome(seed: int, *flaws: str) -> Outcome:
    return Outcome(seed, [*flaws], ["worker 1 dies at its step 5"], 1, 100, 5.0, 3, 2, 1)
