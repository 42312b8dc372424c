"""Run a scenario: start a cluster of its own, let people come, and write down what arrived.

    make load SCENARIO=viral USERS=100 DURATION=60s
    make load SCENARIO=post HOST=http://localhost:8080 REALTIME=http://localhost:8081    # a system that runs already

Writes an HTML report, JSON and charts to a folder of loadtests/results/. The exit code is 1 when anything that was
acknowledged was not delivered, or had an effect twice, when something failed for good, or people could not begin.
However the load ends, its cluster ends with it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.console import Console
from rich.table import Table

from devtools.cluster.ports import free_ports
from devtools.cluster.server import die_with_parent
from loadtests import charts, target
from loadtests.documents import chosen, environment_for

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "loadtests/results"
READY_WITHIN_S = 120.0
STOP_WITHIN_S = 60.0
POLICIES = ("USER", "IP", "LOGIN", "REGISTER", "RESET")


@contextmanager
def cluster(log: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Start a cluster with an empty store on a free port, without limits on requests; yield its URL and environment."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    usual = {name: value for name, value in os.environ.items() if name not in ("HOST", "REALTIME")}
    with (
        tempfile.TemporaryDirectory() as folder,
        log.open("wb") as output,
        environment_for(usual, "STORE") as environment,
    ):
        rates = {f"RATE_{policy}": "1000000/1" for policy in POLICIES}
        environment |= {"PLAZA_VAR": folder, "PORT": str(port), "DRAIN_S": "1", "LOG_LEVEL": "warning", **rates}
        process = subprocess.Popen(
            [*die_with_parent(), sys.executable, "-m", "devtools.cluster"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C ends the load first
        )
        try:
            _wait(url, process, log)
            yield url, environment
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the cluster to end; kill it when it takes too long, or a second Ctrl-C ends the waiting."""
    try:
        process.terminate()
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        print(f"the cluster did not end within {STOP_WITHIN_S:g} s and is killed", file=sys.stderr)
    finally:
        process.kill()
        process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(f"{url}/docs", timeout=3):
                return
        except (urllib.error.URLError, OSError):
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            printed = log.read_text(errors="replace").strip().splitlines()
            raise SystemExit("the cluster did not start: " + (printed[-1] if printed else "it printed nothing"))
        time.sleep(0.1)


def locust(options: argparse.Namespace, host: str, environment: Mapping[str, str], folder: Path) -> int:
    """Run Locust headless, with a line of progress each second; return its exit code."""
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests/locustfile.py"), "--headless"]
    command += ["--host", host, "--scenario", options.scenario, "--users", str(options.users)]
    command += ["--spawn-rate", str(options.spawn_rate), "--run-time", options.duration]
    command += [
        "--pause",
        str(options.pause),
        "--followers",
        str(options.followers),
        "--realtime",
        options.realtime,
        "--allow",
        options.allow,
    ]
    command += ["--html", str(folder / "report.html"), "--result", str(folder / "result.json")]
    command += ["--only-summary", "--logfile", str(folder / "locust.log")]
    with (folder / "locust.txt").open("wb") as summary:
        process = subprocess.Popen([*die_with_parent(), *command], cwd=ROOT, env=environment, stderr=summary)
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:  # Locust was interrupted, too, and ends when the pushes have arrived
                    pass
        finally:
            process.kill()
            process.wait()


def draw(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw the charts of a run over time; return their paths."""
    rows = result["timeline"]
    marks = {each["at_s"]: f"{each['name']} killed" for each in result["gateways_killed"]}
    title = f"{result['scenario']}, {result['users']} users"

    def over_time(*names: str) -> dict[str, list[tuple[float, float | None]]]:
        return {
            name.replace("_", " ").removesuffix(" ms"): [(row["at_s"], row[name]) for row in rows] for name in names
        }

    ms = "ms, of each second"
    drawn = {
        "throughput": ("requests and pushes", "a second", over_time("requests", "pushes")),
        "people": ("who is there", "users, and their sockets", over_time("users", "sockets")),
        "latency": ("from the write to its push", ms, over_time("like_p50_ms", "like_p99_ms")),
        "latency-posts": (
            "from a post to its followers",
            "ms, of each second",
            over_time("post_p50_ms", "post_p99_ms"),
        ),
    }
    paths = []
    for name, (what, unit, series) in drawn.items():
        if any(value for points in series.values() for _, value in points):
            paths.append(folder / f"{name}.png")
            charts.lines(paths[-1], f"{title}: {what}", unit, series, marks)
    return paths


def report(result: Mapping[str, Any], folder: Path) -> None:
    """Print tables, the reasons why the run does not count, and the folder of the results."""
    console = Console()
    table = Table("", *("acknowledged", "delivered", "recovered", "p50", "p95", "p99"))
    for kind, each in result["deliveries"].items():
        spread = ["-" if each[name] is None else f"{each[name]:,.0f} ms" for name in ("p50_ms", "p95_ms", "p99_ms")]
        table.add_row(kind, str(each["acknowledged"]), str(each["delivered"]), str(each["recovered"]), *spread)
    if result["deliveries"]:
        console.print(table)
    requests = Table("request", "a second", "failed", "p50", "p99")
    for name, each in result["requests"].items():
        p50, p99 = (f"{each[name]:,.0f} ms" for name in ("p50_ms", "p99_ms"))
        requests.add_row(name, f"{each['per_s']:,.1f}", str(each["failed"]), p50, p99)
    console.print(requests)
    back = result["came_back"]
    if back["sockets"]:
        console.print(
            f"came back: {back['sockets']} sockets, {back['stream_went_on']} of them where they were,"
            f" p50 {back['p50_ms']:,.0f} ms, p99 {back['p99_ms']:,.0f} ms after the connection was lost"
        )
    console.print(
        f"lost: {result['lost']}   duplicated: {result['duplicated']}   failed: {result['failed']}"
        f"   unanswered: {result['unanswered']}   never began: {result['stranded']}"
    )
    for why in result["wrong"]:
        console.print(f"[bold]{why}[/bold]", soft_wrap=True)
    if result["client"]["busy"]:
        console.print(
            "[bold]Locust was busy itself (over 90 % of a core): these are its figures, not the system's.[/bold]"
        )
    console.print(f"[dim]{folder}/[/dim]")


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=("browse", "post", "viral", "celebrity", "reconnect-storm", "soak"))
    parser.add_argument("--users", type=int, default=50, help="(default: %(default)s)")
    parser.add_argument("--duration", default="", help="length of the run: 90s, 10m or 2h (default: 60s; soak 1h)")
    parser.add_argument("--spawn-rate", type=float, default=10, help="users a second (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=3.0, help="seconds between two actions of a person")
    parser.add_argument(
        "--followers", type=int, default=10_000, help="followers of the celebrity (default: %(default)s)"
    )
    parser.add_argument("--host", default="", help="URL of a system that runs already (default: a new cluster)")
    parser.add_argument("--realtime", default="", help="URL that its sockets connect to, if another")
    parser.add_argument("--allow", default="", help="a host that is not this machine, and that you may load")
    parser.add_argument(
        "--results", type=Path, default=None, help="folder of the results (default: a new folder in loadtests/results/)"
    )
    return parser


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)  # the processes that were started are stopped on the way out


def main() -> int:
    """Run the scenario that is named; return the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup
            signal.signal(number, _end)
    options = arguments().parse_args()
    options.duration = options.duration or ("1h" if options.scenario == "soak" else "60s")
    if options.host:
        try:
            target.check(options.host, options.allow)
        except target.Refused as refused:
            raise SystemExit(str(refused)) from None
    else:
        chosen()  # end on a wrong STORE before anything is made
    folder = options.results or RESULTS / f"{options.scenario}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True, exist_ok=True)
    if options.host:
        code = locust(options, options.host, os.environ, folder)
    else:
        print("starting a cluster", file=sys.stderr)
        with cluster(folder / "cluster.log") as (url, environment):
            code = locust(options, url, environment, folder)
    if sys.stdout.isatty():
        print()
    if not (folder / "result.json").exists():
        logs = [folder / name for name in ("locust.log", "locust.txt")]
        print("\n".join(each.read_text() for each in logs if each.exists()).strip(), file=sys.stderr)
        return code or 1
    result = json.loads((folder / "result.json").read_text())
    draw(result, folder)
    report(result, folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
