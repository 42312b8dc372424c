"""Run seeds of the simulation: `python -m devtools.simulation --seeds 1000 --seed 1`."""

import argparse
import os
import sys
from pathlib import Path

from devtools.simulation.campaign import Campaign, carry_on, told
from devtools.simulation.replaced import silent
from devtools.simulation.run import run


def main() -> int:
    """Run the seeds that the command line names; return 1 where a run has a flaw."""
    parser = argparse.ArgumentParser(prog="python -m devtools.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds to run")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--resume", type=Path, help="file that keeps the campaign; one that is there goes on")
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
    return bool(campaign.failed)


if __name__ == "__main__":
    sys.exit(main())
