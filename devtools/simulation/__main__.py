"""Run seeds of the simulation: `python -m devtools.simulation --seeds 1000 --seed 1`."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from devtools.simulation.campaign import Campaign, carry_on, told
from devtools.simulation.replaced import silent
from devtools.simulation.run import run
from devtools.simulation.safety_lines import FEW, chosen, noticed

MOST_SEEDS = 40  # in which a missing safety line must be noticed

T = TypeVar("T")


def main() -> int:
    """Run the seeds that the command line names; return 1 where a run has a flaw."""
    parser = argparse.ArgumentParser(prog="python -m devtools.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds to run")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--resume", type=Path, help="file that keeps the campaign; one that is there goes on")
    parser.add_argument("--prove", action="store_true", help="run without each of three safety lines afterwards")
    parser.add_argument(
        "--without", nargs="+", default=[], help="names of mutations, of each of which a flaw must come"
    )
    asked = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets of texts would differ from run to run
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, "-m", "devtools.simulation", *sys.argv[1:]], environment)  # noqa: S606
    if asked.without:
        return not proves(asked.seed, asked.seeds, asked.without)
    if asked.seeds == 1:
        with silent():
            outcome = run(asked.seed)
        print(told(outcome))
        return bool(outcome.flaws)
    campaign = Campaign.of(asked.resume, asked.seed)
    until = campaign.first + asked.seeds
    carry_on(campaign, until, asked.resume, lambda line: print(line, flush=True), ends_at_flaw=asked.prove)
    print(campaign)
    return bool(campaign.failed) or (asked.prove and not (repeats(asked.seed) and proves(asked.seed, MOST_SEEDS, FEW)))


def repeats(seed: int) -> bool:
    """Return whether a seed repeats itself step by step."""
    with silent():
        alike = run(seed).digest == run(seed).digest
    print("the order of steps repeats" if alike else f"seed {seed} has another order of steps each time")
    return alike


def proves(first: int, most: int, names: Sequence[str]) -> bool:
    """Return whether runs without each of these safety lines have flaws."""
    all_noticed = True
    for mutation, seeds in _silently(noticed(first, most, chosen(names))):
        print(
            f"{mutation.name}: " + (f"a flaw after {seeds} seeds" if seeds else f"no flaw in {most} seeds"), flush=True
        )
        all_noticed &= seeds is not None
    return all_noticed


def _silently(found: Iterator[T]) -> Iterator[T]:
    while True:
        with silent():
            each = next(found, None)
        if each is None:
            return
        yield each


if __name__ == "__main__":
    sys.exit(main())
