"""Ids: in the order in which they are made, and of one process alone."""

import itertools
import subprocess
import sys

import pytest

from social.infra import clock

FORKS = """
import os
from social.infra import clock
clock.new_id()
if child := os.fork():
    os.waitpid(child, 0)
print(clock.new_id()[8:18], flush=True)
"""


def test_the_ids_of_a_second_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.infra.clock.time.time", lambda: 1_800_000_000.5)
    ids = [clock.new_id() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    assert {len(each) for each in ids} == {24}
    assert {clock.made_at(each).timestamp() for each in ids} == {1_800_000_000}


def test_a_process_begins_far_from_the_end_of_its_numbers() -> None:
    made = subprocess.run(
        [sys.executable, "-c", "from social.infra import clock; print(clock.new_id())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(made.stdout.strip()[18:], 16) < 2**23


def test_a_fork_makes_other_ids_than_its_parent() -> None:
    made = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True).stdout.split()
    assert len(set(made)) == 2


def test_a_number_that_is_used_up_leaves_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock._maker, "numbers", itertools.count(2**24 - 1))
    assert [clock.new_id()[18:] for _ in range(2)] == ["ffffff", "000000"]
