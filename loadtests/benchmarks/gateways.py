"""Measure the CPU cost of a targeted push in clusters of 1, 2, 4 and 8 gateways, Plaza's and stock python-socketio's.

`python loadtests/benchmarks/gateways.py [--users 10000] [--stock-users 1000] [--quick]`; needs redis-server. All
gateways share one core, everything else has the other. Plaza's are whole gateways (`python -m realtime`: tokens,
revocations, streams in the embedded document store, Redis); a push is a stream event that is published as the
notifications worker publishes it, without being appended first.
Stock nodes are python-socketio on aiohttp with AsyncRedisManager. A user has one socket,
on one of the gateways; every user gets `--push-rounds` pushes at `--rate` a second. The figure is the CPU time of all
gateways together, with everything else they do, divided by the pushes that arrived: the median of `--passes`. The work
per socket that recurs twice a minute (comparing positions, renewing presence) is put off: it costs as much on any
number of gateways, and a window of some seconds would contain it by chance.
"""

import argparse
import asyncio
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from loadtests.benchmarks.gateways_clusters import PlazaCluster, StockCluster
from loadtests.benchmarks.gateways_processes import (
    GATEWAY_CORE,
    HERE,
    OTHER_CORE,
    child,
    command,
    on_core,
    redis_server,
)
from loadtests.documents import documents

GATEWAYS = (1, 2, 4, 8)
BATCH_S = 0.05  # pushes are published in batches, as a worker does
AT_ONCE = 100  # connects under way

Cluster = PlazaCluster | StockCluster
Publish = Callable[[Sequence[int], int], Awaitable[None]]  # users, round


@dataclass
class Cost:
    """The cost of a push in a stack with a number of gateways."""

    stack: str
    gateways: int
    users: int
    pushes: int
    arrived: int
    cpu_us_per_push: float
    net_us_per_push: float  # without the CPU time of gateways to which nothing is pushed
    idle_cpu_percent: float  # of all gateways together, with all users connected
    p50_ms: float
    p99_ms: float
    connects_per_s: float


def cpu_s(pids: Sequence[int]) -> float:
    """Return the CPU seconds of some processes so far."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)


async def paced(publish: Publish, users: int, rounds: Sequence[int], rate: float) -> None:
    """Push once to every user in each round, spread over time."""
    size = max(1, round(rate * BATCH_S))
    due = time.monotonic()
    for round_ in rounds:
        for start in range(0, users, size):
            await publish(range(start, min(users, start + size)), round_)
            due += BATCH_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def measure(
    stack: PlazaCluster | StockCluster,
    gateways: int,
    users: int,
    folder: Path,
    options: argparse.Namespace,
    rate: float,
) -> Cost:
    """Connect all users, let the cluster rest, push, and count."""
    async with AsyncExitStack() as processes:
        nodes = await asyncio.gather(*(stack.gateway(processes) for _ in range(gateways)))
        pids = [pid for pid, _ in nodes]
        for pid in pids:
            on_core(pid, GATEWAY_CORE)
        listed = folder / "clients"
        listed.write_text("\n".join(f"{nodes[user % gateways][1]} {stack.token(user)}" for user in range(users)))
        client = child(processes, OTHER_CORE, sys.executable, str(HERE / "gateways_client.py"))
        opened = float((await command(client, f"open {listed} {AT_ONCE}"))[2])
        await expected(client, users, paced(stack.publish, users, [1], rate))  # warm
        await asyncio.sleep(options.rest)
        before = cpu_s(pids)
        await asyncio.sleep(options.rest)
        idle = (cpu_s(pids) - before) / options.rest
        before, started = cpu_s(pids), time.monotonic()
        rounds = range(2, 2 + options.push_rounds)
        got = await expected(client, users * options.push_rounds, paced(stack.publish, users, rounds, rate))
        spent, seconds = cpu_s(pids) - before, time.monotonic() - started
        arrived = max(1, int(got[1]))
        return Cost(
            stack.name, gateways, users, users * options.push_rounds, int(got[1]),
            round(spent * 1e6 / arrived, 1), round((spent - idle * seconds) * 1e6 / arrived, 1), round(idle * 100, 1),
            float(got[3]), float(got[4]), round(users / opened),
        )  # fmt: skip


async def expected(client: subprocess.Popen[str], events: int, publishing: Awaitable[None]) -> list[str]:
    """Return the clients' report of the pushes that arrived while `publishing` ran."""
    await command(client, f"expect {events} 60")
    await publishing
    return await command(client)


async def run(options: argparse.Namespace) -> list[Cost]:
    """Measure all clusters, one after the other."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    on_core(0, OTHER_CORE)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]
    costs = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis_url = redis_server(stack, folder)
        store = await stack.enter_async_context(documents(folder))
        for each, users, rate in (
            (PlazaCluster(redis_url, folder, store), options.users, options.rate),
            (StockCluster(redis_url), options.stock_users, options.stock_rate),
        ):
            await each.prepare(users)
            for gateways in GATEWAYS * (options.passes if each.name == PlazaCluster.name else 1):
                print(f"measuring {each.name} on {gateways}…", file=sys.stderr, flush=True)
                costs.append(await measure(each, gateways, users, folder, options, rate))
                print(table(costs[-1:]), file=sys.stderr, flush=True)
    return costs


def table(costs: Sequence[Cost]) -> str:
    """Return a table with a cluster per row."""
    names = list(asdict(costs[0]))
    rows = [names, *([f"{v:,}" if not isinstance(v, str) else v for v in asdict(cost).values()] for cost in costs)]
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(len(names))]
    return "\n".join("".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


def summary(costs: Sequence[Cost]) -> dict[str, object]:
    """Return the promised ratio, of the medians of all passes, and the ratio of stock beside it."""
    most = max(GATEWAYS)
    passes: dict[tuple[str, int], list[Cost]] = {(each.stack, each.gateways): [] for each in costs}
    for each in costs:
        passes[each.stack, each.gateways].append(each)
    cost = {which: median(each.cpu_us_per_push for each in several) for which, several in passes.items()}
    net = {which: median(each.net_us_per_push for each in several) for which, several in passes.items()}
    return {
        f"cluster_cost_ratio_{most}": round(cost["plaza", most] / cost["plaza", 1], 2),
        f"cluster_cost_ratio_{most}_stock": round(cost["stock", most] / cost["stock", 1], 2),
        f"cluster_net_ratio_{most}": round(net["plaza", most] / net["plaza", 1], 2),
        "cluster_lost": sum(each.pushes - each.arrived for each in costs),
        "cluster_raw": [asdict(each) for each in costs],
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark; `shrink` sets small values."""
    parser.add_argument("--users", type=int, default=10_000, help="users of Plaza's clusters")
    parser.add_argument("--stock-users", type=int, default=1_000, help="users of the stock clusters")
    parser.add_argument("--push-rounds", type=int, default=5, help="pushes to each user")
    parser.add_argument("--rate", type=float, default=6_000, help="pushes a second on Plaza's clusters")
    parser.add_argument("--stock-rate", type=float, default=600, help="pushes a second on the stock clusters")
    parser.add_argument("--passes", type=int, default=3, help="times that all of Plaza's clusters are measured")
    parser.add_argument("--rest", type=float, default=3.0, help="seconds of the idle figure")


def shrink(options: argparse.Namespace) -> None:
    options.users, options.stock_users, options.push_rounds, options.rate, options.rest = 400, 200, 2, 2_000, 0.5
    options.passes = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        shrink(options)
    costs = asyncio.run(run(options))
    print(table(costs))
    print(json.dumps(summary(costs)))


if __name__ == "__main__":
    main()
