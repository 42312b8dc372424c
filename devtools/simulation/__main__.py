"""Run seeds of the simulation: `python -m devtools.simulation --seeds 1000 --seed 1`."""

import argparse
import os
import sys
from pathlib import Path

from devtools.simulation.campaign import Campaign, carry_on, told
from devtools.simulation.replaced import silent
from devtools.simulation.run import run
from devtools.simulation.safety_lines import noticed


def main() -> int:
    """Run the seeds that the command line names; return 1 where a run has a flaw."""
    parser = argparse.ArgumentParser(prog="python -m devtools.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds to run")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--resume", type=Path, help="file that keeps the campaign; one that is there goes on")
    parser.add_argument("--prove", action="store_true", help="run without each of some safety lines afterwards")
    asked = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets of texts would differ from run to run
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, "-m", "devtools.simulation", *sys.argv[1:]], environment)  # noqa: S606
    if asked.seeds == 1:
        with silent():
            outcome = run(asked.seed)
        print(told(outcome))
        return bool(outcome.flaws)
    campaign = Campaign.of(asked.resume, asked.seed)
    carry_on(campaign, campaign.first + asked.seeds, asked.resume, lambda line: print(line, flush=True))
    print(campaign)
    return bool(campaign.failed) or (asked.prove and not proves(asked.seed))


def proves(first: int) -> bool:
    """Return whether a seed repeats itself step by step, and whether runs without a safety line have flaws."""
    with silent():
        repeats = run(first).digest == run(first).digest
        print("the order of steps repeats" if repeats else f"seed {first} has another order of steps each time")
        found = list(noticed(first))
    for line, seeds in found:
        print(f"without the line by which {line.name}: " + (f"a flaw after {seeds} seeds" if seeds else "no flaw"))
    return repeats and all(seeds for _, seeds in found)


if __name__ == "__main__":
    sys.exit(main())
