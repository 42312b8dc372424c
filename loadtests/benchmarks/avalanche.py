"""Measure sockets at rest on three gateways, and what happens when one of these dies, or drains.

`python loadtests/benchmarks/avalanche.py [--sockets 15000] [--only kill] [--quick]`; needs redis-server, a C compiler.
`--sockets` is of each gateway, each of which has descriptors for about so many; all are logged in, each as a person of
their own with a stream in the document store. First all rest. Then pushes go to sockets of two of the gateways, paced,
first in peace, and then while the third is killed, or sent SIGTERM: its clients come back as official clients do, after
a back-off at random, to the gateway that has the fewest sockets, or where that one refuses at once to another, and
present `pid` and `offset`. Each tenth of them missed two events meanwhile, which it must get. A killed gateway is
started again at once, one that drains has its successor already. The exit code is 1 when anybody was not recovered, or
an event was lost, or came twice or out of order. The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from loadtests.benchmarks.avalanche_crowd import Crowd, build
from loadtests.benchmarks.avalanche_measures import Meter, Spent, percentile_ms
from loadtests.benchmarks.gateways_clusters import EPOCH, PlazaCluster
from loadtests.benchmarks.gateways_processes import GATEWAY_CORE, OTHER_CORE, on_core, redis_server
from loadtests.documents import Documents, documents
from social.infra.redis.redis import connect
from social.infra.store.mongo import Mongo
from social.notifications.streams import Item

GATEWAYS = 3
LOST = 0  # the number of the gateway that ends
MISSED = 2  # events that one in ten of its clients misses
ONE_IN = 10
AT_ONCE = 32  # ids in a search of the Python store, whose time grows with their square
POLL_S = 0.25
BACK_WITHIN_S = 240.0


class Avalanche:
    """Three gateways with their sockets, and one of them that ends."""

    def __init__(self, cluster: PlazaCluster, mongo: Mongo, meter: Meter, options: argparse.Namespace) -> None:
        self._cluster, self._mongo, self._meter, self._options = cluster, mongo, meter, options
        self._users = options.sockets * GATEWAYS
        self._pushed_enough = False
        self._round = 0

    async def run(self, stack: AsyncExitStack, ending: signal.Signals, program: Path, folder: Path) -> dict[str, Any]:
        """Connect everybody, let them rest, end a gateway, and return the figures."""
        self.nodes = [await self._gateway(stack) for _ in range(GATEWAYS)]
        self.ports = [port for _, port in self.nodes]
        alone = await self._rest(self._options.rest / 2)
        memory, redis_memory = self._meter.memory(), await self._meter.redis_memory()
        tokens = [[self._cluster.token(user) for user in self._of(gateway)] for gateway in range(GATEWAYS)]
        self.crowd = Crowd(stack, program, folder, tokens)
        before = await self._meter.spent()
        seconds = await self.crowd.open(self.ports)
        opened = await self._meter.spent() - before
        await asyncio.sleep(self._options.settle)  # presence of all is written
        at_rest = {
            "bytes_a_socket": round((self._meter.memory() - memory) / self._users),
            "redis_bytes_a_socket": round((await self._meter.redis_memory() - redis_memory) / self._users),
            "idle_without_percent": round(alone.gateways_s * 100, 2),
        }
        idle = await self._rest(self._options.rest)
        at_rest |= {
            "idle_percent": round(idle.gateways_s * 100, 2),
            "idle_us_a_socket_s": round((idle - alone).gateways_s / self._users * 1e6, 2),
            "idle_redis_percent": round(idle.redis_s * 100, 2),
            "idle_store_commands_s": round(idle.store_commands, 1),
            "connects_per_s": round(self._users / seconds),
            **self._each("connect", opened, self._users),
        }
        return {"rest": at_rest, "end": await self._end(stack, ending, idle)}

    async def _end(self, stack: AsyncExitStack, ending: signal.Signals, idle: Spent) -> dict[str, Any]:
        pushing = asyncio.create_task(self._push())
        stack.callback(self._stop_pushing)  # also where the measurement fails
        await asyncio.sleep(1)
        await self.crowd.samples_ms()
        await asyncio.sleep(self._options.calm)
        calm = await self.crowd.samples_ms()
        (pid, port), lost = self.nodes[LOST], self._options.sockets
        if ending == signal.SIGTERM:
            await self._succeed(stack, port)
        missing = self._of(LOST)[::ONE_IN]
        before = await self._meter.spent()
        await self._append(missing)
        began = time.monotonic()
        os.kill(pid, ending)
        starting = asyncio.create_task(self._succeed(stack, port)) if ending == signal.SIGKILL else None
        during = list[float]()
        timeline = list[tuple[float, int, float | None]]()
        while (seen := await self.crowd.seen()).returned < lost or seen.connected < self._users:
            if time.monotonic() > began + BACK_WITHIN_S:
                break
            await asyncio.sleep(POLL_S)
            some = await self.crowd.samples_ms()
            during += some
            timeline.append((round(time.monotonic() - began, 2), seen.returned, percentile_ms(some, 99)))
        seconds = time.monotonic() - began
        if starting is not None:
            await starting
        spent = await self._meter.spent() - before - idle * seconds
        await asyncio.sleep(self._options.settle)
        self._stop_pushing()
        await pushing
        await asyncio.sleep(1)
        late = await self.crowd.samples_ms()
        seen = await self.crowd.seen()
        away = await self.crowd.away_ms()
        quiet, loud = self._spread(calm), self._spread(during)
        return {
            "lost_sockets": lost,
            **seen._asdict(),
            "missed": len(missing) * MISSED,
            "back_after_s": round(seconds, 1),
            "away_p50_ms": self._spread(away)["p50_ms"],
            "away_p99_ms": self._spread(away)["p99_ms"],
            "pushes_before": quiet,
            "pushes_during": loud,
            "p99_ratio": round(loud["p99_ms"] / quiet["p99_ms"], 2) if quiet["p99_ms"] and loud["p99_ms"] else None,
            "pushes_late": len(late),
            **self._each("return", spent, lost),
            "timeline": timeline,
        }

    async def _gateway(self, stack: AsyncExitStack) -> tuple[int, int]:
        pid, port = await self._cluster.gateway(stack)
        on_core(pid, GATEWAY_CORE)
        self._meter.add(pid, port)
        return pid, port

    async def _succeed(self, stack: AsyncExitStack, port: int) -> None:
        """Start a gateway in the place of another one."""
        self.nodes[LOST] = await self._gateway(stack)
        await self.crowd.replace(port, self.nodes[LOST][1])

    async def _rest(self, seconds: float) -> Spent:
        """Return what is spent in a second while nothing happens."""
        before = await self._meter.spent()
        await asyncio.sleep(seconds)
        return (await self._meter.spent() - before) * (1 / seconds)

    async def _push(self) -> None:
        """Push to sockets of the gateways that stay, one after another, at a pace."""
        staying = [user for gateway in range(GATEWAYS) if gateway != LOST for user in self._of(gateway)]
        due = time.monotonic()
        while not self._pushed_enough:
            self._round += 1
            for user in staying:
                if self._pushed_enough:
                    break
                await self._cluster.publish([user], self._round)
                due += 1 / self._options.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _stop_pushing(self) -> None:
        self._pushed_enough = True

    async def _append(self, users: list[int]) -> None:
        """Append events to streams, of which no push tells."""
        items = [Item(seq, f"{seq:024x}", 1, "notification").entry for seq in range(1, MISSED + 1)]
        for start in range(0, len(users), AT_ONCE):
            where = {"_id": {"$in": [f"{user:024x}" for user in users[start : start + AT_ONCE]]}, "epoch": EPOCH}
            change = {"$set": {"seq": MISSED}, "$push": {"entries": {"$each": items}}}
            await self._mongo.update_all("streams", where, change)

    def _of(self, gateway: int) -> list[int]:
        """Return the users whose sockets connect to a gateway first."""
        return list(range(gateway * self._options.sockets, (gateway + 1) * self._options.sockets))

    @staticmethod
    def _each(what: str, spent: Spent, sockets: int) -> dict[str, float]:
        """Return what a socket cost."""
        each = spent * (1 / sockets)
        return {
            f"{what}_gateway_us": round(each.gateways_s * 1e6),
            f"{what}_store_us": round(each.store_s * 1e6),
            f"{what}_redis_us": round(each.redis_s * 1e6),
            f"{what}_store_commands": round(each.store_commands, 3),
            f"{what}_redis_commands": round(each.redis_commands, 2),
        }

    @staticmethod
    def _spread(ms: list[float]) -> dict[str, Any]:
        return {"count": len(ms), "p50_ms": percentile_ms(ms, 50), "p99_ms": percentile_ms(ms, 99)}


async def measure(ending: signal.Signals, options: argparse.Namespace) -> dict[str, Any]:
    """Start everything anew for one way to end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis_url = redis_server(stack, folder)
        store: Documents = await stack.enter_async_context(documents(folder))
        cluster = PlazaCluster(redis_url, folder, store, {})
        await cluster.prepare(options.sockets * GATEWAYS)
        mongo = Mongo(store.url, store.database)
        stack.callback(mongo.close)
        return await Avalanche(cluster, mongo, Meter(connect(redis_url)), options).run(
            stack, ending, build(folder), folder
        )


ENDINGS = {"kill": signal.SIGKILL, "drain": signal.SIGTERM}


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure both ways to end, or the one that is named."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    on_core(0, OTHER_CORE)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]
    figures: dict[str, Any] = {"sockets": options.sockets * GATEWAYS, "gateways": GATEWAYS}
    for name in [options.only] if options.only else ENDINGS:
        print(f"measuring {name}…", file=sys.stderr, flush=True)
        measured = await measure(ENDINGS[name], options)
        figures.setdefault("rest", measured["rest"])
        figures[name] = measured["end"]
        print(json.dumps(measured), file=sys.stderr, flush=True)  # kept where the next one fails
    return figures


def wrong(figures: dict[str, Any]) -> list[str]:
    """Return in words what must not happen."""
    found = []
    for name in [each for each in ENDINGS if each in figures]:
        each = figures[name]
        for what, is_right in (
            ("not everybody came back", each["connected"] == figures["sockets"]),
            ("not everybody was recovered", each["recovered"] == each["returned"]),
            ("missed events were lost", each["replayed"] >= each["missed"]),
            ("events were lost, or came twice or out of order", each["wrong"] == 0),
        ):
            found += [] if is_right else [f"{name}: {what}"]
    return found


def main() -> int:
    """Print a line of JSON; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=15_000, help="of each gateway (default: %(default)s)")
    parser.add_argument("--only", choices=ENDINGS, help="this way to end alone")
    parser.add_argument("--rate", type=float, default=200, help="pushes a second (default: %(default)s)")
    parser.add_argument("--rest", type=float, default=60, help="seconds at rest (default: %(default)s)")
    parser.add_argument("--calm", type=float, default=15, help="seconds of pushes in peace (default: %(default)s)")
    parser.add_argument("--settle", type=float, default=10, help="seconds between two steps (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="100 sockets of each gateway, kill alone")
    options = parser.parse_args()
    if options.quick:
        options.sockets, options.rest, options.calm, options.settle = 100, 0.5, 0.5, 0.5
        options.only = options.only or "kill"
    figures = asyncio.run(run(options))
    for each in (problems := wrong(figures)):
        print(each, file=sys.stderr)
    print(json.dumps(figures))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
