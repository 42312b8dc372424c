"""The supervisor of a cluster, and programs that end, do not start, or do not stop."""

import asyncio
import sys

import pytest

from devtools.cluster import supervisor
from devtools.cluster.program import Program
from devtools.cluster.server import StartFailed

NOWHERE = "http://127.0.0.1:1/"


async def test_a_program_that_dies_at_once_is_started_more_and_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 0.04)
    said: list[str] = []
    program = Program(
        "doomed", ["sh", "-c", "echo hello; exit 3"], ready_url=NOWHERE, say=lambda _, line: said.append(line)
    )
    await program.start()
    kept = supervisor.Kept(program)
    keeping = asyncio.create_task(kept.keep(lambda _, line: said.append(line)))
    async with asyncio.timeout(60):
        while kept.starts < 5:
            await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await program.stop()
    pauses = [line.rpartition(" in ")[2] for line in said if line.startswith("ended (exit code 3)")]
    assert pauses[:4] == ["0.01 s", "0.02 s", "0.04 s", "0.04 s"]
    assert said.count("hello") >= 4


async def test_a_program_that_ends_instead_of_starting_says_how() -> None:
    said: list[str] = []
    program = Program(
        "doomed",
        [sys.executable, "-c", "raise SystemExit('no key')"],
        ready_url=NOWHERE,
        say=lambda _, line: said.append(line),
    )
    await program.start()
    with pytest.raises(StartFailed, match="doomed ended instead of starting: exit code 1"):
        await program.ready()
    await program.stop()
    assert said == ["no key"]


async def test_a_program_that_heeds_nobody_is_killed_with_its_children() -> None:
    said: list[str] = []
    stubborn = "trap '' TERM; echo ready; sleep 60 & sleep 60; sleep 60"
    program = Program(
        "stubborn", ["sh", "-c", stubborn], ready_url=NOWHERE, say=lambda _, line: said.append(line), stop_within_s=0.2
    )
    await program.start()
    async with asyncio.timeout(60):
        while not said:
            await asyncio.sleep(0.01)
    async with asyncio.timeout(60):
        await program.stop()  # which waits until nobody holds its output
    assert said == ["ready", "does not end within 0.2 s and is killed"]
