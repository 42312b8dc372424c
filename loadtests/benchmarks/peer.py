"""Compare Plaza with the same product as a competent Node developer writes it (`loadtests/peers/express/`).

    make bench ONLY=peer                                    # half an hour; needs node, redis-server, rabbitmq-server
    python loadtests/benchmarks/peer.py --quick             # a moment of each, to see that it runs
    python loadtests/benchmarks/peer.py --part like-push --rates 20,100 --rounds 1
    python loadtests/benchmarks/peer.py --part rest --only product --root ../another-checkout
    python loadtests/benchmarks/peer.py --store rs          # over another store: rs, or the URL of a MongoDB

Both are three processes (API, gateway, worker) over one RabbitMQ and one Redis, and each turn has a document store of
its own that begins empty; with --store a database of its own. They take turns, and a figure is the median of all
rounds. One client measures both. A table, then one JSON line.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from loadtests.benchmarks.node_packages import NoNode, install_node_packages
from loadtests.benchmarks.peer_client import Http
from loadtests.benchmarks.peer_crowd import QUICK, Crowd, Size
from loadtests.benchmarks.peer_measures import READS, WRITES, Requests, highest_rate, like_push
from loadtests.benchmarks.peer_systems import (
    ROOT,
    Servers,
    System,
    brokers,
    node_version,
    running,
    store,
)
from loadtests.documents import chosen
from loadtests.tables import of_peer

SYSTEMS = ("product", "peer")
PARTS = ("like-push", "highest-rate", "rest")
RATES = (20, 50, 100, 200)
Figures = dict[str, Any]


def show(line: str) -> None:
    """Print one line of progress to standard error."""
    print(line, file=sys.stderr, flush=True)


async def turn(system: System, options: argparse.Namespace, size: Size) -> Figures:
    """Measure every part that was chosen of a system that has just started."""
    figures: Figures = {}
    http, began, cpu = Http(system.api), time.perf_counter(), time.process_time()
    crowd = Crowd(system, http, size, random.Random(7))  # equal likes at equal moments for both systems
    async with AsyncExitStack() as stack:
        stack.push_async_callback(http.close)
        await crowd.register()
        if "rest" in options.part:
            await crowd.follow()
        await crowd.publish()
        await crowd.listen(stack)
        await crowd.settle()
        show(f"  {system.name}: {len(crowd.people)} people, {len(crowd.posts)} posts, {since(began)}")
        likes = crowd.likes()
        requests = Requests(crowd, likes)
        if "rest" in options.part:  # reads first: written documents make reads dearer in the embedded store
            figures["rest"] = await rest(crowd, requests, READS)
        if "like-push" in options.part:
            figures["like_push"] = {}
            for rate in options.rates:
                took = await like_push(crowd, likes, rate, size.seconds)
                await crowd.quiet(size.patience_s)
                show(f"  {system.name}: {rate:g} likes/s: {took}")
                figures["like_push"][f"{rate:g}"] = took
        if "highest-rate" in options.part:
            figures["highest_rate"] = await highest_rate(crowd, likes, options.start, min(5.0, size.seconds))
            show(f"  {system.name}: highest rate with p99 within 500 ms: {figures['highest_rate']}")
        if "rest" in options.part:
            figures["rest"] |= await rest(crowd, requests, WRITES)
    figures["client_cpu_percent"] = round(100 * (time.process_time() - cpu) / (time.perf_counter() - began), 1)
    return figures


async def rest(crowd: Crowd, requests: Requests, kinds: Sequence[str]) -> Figures:
    """Measure the requests a second, of each kind, at each number of connections."""
    figures: Figures = {}
    for kind in kinds:
        figures[kind] = {}
        for connections in crowd.size.connections:
            took = await requests.measure(kind, connections, crowd.size.seconds / 2)
            show(f"  {crowd.system.name}: {kind}, {connections} at once: {took}")
            figures[kind][str(connections)] = took
    return figures


async def rounds(options: argparse.Namespace, size: Size) -> dict[str, list[Figures]]:
    """Measure each system once a round and return the figures; the system that begins changes from round to round."""
    measured: dict[str, list[Figures]] = {name: [] for name in options.only}
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with brokers(folder) as (redis, rabbit):
            for number in range(options.rounds):
                for system in options.only if number % 2 == 0 else reversed(options.only):
                    began, here = time.perf_counter(), folder / f"{number}-{system}"
                    async with store(folder / f"{number}-{system}-store") as (mongo, pid):
                        servers = Servers(mongo, redis.url, rabbit.url, pid)
                        async with running(system, servers, here, options.root) as started:
                            measured[system].append(await turn(started, options, size))
                    show(f"round {number + 1}, {system}: {since(began)}")
    return measured


def since(began: float) -> str:
    """Return how long something took."""
    return f"{time.perf_counter() - began:.0f} s"


def medians(several: Sequence[Any]) -> Any:
    """Return figures of one round's shape with the median of each number; what a round did not measure is left out."""
    first = several[0]
    if isinstance(first, dict):
        return {key: medians([each[key] for each in several]) for key in first}
    found = [each for each in several if each is not None]
    return round(median(found), 2) if found else None


def merged(measured: dict[str, list[Figures]]) -> Figures:
    """Return every figure with both systems beside each other."""
    each = {name: medians(figures) for name, figures in measured.items() if figures}
    return _beside(each) | {"rounds": max(map(len, measured.values()))}


def _beside(each: dict[str, Any]) -> Any:
    first = next(iter(each.values()))
    if not isinstance(first, dict):
        return each
    return {key: _beside({name: figures[key] for name, figures in each.items()}) for key in first}


def split(kind: Callable[[str], Any], known: Sequence[str] = ()) -> Callable[[str], list[Any]]:
    """Return a parser of comma-separated values."""

    def read(text: str) -> list[Any]:
        found = [kind(each) for each in text.split(",")]
        if known and set(found) - set(known):
            raise argparse.ArgumentTypeError(f"there are {', '.join(known)}")
        return found

    return read


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--only", type=split(str, SYSTEMS), default=list(SYSTEMS), help=f"of {','.join(SYSTEMS)}")
    parser.add_argument("--part", type=split(str, PARTS), default=list(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--rates", type=split(float), default=list(RATES), help="likes a second of like-push")
    parser.add_argument("--start", type=float, default=100, help="likes a second that the highest rate is sought from")
    parser.add_argument("--seconds", type=float, help=f"of each measurement (default: {Size().seconds:g})")
    parser.add_argument("--people", type=int, help=f"who like and are notified (default: {Size().people})")
    parser.add_argument(
        "--store", default=os.environ.get("MONGO_URL", ""), help="URL (default: MONGO_URL, or embedded)"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout whose product runs (default: this one)")
    parser.add_argument("--quick", action="store_true", help="a moment of each, to see that it runs")
    return parser


def understood(words: Sequence[str] | None = None) -> tuple[argparse.Namespace, Size]:
    """Return the parsed options, and the size of everything."""
    options, size = arguments().parse_args(words), Size()
    if options.quick:
        size, options.rounds, options.rates, options.start = QUICK, 1, [20.0], 40.0
    options.root = options.root.resolve()
    return options, size._replace(seconds=options.seconds or size.seconds, people=options.people or size.people)


def main() -> None:
    options, size = understood()
    if options.store:
        os.environ["STORE"] = options.store
    chosen()  # end on a wrong store before anything is started
    try:
        if "peer" in options.only:
            install_node_packages()
            show(f"the peer is {node_version()}")
        figures = merged(uvloop.run(rounds(options, size)))
    except NoNode as error:
        sys.exit(f"peer.py: {error}")
    head, *lines = [[str(cell) for cell in row] for row in of_peer(figures)]
    table = Table(*head)
    for line in lines:
        table.add_row(*line)
    Console(file=sys.stdout, width=160).print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
