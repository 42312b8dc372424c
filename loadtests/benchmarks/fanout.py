"""Compare Plaza's realtime engine with python-socketio on aiohttp, Node's Socket.IO and bare uWebSockets.

`python loadtests/benchmarks/fanout.py [--paced 5000] [--burst 10000] [--quick]`; the servers have one core, the clients
the other. `gateways.py` measures the cost of more gateways.
The last line is one JSON object. Absolute numbers belong to the machine; the ratios are promised.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from devtools.cluster.server import die_with_parent
from loadtests.benchmarks.node_packages import install_node_packages

HERE = Path(__file__).parent
NODE = HERE.parent / "peers/socketio"
SERVER_CORE, CLIENT_CORE = 0, 1
STACKS = ("bare", "native", "portable", "stock", "node")
SPREAD = ("bare", "native", "portable", "node")  # the stock server takes half a minute for each round
TOGETHER = 20  # broadcasts of a burst


class Process:
    """A child process on one core, which answers lines with lines."""

    def __init__(self, core: int, *command: str) -> None:
        environ = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "NODE_ENV": "production"}
        self.name = command[-1]
        self.child = subprocess.Popen(
            [*die_with_parent(), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=environ,
        )
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(self.child.pid, {cores[core % len(cores)]})

    def write(self, line: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def read(self) -> str:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended")
        return line.strip()

    def request(self, line: str) -> str:
        self.write(line)
        return self.read()

    def end(self) -> None:
        self.child.kill()
        self.child.wait()


@dataclass
class Result:
    """The raw figures of one stack."""

    stack: str
    connects_per_s: float = 0
    bytes_per_session: float = 0
    paced_p50_ms: float = 0
    paced_p99_ms: float = 0
    cpu_us_per_delivery: float = 0
    burst_frames_per_s: float = 0
    burst_cpu_us_per_delivery: float = 0
    spread_frames_per_s: float | None = None
    spread_cpu_us_per_delivery: float | None = None
    idle_cpu_percent: float = 0
    lost: int = 0


class Measurement:
    """A stack with its clients."""

    def __init__(self, stack: str, client: Path) -> None:
        self.result = Result(stack)
        self.server = Process(SERVER_CORE, *server_command(stack))
        self.client = Process(CLIENT_CORE, str(client), self.server.read())
        self.sessions = 0

    def cpu_s(self) -> float:
        return float(self.server.request("cpu"))

    def rss(self) -> int:
        return int(self.server.request("rss"))

    def open(self, sessions: int) -> None:
        """Connect and authenticate sessions, 200 at a time; measure the rate, and the memory of these sessions."""
        before = self.rss()
        count, seconds = self.client.request(f"open {sessions} 200").split()[1:]
        self.sessions = int(count)
        self.result.connects_per_s = sessions / float(seconds)
        self.result.bytes_per_session = (self.rss() - before) / sessions

    def broadcast(self, count: int, pause_s: float) -> tuple[float, float, float, float]:
        """Measure `count` broadcasts to everyone, `pause_s` apart: (seconds, p50 ms, p99 ms, CPU µs per delivery)."""
        return self._deliver(f"broadcast {count} {pause_s}", count)

    def spread(self, count: int) -> tuple[float, float]:
        """Measure `count` broadcasts, each in a turn of the event loop of its own: (seconds, CPU µs per delivery)."""
        seconds, _, _, cpu_us = self._deliver(f"spread {count}", count)
        return seconds, cpu_us

    def _deliver(self, command: str, count: int) -> tuple[float, float, float, float]:
        before = self.cpu_s()
        frames = count * self.sessions
        self.client.request(f"expect {frames} {90}")
        self.server.write(command)
        got, seconds, p50, p99 = self.client.read().split()[1:]
        self.server.read()
        after = self.cpu_s()
        self.result.lost += frames - int(got)
        return float(seconds), int(p50) / 1000, int(p99) / 1000, (after - before) * 1e6 / max(1, int(got))

    def idle(self, seconds: float) -> None:
        """Measure the CPU while nothing happens but heartbeats."""
        before = self.cpu_s()
        time.sleep(seconds)
        self.result.idle_cpu_percent = (self.cpu_s() - before) / seconds * 100

    def end(self) -> None:
        self.client.end()
        self.server.end()


def server_command(stack: str) -> list[str]:
    """Return the command that starts the server of a stack."""
    if stack == "node":
        return ["node", "--expose-gc", str(NODE / "server.mjs")]
    return [sys.executable, str(HERE / "fanout_server.py"), stack]


def build_client(folder: str) -> Path:
    """Compile the client: a benchmark whose clients are slower than its server measures nothing."""
    program = Path(folder) / "client"
    subprocess.run(["cc", "-O2", "-o", str(program), str(HERE / "client.c")], check=True)
    return program


def measure(stack: str, client: Path, options: argparse.Namespace) -> Result:
    """Measure paced broadcasts to some sessions, then more sessions, a burst and an idle while."""
    paced = Measurement(stack, client)
    try:
        paced.open(options.paced)
        paced.broadcast(2, 0.3)
        _, p50, p99, cpu = paced.broadcast(options.rounds, options.pause)
        paced.result.paced_p50_ms, paced.result.paced_p99_ms, paced.result.cpu_us_per_delivery = p50, p99, cpu
    finally:
        paced.end()
    burst = Measurement(stack, client)
    try:
        burst.result = paced.result
        burst.open(options.burst)
        seconds, _, _, cpu = burst.broadcast(TOGETHER, 0)
        burst.result.burst_frames_per_s = TOGETHER * options.burst / seconds if seconds else 0
        burst.result.burst_cpu_us_per_delivery = cpu
        if stack != "bare":
            burst.idle(options.idle)
    finally:
        burst.end()
    return burst.result


def measure_spread(results: dict[str, Result], client: Path, options: argparse.Namespace) -> None:
    """Measure bursts with a turn of the event loop for each broadcast: all servers are up, and take turns."""
    servers: list[Measurement] = []
    seconds: dict[str, list[float]] = {stack: [] for stack in SPREAD}
    cpu_us: dict[str, list[float]] = {stack: [] for stack in SPREAD}
    try:
        for stack in SPREAD:
            servers.append(Measurement(stack, client))
            servers[-1].open(options.burst)
            servers[-1].broadcast(2, 0.3)
        for _ in range(options.spreads):
            for server in servers:
                took_s, each_us = server.spread(TOGETHER)
                seconds[server.result.stack].append(took_s)
                cpu_us[server.result.stack].append(each_us)
    finally:
        for server in servers:
            server.end()
    for server in servers:
        result = results[server.result.stack]
        result.spread_frames_per_s = TOGETHER * options.burst / median(seconds[result.stack])
        result.spread_cpu_us_per_delivery = median(cpu_us[result.stack])
        result.lost += server.result.lost


def rounded(result: Result) -> Result:
    """Round the figures to meaningful digits."""
    figures = {name: round(value, 2) for name, value in asdict(result).items() if isinstance(value, float)}
    return Result(**{**asdict(result), **figures})


def summary(results: dict[str, Result], options: argparse.Namespace) -> dict[str, object]:
    """Return the ratios that are promised, with every raw figure beside them."""
    bare, ours, portable, stock, node = (results[name] for name in STACKS)
    return {
        "paced_p50_ratio": round(stock.paced_p50_ms / ours.paced_p50_ms, 2),
        "burst_ratio": round(ours.burst_frames_per_s / stock.burst_frames_per_s, 2),
        "connect_ratio": round(ours.connects_per_s / stock.connects_per_s, 2),
        "bytes_per_session": round(ours.bytes_per_session),
        "session_bytes_ratio": round(ours.bytes_per_session / stock.bytes_per_session, 3),
        "cpu_us_per_delivery": round(ours.cpu_us_per_delivery, 2),
        "bare_us_per_delivery": round(bare.cpu_us_per_delivery, 2),
        "idle_cpu_percent": round(ours.idle_cpu_percent, 2),
        "portable_paced_p50_ratio": round(stock.paced_p50_ms / portable.paced_p50_ms, 2),
        "portable_burst_ratio": round(portable.burst_frames_per_s / stock.burst_frames_per_s, 2),
        "portable_connect_ratio": round(portable.connects_per_s / stock.connects_per_s, 2),
        "portable_session_bytes_ratio": round(portable.bytes_per_session / stock.bytes_per_session, 3),
        **against_node(ours, node),
        **{f"portable_{name}": ratio for name, ratio in against_node(portable, node).items()},
        "sessions": {"paced": options.paced, "burst": options.burst},
        "raw": {name: asdict(result) for name, result in results.items()},
    }


def against_node(ours: Result, node: Result) -> dict[str, float]:
    """Return the ratios to Node's Socket.IO, ours to Node's."""
    assert ours.spread_frames_per_s is not None
    assert node.spread_frames_per_s is not None
    return {
        "node_spread_ratio": round(ours.spread_frames_per_s / node.spread_frames_per_s, 2),
        "node_burst_ratio": round(ours.burst_frames_per_s / node.burst_frames_per_s, 2),
        "node_connect_ratio": round(ours.connects_per_s / node.connects_per_s, 2),
        "node_paced_p50_ratio": round(ours.paced_p50_ms / node.paced_p50_ms, 2),
        "node_cpu_ratio": round(ours.cpu_us_per_delivery / node.cpu_us_per_delivery, 2),
        "node_session_bytes_ratio": round(ours.bytes_per_session / node.bytes_per_session, 3),
    }


def table(results: dict[str, Result]) -> str:
    """Return the raw figures, with a stack per column."""
    names = [field.name for field in fields(Result) if field.name != "stack"]
    rows = [["", *results]]
    rows += [[name, *(figure(getattr(result, name)) for result in results.values())] for name in names]
    return "\n".join("".join(f"{cell:>28}" if i == 0 else f"{cell:>16}" for i, cell in enumerate(row)) for row in rows)


def figure(value: float | None) -> str:
    """Return a cell of the table."""
    return "–" if value is None else f"{value:,.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paced", type=int, default=5_000, help="sessions of the paced broadcast")
    parser.add_argument("--burst", type=int, default=10_000, help="sessions of the burst, memory and idle figures")
    parser.add_argument("--rounds", type=int, default=8, help="paced broadcasts")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two paced broadcasts")
    parser.add_argument(
        "--idle", type=float, default=26.0, help="seconds of the idle figure: more than one ping interval"
    )
    parser.add_argument("--spreads", type=int, default=3, help="bursts spread over turns, of each server")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.paced, options.burst, options.rounds, options.pause, options.idle = 500, 1000, 3, 0.3, 2.0
    install_node_packages()
    with tempfile.TemporaryDirectory() as folder:
        client = build_client(folder)
        results = {}
        for stack in STACKS:
            print(f"measuring {stack}…", file=sys.stderr, flush=True)
            results[stack] = measure(stack, client, options)
            print(table({stack: results[stack]}), file=sys.stderr, flush=True)
        print("measuring bursts spread over turns…", file=sys.stderr, flush=True)
        measure_spread(results, client, options)
    results = {stack: rounded(result) for stack, result in results.items()}
    print(table(results))
    print(json.dumps(summary(results, options)))


if __name__ == "__main__":
    main()
