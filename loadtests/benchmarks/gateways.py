"""What a targeted push costs a cluster of 1, 2, 4 and 8 gateways, ours and stock python-socketio's, in one run.

`python loadtests/benchmarks/gateways.py [--users 10000] [--stock-users 1000] [--quick]`; needs redis-server. All
gateways share one core, everything else has the other. Ours are whole gateways (`python -m realtime`: tokens,
revocations, streams in the embedded document store, Redis); a push is a stream event that is published as the
notifications worker publishes it, without being appended first.
Stock nodes are python-socketio on aiohttp with AsyncRedisManager. A user has one socket,
on one of the gateways; every user gets `--push-rounds` pushes at `--rate` a second. The figure is the CPU time of all
gateways together, with all that they do besides, divided by the pushes that arrived: the median of `--passes`. What is
done per socket twice a minute (comparing positions, renewing presence) is put off: it costs the same on any number of
gateways, and a window of some seconds would hold it by chance.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import socketio

sys.path.insert(0, str(Path(__file__).parents[2]))

from devtools.cluster.server import die_with_parent
from loadtests.documents import Documents, documents
from social.contracts.codec import encode
from social.contracts.pushes import Push, frame, offset, user_room
from social.infra import clock
from social.infra.redis.pushing import Pushes
from social.infra.redis.redis import connect
from social.infra.security.tokens import Signer, new_private_key
from social.infra.store import schema
from social.infra.store.mongo import Mongo

HERE = Path(__file__).parent
GATEWAYS = (1, 2, 4, 8)
GATEWAY_CORE, OTHER_CORE = 0, 1
EPOCH = "benchmrk"
BATCH_S = 0.05  # pushes are handed over in batches, as a worker does
AT_ONCE = 100  # connects under way

Publish = Callable[[Sequence[int], int], Awaitable[None]]  # users, round


@dataclass
class Cost:
    """One stack on so many gateways."""

    stack: str
    gateways: int
    users: int
    pushes: int
    arrived: int
    cpu_us_per_push: float
    net_us_per_push: float  # without what the gateways spend when nothing is pushed
    idle_cpu_percent: float  # of all gateways together, with all users connected
    p50_ms: float
    p99_ms: float
    connects_per_s: float


def told(user: int, round_: int) -> dict[str, Any]:
    """About what a notification weighs."""
    actor = {"id": f"{user:024x}", "username": f"user{user}", "display_name": f"User {user}", "avatar_url": None}
    return {
        "t": time.monotonic_ns(), "id": f"{user:024x}", "type": "like",
        "target": {"kind": "post", "id": f"{user:024x}"},
        "post_id": f"{user:024x}", "actors": [actor], "count": round_, "rev": round_, "read_at": None,
    }  # fmt: skip


def child(
    stack: AsyncExitStack, core: int | None, *command: str, env: dict[str, str] | None = None, log: Path | None = None
) -> subprocess.Popen[str]:
    """A process on one core, ended with the stack."""
    said = stack.enter_context(log.open("a")) if log else subprocess.PIPE
    started = subprocess.Popen(
        [*die_with_parent(), *command], stdin=subprocess.PIPE, stdout=said, text=True, bufsize=1,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), **(env or {})}, cwd=HERE.parents[1],
    )  # fmt: skip
    stack.callback(started.wait)
    stack.callback(started.kill)
    on_core(started.pid, core)
    return started


def on_core(pid: int, core: int | None) -> None:
    """Hold a process, with all its threads, on one core; None lets it run on any."""
    cores = sorted(ALL_CORES)
    allowed = set(cores) if core is None else {cores[core % len(cores)]}
    for thread in os.listdir(f"/proc/{pid or os.getpid()}/task"):
        os.sched_setaffinity(int(thread), allowed)


ALL_CORES = os.sched_getaffinity(0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def ask(process: subprocess.Popen[str], line: str = "") -> list[str]:
    """The next line it says, after being told something."""
    assert process.stdin
    assert process.stdout
    if line:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    answer = await asyncio.to_thread(process.stdout.readline)
    if not answer:
        raise RuntimeError(f"{process.args} ended")
    return answer.split()


async def ready(url: str) -> None:
    """Wait until it answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                await asyncio.to_thread(urllib.request.urlopen, url, timeout=2)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return


def redis_server(stack: AsyncExitStack, folder: Path) -> str:
    """A private Redis, in memory only."""
    port = free_port()
    options = {"bind": "127.0.0.1", "port": str(port), "dir": str(folder), "save": "", "appendonly": "no"}
    words = [word for k, v in options.items() for word in (f"--{k}", v)]
    child(stack, OTHER_CORE, "redis-server", *words, log=folder / "log")
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"redis://127.0.0.1:{port}/0"
        time.sleep(0.05)
    raise RuntimeError("redis-server does not start")


class Ours:
    """Whole gateways over the document store that STORE names."""

    name = "plaza"

    def __init__(self, redis_url: str, folder: Path, store: Documents) -> None:
        self._redis_url, self._folder, self._store = redis_url, folder, store
        self._signer = Signer(new_private_key())
        (folder / "jwks.json").write_bytes(encode(self._signer.jwks))
        self._pushes = Pushes(connect(redis_url))

    async def prepare(self, users: int) -> None:
        """Every user's stream, as registering makes it."""
        mongo = Mongo(self._store.url, self._store.database)
        await schema.migrate(mongo)
        for start in range(0, users, 1_000):
            rows = [
                {"_id": f"{user:024x}", "epoch": EPOCH, "seq": 0, "items": []}
                for user in range(start, min(users, start + 1_000))
            ]
            await mongo.majority("streams").insert_many(rows)
        mongo.close()

    async def gateway(self, stack: AsyncExitStack) -> tuple[int, int]:
        """(pid, port) of one more gateway."""
        port = free_port()
        env = {
            **self._store.environment, "REDIS_URL": self._redis_url,
            "AMQP_URL": "amqp://guest:guest@127.0.0.1:9/", "JWT_JWKS": str(self._folder / "jwks.json"),
            "REALTIME_HOST": "127.0.0.1", "REALTIME_PORT": str(port), "PID_KEY": "k" * 32, "LOG_LEVEL": "error",
            "HANDSHAKES_PER_S": "100000", "SWEEP_S": "600", "PRESENCE_LEASE_S": "600",
        }  # fmt: skip
        process = child(stack, None, sys.executable, "-m", "realtime", env=env, log=self._folder / "log")
        await ready(f"http://127.0.0.1:{port}/readyz")
        return process.pid, port

    def token(self, user: int) -> str:
        return self._signer.sign(f"{user:024x}", f"{user:024x}")

    async def publish(self, users: Sequence[int], round_: int) -> None:
        """A stream event each: encoded once, one round trip for all."""
        now = clock.millis(clock.now())
        pushes = []
        for user in users:
            body = frame("notification", told(user, round_), offset(EPOCH, round_))
            push = Push("S", now, EPOCH, round_, "", body)
            pushes.append((user_room(f"{user:024x}"), push.encode()))
        await self._pushes.send(pushes)


class SocketIORedisBridge:
    """python-socketio as its documentation scales it."""

    name = "stock"

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._manager = socketio.AsyncRedisManager(redis_url, write_only=True)

    async def prepare(self, users: int) -> None: ...

    async def gateway(self, stack: AsyncExitStack) -> tuple[int, int]:
        """(pid, port) of one more node."""
        process = child(stack, None, sys.executable, str(HERE / "gateways_stock.py"), self._redis_url)
        return process.pid, int((await ask(process))[0])

    def token(self, user: int) -> str:
        return str(user)

    async def publish(self, users: Sequence[int], round_: int) -> None:
        for user in users:
            await self._manager.emit("notification", told(user, round_), room=f"user:{user}")


def cpu_s(pids: Sequence[int]) -> float:
    """CPU seconds of some processes so far."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)


async def paced(publish: Publish, users: int, rounds: Sequence[int], rate: float) -> None:
    """Every user gets one push per round, spread over time."""
    size = max(1, round(rate * BATCH_S))
    due = time.monotonic()
    for round_ in rounds:
        for start in range(0, users, size):
            await publish(range(start, min(users, start + size)), round_)
            due += BATCH_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def measure(
    stack: Ours | SocketIORedisBridge, gateways: int, users: int, folder: Path, options: argparse.Namespace, rate: float
) -> Cost:
    """Connect everybody, let it rest, push, count."""
    async with AsyncExitStack() as processes:
        nodes = await asyncio.gather(*(stack.gateway(processes) for _ in range(gateways)))
        pids = [pid for pid, _ in nodes]
        for pid in pids:
            on_core(pid, GATEWAY_CORE)
        listed = folder / "clients"
        listed.write_text("\n".join(f"{nodes[user % gateways][1]} {stack.token(user)}" for user in range(users)))
        client = child(processes, OTHER_CORE, sys.executable, str(HERE / "gateways_client.py"))
        opened = float((await ask(client, f"open {listed} {AT_ONCE}"))[2])
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
    """What the clients got of what was published."""
    await ask(client, f"expect {events} 60")
    await publishing
    return await ask(client)


async def run(options: argparse.Namespace) -> list[Cost]:
    """All clusters, one after the other."""
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
            (Ours(redis_url, folder, store), options.users, options.rate),
            (SocketIORedisBridge(redis_url), options.stock_users, options.stock_rate),
        ):
            await each.prepare(users)
            for gateways in GATEWAYS * (options.passes if each.name == Ours.name else 1):
                print(f"measuring {each.name} on {gateways}…", file=sys.stderr, flush=True)
                costs.append(await measure(each, gateways, users, folder, options, rate))
                print(table(costs[-1:]), file=sys.stderr, flush=True)
    return costs


def table(costs: Sequence[Cost]) -> str:
    """A cluster per row."""
    names = list(asdict(costs[0]))
    rows = [names, *([f"{v:,}" if not isinstance(v, str) else v for v in asdict(cost).values()] for cost in costs)]
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(len(names))]
    return "\n".join("".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


def summary(costs: Sequence[Cost]) -> dict[str, object]:
    """The promised ratio, of the medians of all passes, and stock's beside it."""
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
    """What can be chosen; `shrink` makes it small."""
    parser.add_argument("--users", type=int, default=10_000, help="users of our clusters")
    parser.add_argument("--stock-users", type=int, default=1_000, help="users of the stock clusters")
    parser.add_argument("--push-rounds", type=int, default=5, help="pushes to each user")
    parser.add_argument("--rate", type=float, default=6_000, help="pushes a second on our clusters")
    parser.add_argument("--stock-rate", type=float, default=600, help="the same on stock ones")
    parser.add_argument("--passes", type=int, default=3, help="times our clusters are measured, one after the other")
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
