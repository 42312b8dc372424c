"""Kill or replace parts of a cluster under a crowd, and measure its losses (there are none) and its waiting times.

    python loadtests/kills.py [--people 16] [--seconds 15] [--broker sqs] [--write]

Starts `python -m devtools.cluster` in a folder of its own, with a document store that gives up the transaction of a
dead process after 15 s, as compose.yml's MongoDB does (another store where MONGO_URL names it). For each line of the
table a new crowd posts, comments and likes, half over REST and half over websockets, each write repeated under one
key until it is answered; a second in, a part is killed with SIGKILL, and the crowd goes on. Afterwards everything
acknowledged is read over REST, and every notification is looked for among the pushes. `--write` puts the table into
docs/reliability.md. The last line is one JSON object; the exit code is 1 when anything was lost or doubled.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.account import Account, settle
from support.cluster import Cluster
from support.crowd import crowd
from support.eventually import eventually
from support.ports import free_ports
from support.servers import PatientStore

RELIABILITY = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- measured: {} -->", "<!-- until here -->"
FROZEN_S = 8.0

Harm = Callable[[Cluster], Awaitable[None]]


def killed(*names: str) -> Harm:
    """Return the harm that kills (SIGKILL) each named process, one right after the other."""

    async def harm(cluster: Cluster) -> None:
        for name in names:
            await cluster.kill(name)

    return harm


async def frozen(cluster: Cluster) -> None:
    """Stop SQS where it is for a while: connections stay open, and nothing answers."""
    pid = int((await cluster.parts())["fauxqs"]["pid"])
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(FROZEN_S)
    os.kill(pid, signal.SIGCONT)


async def rolled(cluster: Cluster) -> None:
    """Restart every process in turn: `python -m devtools.cluster roll`."""
    ended = await cluster.control("roll")
    assert ended.code == 0, ended


HARM: dict[str, Harm] = {
    "nothing": killed(),
    "one of two workers": killed("workers-1"),
    "the other worker": killed("workers-2"),
    "one of three gateways": killed("realtime-1"),
    "one of two API processes": killed("api-1"),
    "RabbitMQ": killed("rabbitmq-server"),
    "Redis": killed("redis-server"),
    "RabbitMQ and Redis": killed("rabbitmq-server", "redis-server"),
    "all processes but nginx and the servers": killed(
        *("workers-1", "workers-2", "realtime-1", "realtime-2", "realtime-3", "api-1", "api-2")
    ),
    "rolling restart of every process": rolled,
}
OVER_SQS: dict[str, Harm] = {
    **{name: HARM[name] for name in ("nothing", "one of two workers", "the other worker")},
    "SQS": killed("fauxqs"),
    f"SQS, which is slow for {FROZEN_S:g} s": frozen,
    "SQS and Redis": killed("fauxqs", "redis-server"),
    "all processes but nginx and the servers": HARM["all processes but nginx and the servers"],
}
TABLES = {"rabbitmq": ("make kills", HARM), "sqs": ("make kills BROKER=sqs", OVER_SQS)}


@asynccontextmanager
async def started(broker: str) -> AsyncIterator[Cluster]:
    """Start a cluster in a folder of its own, for as long as the block runs."""
    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name), PatientStore(Path(name) / "documents")
        if not (url := os.environ.get("MONGO_URL")):
            await store.start()
            url = store.url
        cluster = Cluster(folder, free_ports(1)[0], BROKER=broker, DRAIN_S=5, MONGO_URL=url)
        try:
            yield await cluster.start()
        finally:
            await cluster.stop()
            await store.stop()


async def measure(cluster: Cluster, harm: Harm, people: int, seconds: float) -> tuple[Account, int]:
    """Return the account of a crowd that goes through the harm, and how often its sockets came back."""
    async with crowd(cluster.url, people) as gathered:
        async with gathered.busy():
            await asyncio.sleep(1)
            await harm(cluster)

            async def everything_runs() -> None:
                assert all(part["running"] for part in (await cluster.parts()).values())

            await eventually(everything_runs, timeout_s=60)
            await asyncio.sleep(seconds)
        return await settle(gathered), sum(len(person.returns) for person in gathered.people)


def row(name: str, account: Account, returns: int) -> str:
    """Return a line of the table."""
    tried = sum(account.retries.values())
    cells = [
        name,
        account.acknowledged,
        len(account.lost),
        len(account.doubled),
        account.notifications,
        account.missing,
        account.repeated + len(account.disorder),
        returns,
        tried,
        f"{account.silence_s:.1f} s",
        f"{account.slowest_write_s:.1f} s",
        f"{max(account.notified_s, default=0):.1f} s",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def head(people: int, seconds: float, broker: str) -> str:
    """Return the conditions of the measurement, and the head of the table."""
    columns = [
        *("killed", "writes acknowledged", "lost", "doubled", "notifications due", "missing", "twice or out of order"),
        *("sockets that came back", "tries repeated", "longest time without any acknowledged write"),
        *("slowest write", "slowest notification"),
    ]
    over = "" if broker == "rabbitmq" else f" --broker {broker}"
    words = f"`python loadtests/kills.py --people {people} --seconds {seconds:g}{over}` on {machine()}:"
    return f"{words}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"


def machine() -> str:
    """Return a description of the machine."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), Python {platform.python_version()}"


async def main() -> int:
    """Print a table, then one line of JSON; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=16, help="people in each crowd (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=15, help="seconds that each crowd goes on afterwards (default: %(default)s)"
    )
    parser.add_argument("--only", choices=[*HARM, *OVER_SQS], help="measure only this line of the table")
    parser.add_argument("--broker", choices=list(TABLES), default="rabbitmq", help="default: %(default)s")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args()
    (title, harms), flawed, figures = TABLES[options.broker], [], {}
    text = head(options.people, options.seconds, options.broker)
    print(text, end="", flush=True)
    async with started(options.broker) as cluster:
        for name, harm in harms.items():
            if options.only not in (None, name):
                continue
            account, returns = await measure(cluster, harm, options.people, options.seconds)
            print(line := row(name, account, returns), flush=True)
            text += line + "\n"
            figures[name] = asdict(account)
            try:
                account.flawless()
            except AssertionError as error:
                flawed.append(name)
                print(f"{name}: {error}", file=sys.stderr)
    if options.write:
        before, begin, rest = RELIABILITY.read_text().partition(BEGIN.format(title))
        RELIABILITY.write_text(f"{before}{begin}\n{text}{END}{rest.partition(END)[2]}")
    print(json.dumps(figures))
    return int(bool(flawed))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
