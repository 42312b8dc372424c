"""Run the benchmarks and write their figures into loadtests/README.md: tables, charts, machine, commit, command.

    make bench                       # all benchmarks
    make bench ONLY="rest viral"     # only these; the figures of the others stay
    make bench ONLY=rest STORE=rs    # over another document store: figures have a block of their own, or are printed
    make bench QUICK=1               # a moment of each, to see that they run: writes nothing

Each block between `<!-- measured: X -->` and `<!-- until here -->` is written by one benchmark; all prose is by hand.
The exit code is 1 when a benchmark fails, and its block stays as it is. Ctrl-C ends the program, once
the benchmark that runs has stopped the processes it started.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from devtools.cluster.server import die_with_parent
from loadtests import documents, tables, tables_of_sockets
from loadtests.load import draw
from loadtests.origin import commit, machine
from loadtests.tables import Figures, Rows

ROOT = Path(__file__).parents[1]
README = ROOT / "loadtests/README.md"
FIRST_PAGE = ROOT / "README.md"
FIGURES = ROOT / "loadtests/figures"
ENDS_WITHIN_S = 150.0  # pushes on their way arrive or are lost, and a cluster stops


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: its command, the rows of its table (the first is the head), and its chart."""

    command: str
    rows: Callable[[Figures], Rows]
    chart: Callable[[Figures, Path], None] | None = None
    quick: str = "--quick"
    in_short: Callable[[Figures], Rows] | None = None  # rows for the first page, which has a block of that name then


def script(name: str) -> str:
    """Return the command that starts a benchmark."""
    return f"python loadtests/benchmarks/{name}.py"


def load(scenario: str, users: int, duration: str, more: str = "") -> Benchmark:
    """Return the benchmark that runs a scenario on a cluster of its own."""
    command = f"python loadtests/load.py {scenario} --users {users} --duration {duration}{more}"
    return Benchmark(command, tables.of_load, None, "--users 4 --duration 5s --followers 600")


BENCHMARKS = {
    "peer": Benchmark(script("peer"), tables.of_peer, in_short=tables.of_peer_in_short),
    "rest": Benchmark(script("rest"), tables.of_rest, tables.chart_of_rest),
    "login": Benchmark(script("login"), tables.of_login),
    "streams": Benchmark(script("streams"), tables.of_streams),
    "timelines": Benchmark(script("timelines"), tables.of_timelines),
    "notifications": Benchmark(script("notifications"), tables.of_notifications),
    "workers": Benchmark(script("workers"), tables.of_workers),
    "sqs": Benchmark(script("sqs"), tables.of_sqs),
    "observing": Benchmark(script("observing"), tables.of_observing),
    "stores": Benchmark(script("stores"), tables.of_stores),
    "storage": Benchmark(script("storage"), tables.of_storage),
    "fanout": Benchmark(script("fanout"), tables.of_fanout, tables.chart_of_fanout),
    "gateways": Benchmark(script("gateways"), tables.of_gateways),
    "avalanche": Benchmark(script("avalanche"), tables_of_sockets.of_avalanche, tables_of_sockets.chart_of_avalanche),
    "browse": load("browse", 20, "60s"),
    "post": load("post", 50, "60s"),
    "viral": load("viral", 100, "60s"),
    "celebrity": load("celebrity", 20, "90s"),
    "reconnect-storm": load("reconnect-storm", 100, "60s"),
}

SHOWN = {"browse": "throughput", "celebrity": "latency-posts", "reconnect-storm": "people"}  # others show the latency


def run(name: str, quick: bool, folder: Path) -> Figures:
    """Return the figures of a benchmark; raises subprocess.CalledProcessError."""
    benchmark = BENCHMARKS[name]
    _, *command = benchmark.command.split()
    if quick:
        command += benchmark.quick.split()
    if is_load := benchmark.rows is tables.of_load:
        command += ["--results", str(folder)]
    printed = output([*die_with_parent(), sys.executable, *command])
    if is_load:
        return json.loads((folder / "result.json").read_text())
    return json.loads(printed.strip().splitlines()[-1])


def output(command: list[str]) -> str:
    """Return the standard output of a command; raises subprocess.CalledProcessError."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            printed, _ = process.communicate()
        except KeyboardInterrupt:  # the command was interrupted, too, and stops the processes it started
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=ENDS_WITHIN_S)
            raise
        finally:
            process.kill()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, printed)
    return printed


def block(name: str, figures: Figures, pictures: Sequence[Path], busy: float) -> str:
    """Return the text between the markers; `busy` is the load average before the benchmark began."""
    lines = table(BENCHMARKS[name].rows(figures))
    shown = [f"![{name}: {each.stem}](figures/{each.name})" for each in pictures]
    when = time.strftime("%Y-%m-%d")
    origin = f"{when}, commit `{commit() or 'unknown'}`, {machine()}, load average {busy:.1f} before. To repeat:"
    store = documents.name()
    on = "" if store == "py" else f"STORE={'mongodb://…' if store == 'mongodb' else store}"
    again = f"`make bench ONLY={name}{' ' * bool(on)}{on}`, or `{on}{' ' * bool(on)}{BENCHMARKS[name].command}`."
    return "\n\n".join([lines, *shown, f"{origin}\n{again}"])


def table(rows: Rows) -> str:
    """Return a table in Markdown; the first row is its head."""
    head, *others = [[str(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *others))


def title(name: str) -> str:
    """Return the name of a benchmark's block: figures over an unusual store never replace the usual ones."""
    store = documents.name()
    return name if store == "py" else f"{name} over {store}"


def has_block(text: str, name: str) -> bool:
    """Return whether the README has a block for these figures."""
    return f"<!-- measured: {name} -->\n" in text


def rewritten(text: str, name: str, inside: str) -> str:
    """Return a page with a new text in a block; raises ValueError where the page has no block of that name."""
    begin, end = f"<!-- measured: {name} -->\n", "\n<!-- until here -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there is no block for {name}")
    return f"{before}{begin}{inside}{end}{after}"


def pictures(name: str, figures: Figures, folder: Path) -> list[Path]:
    """Draw the chart of a benchmark into a folder; return its path, if it has a chart."""
    folder.mkdir(exist_ok=True)
    benchmark, path = BENCHMARKS[name], folder / f"{title(name).replace(' ', '-')}.png"
    if benchmark.rows is tables.of_load:
        with tempfile.TemporaryDirectory() as drawn:
            for each in draw(figures, Path(drawn)):
                if each.stem == SHOWN.get(name, "latency"):
                    shutil.copy(each, path)
    elif benchmark.chart is not None:
        benchmark.chart(figures, path)
    return [path] if path.exists() else []


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a moment of each, writes nothing")
    return parser


def main() -> int:
    """Run the benchmarks that are named; return the exit code."""
    options = arguments().parse_args()
    documents.chosen()  # end on a wrong STORE before anything is measured
    if unknown := set(options.names) - set(BENCHMARKS):
        arguments().error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if commit().endswith("+"):
        print("warning: code was changed since the last commit; their commit is marked with a +", file=sys.stderr)
    failed = []
    for name in options.names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name].command}", file=sys.stderr, flush=True)
        busy, _, _ = os.getloadavg()
        with tempfile.TemporaryDirectory() as folder:
            try:
                figures = run(name, options.quick, Path(folder))
            except (subprocess.CalledProcessError, ValueError, OSError) as error:
                print(f"{name} failed: {error}", file=sys.stderr)
                failed.append(name)
                continue
            kept = not options.quick and (has_block(README.read_text(), title(name)) or title(name) == name)
            drawn = pictures(name, figures, FIGURES if kept else Path(folder) / "figures")
            inside = block(name, figures, drawn, busy)
            if kept:
                README.write_text(rewritten(README.read_text(), title(name), inside))
            else:
                print(inside)
            if kept and (in_short := BENCHMARKS[name].in_short) is not None and title(name) == name:
                FIRST_PAGE.write_text(rewritten(FIRST_PAGE.read_text(), name, table(in_short(figures))))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
