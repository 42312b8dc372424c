"""Run chaos with seeds on real processes, and count what was lost, doubled or left behind (nothing).

    make chaos RUNS=300 SEED=1                    # seeds 1 to 300, on one cluster as long as nothing fails
    make chaos RUNS=1 SEED=17                     # the plan of seed 17 again
    make chaos RUNS=300 SEED=1 RESUME=var/chaos   # go on with the campaign in that folder
    make chaos RUNS=9 SEED=1 ROUNDS=6             # each crowd meets the faults of its seed six times

Each run has a crowd of its own, which posts, comments, likes and follows over REST and sockets, each write repeated
under one key, while the faults of the seed's plan happen. After a run with a flaw its logs stay, and the next run has
a new cluster. The exit code is 1 where a run had a flaw.
"""

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from loadtests.chaos import network, results  # noqa: E402 - `support` is below tests/
from loadtests.chaos.plan import KINDS, Plan, plan  # noqa: E402
from loadtests.chaos.run import PEOPLE, Result, run  # noqa: E402
from loadtests.chaos.system import System  # noqa: E402
from loadtests.origin import commit, machine  # noqa: E402

RELIABILITY = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- measured: make chaos -->", "<!-- until here -->"
RUN_WITHIN_S = 400.0  # a run that takes longer hangs


class Campaign:
    """The runs of many seeds, on a cluster that is made anew where a run had a flaw."""

    def __init__(self, folder: Path, previous: Path | None, people: int, rounds: int) -> None:
        self._folder = folder
        self._previous = previous
        self._people = people
        self._rounds = rounds
        self._system: System | None = None
        self._home: Path | None = None

    async def run(self, plan: Plan) -> Result:
        """Run a plan and note its result."""
        began = time.monotonic()
        try:
            system = await self._cluster()
            async with asyncio.timeout(RUN_WITHIN_S * self._rounds):
                result = await run(system, plan, self._people, self._rounds)
        except Exception as error:
            result = Result(plan.seed, [list(each) for each in plan.faults], flaws=[f"ended by {error!r}"])
            result.seconds = round(time.monotonic() - began, 1)
        results.append(self._folder, result)
        if result.flaws:
            await self.end(kept=f"seed-{plan.seed}")
        elif self._system and not self._system.room_left():
            await self.end()
        return result

    async def end(self, kept: str = "") -> None:
        """Kill the cluster; keep its logs under a name, where there is one."""
        system, home, self._system, self._home = self._system, self._home, None, None
        if system is None or home is None:
            return
        for log in home.glob("**/*.log") if kept else ():  # before the store's disk is gone
            (self._folder / kept).mkdir(exist_ok=True)
            shutil.copy(log, self._folder / kept / f"{log.parent.name}-{log.name}")
        await system.stop()
        shutil.rmtree(home, ignore_errors=True)

    async def _cluster(self) -> System:
        if self._system is None:
            self._home = Path(tempfile.mkdtemp(prefix="chaos-"))
            self._system = System(self._home, self._previous)
            await self._system.start()
        return self._system


def checked_out(ref: str, folder: Path) -> Path | None:
    """Return a folder with the files of another release, which git has; raises SystemExit where it has none."""
    if not ref:
        return None
    git = ["git", "-C", str(ROOT)]
    found = subprocess.run(
        [*git, "rev-parse", "--verify", f"{ref}^{{commit}}"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise SystemExit(f"git knows no release {ref!r}")
    there = folder / f"previous-{found.stdout.strip()}"
    if not there.exists():
        archive = subprocess.run([*git, "archive", found.stdout.strip()], capture_output=True, check=True)
        unpacking = there.with_suffix(".unfinished")
        unpacking.mkdir(exist_ok=True)
        subprocess.run(["tar", "-x", "-C", str(unpacking)], input=archive.stdout, check=True)
        unpacking.rename(there)
    return there


async def main(options: argparse.Namespace) -> int:
    """Run all seeds that are not done; return the exit code."""
    folder = options.resume or Path(tempfile.mkdtemp(prefix="chaos-results-"))
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {name: kind for name, kind in KINDS.items() if not options.only or name in options.only}
    campaign = Campaign(folder, checked_out(options.previous, folder), options.people, options.rounds)
    done = {each.seed for each in results.read(folder)}
    seeds = [each for each in range(options.seed, options.seed + options.runs) if each not in done]
    print(f"{len(seeds)} runs, results in {folder}/{results.FILE} (RESUME={folder} goes on there)", flush=True)
    try:
        for number, seed in enumerate(seeds, start=1):
            print(planned := plan(seed, kinds, options.most), flush=True)
            show(number, len(seeds), await campaign.run(planned))
    finally:
        await campaign.end()
    every = results.read(folder)
    seeds = [each.seed for each in every]
    text = f"{commands(seeds, options.previous, options.rounds)} on {machine()}:\n\n{results.summary(every)}"
    print(f"commit {commit()}\n{text}")
    if options.write:
        write(text)
    return int(any(each.flaws for each in every))


def show(number: int, of: int, result: Result) -> None:
    """Print the result of a run: a line, and one for each flaw."""
    some = result.counted
    print(
        f"[{number}/{of}] seed {result.seed}: {some.acknowledged} acknowledged, {some.unknown} unknown, "
        f"{some.lost} lost, {some.duplicated} duplicated; ready after {result.ready_s} s, converged after "
        f"{result.converged_s} s; {result.seconds:.0f} s" + (f"; {len(result.flaws)} FLAWS" if result.flaws else ""),
        *(f"    {each}" for each in result.flaws),
        sep="\n",
        flush=True,
    )


def commands(seeds: Iterable[int], previous: str, rounds: int) -> str:
    """Return the commands that run these seeds again: one for each range."""
    ranges: list[list[int]] = []
    for seed in sorted(seeds):
        if ranges and seed == ranges[-1][-1] + 1:
            ranges[-1].append(seed)
        else:
            ranges.append([seed])
    more = (f" ROUNDS={rounds}" if rounds > 1 else "") + (f" PREVIOUS={previous}" if previous else "")
    return ", ".join(f"`make chaos RUNS={len(some)} SEED={some[0]}{more}`" for some in ranges)


def write(text: str) -> None:
    """Put the tables into docs/reliability.md."""
    before, begin, rest = RELIABILITY.read_text().partition(BEGIN)
    RELIABILITY.write_text(f"{before}{begin}\n{text}{END}{rest.partition(END)[2]}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the first run (default: %(default)s)")
    parser.add_argument("--resume", type=Path, help="folder of the results; seeds that are there already are not run")
    parser.add_argument("--people", type=int, default=PEOPLE, help="people in each crowd (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="how often a run repeats its faults (default: 1)")
    parser.add_argument("--most", type=int, default=4, help="faults of a run (default: %(default)s)")
    parser.add_argument(
        "--only", action="append", choices=list(KINDS), metavar="FAULT", help="plan this kind alone (repeatable)"
    )
    parser.add_argument("--previous", default="", help="a commit or tag whose processes run beside today's")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/reliability.md")
    return parser


async def until_a_signal(options: argparse.Namespace) -> int:
    """Run the campaign; SIGTERM and SIGINT end it, with its cluster, after which it can be resumed."""
    task = asyncio.ensure_future(main(options))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM


if __name__ == "__main__":
    options = parser().parse_args()
    network.enter()
    sys.exit(asyncio.run(until_a_signal(options)))
