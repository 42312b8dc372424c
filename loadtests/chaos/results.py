"""The results of a campaign: a line of JSON for each run, so that it goes on where it was stopped; and the tables."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from support.writes import Counts

from loadtests.chaos.plan import KINDS
from loadtests.chaos.run import Result

FILE = "runs.jsonl"
BOUND = 3.0  # rule of three: where n events show no failure, at most 3/n of all fail, with 95 % confidence


def append(folder: Path, result: Result) -> None:
    """Add the result of a run, on a line of its own also where the line before was cut off."""
    with (folder / FILE).open("a") as file:
        file.write("\n" + json.dumps(asdict(result), ensure_ascii=False))


def read(folder: Path) -> list[Result]:
    """Return the results of all runs so far; a line that was being written when the campaign was killed is left out."""
    lines = (folder / FILE).read_text().splitlines() if (folder / FILE).exists() else []
    results = []
    for line in filter(None, lines):
        with suppress(ValueError):
            results.append(Result(**json.loads(line)))
    return results


def total(results: Iterable[Result]) -> Counts:
    """Return the counts of all runs together."""
    return sum((each.counted for each in results), Counts())


def summary(results: Sequence[Result]) -> str:
    """Return the table of all runs, and of the runs with each kind of fault."""
    counts, flawed = total(results), sum(bool(each.flaws) for each in results)
    pushed = sum(each.notifications for each in results)
    events = counts.acknowledged + pushed
    words = [
        f"{len(results)} runs, {flawed} with a flaw; {counts.acknowledged:,} acknowledged writes and {pushed:,} "
        f"notifications that were due.",
    ]
    if events and not flawed:
        words[0] += f" No failure among n = {events:,} events bounds their share at 3/n = {BOUND / events:.1e} (95 %)."
    names = tuple(asdict(counts))
    words += ["", _row(names), _row(["---"] * len(names)), _row(f"{each:,}" for each in asdict(counts).values())]
    columns = (
        "fault",
        "runs",
        "acknowledged",
        "notifications",
        "flawed runs",
        "ready p50 / p99",
        "converged p50 / p99",
    )
    words += ["", _row(columns), _row(["---"] * len(columns))]
    for kind in KINDS:
        those = [each for each in results if kind in {name for name, *_ in each.faults} - set(each.not_run)]
        words.append(_row(_line(kind, those)))
    words.append(_row(_line("**all**", results)))
    lacking = Counter(reason for each in results for reason in each.not_run.items())
    words += [""] * bool(lacking)
    words += [f"- Not run ({times} ×): *{kind}*, because {why}." for (kind, why), times in sorted(lacking.items())]
    return "\n".join(words) + "\n"


def _line(name: str, results: Sequence[Result]) -> list[str]:
    counts = total(results)
    ready = [each.ready_s for each in results if each.ready_s is not None]
    converged = [each.converged_s for each in results]
    flawed = sum(bool(each.flaws) for each in results)
    pushed = sum(each.notifications for each in results)
    spans = [f"{_percentile(some, 50)} / {_percentile(some, 99)}" if some else "" for some in (ready, converged)]
    return [name, str(len(results)), f"{counts.acknowledged:,}", f"{pushed:,}", str(flawed), *spans]


def _percentile(seconds: Sequence[float], percent: int) -> str:
    return f"{sorted(seconds)[min(len(seconds) - 1, len(seconds) * percent // 100)]:.1f} s"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
