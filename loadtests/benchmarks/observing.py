"""Measure the cost of observability: requests a second and like → push, with metrics, logs and traces, and without.

    python loadtests/benchmarks/observing.py [--rounds 36] [--seconds 1.5]

Starts a private Redis and RabbitMQ, the document store STORE names, and over them three times the same three processes
(api, realtime, workers), each three with a database of their own: `off` counts, logs and traces nothing, `seen` has
metrics, requested every 15 s, and logs as in production (JSON on standard output and in a file, level info), `traced`
traces one request in ten besides and sends its spans to a collector here. In each round 16 connections at once
request posts of each variant, in another order; then people are liked, 20 a second, and the time from each request
to the notification at their socket is taken. The other variants are idle. A ratio is of two variants in a round, the
figure the median of all rounds, with the quartiles. The last line is one JSON object; it contacts only what it started.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

import aiohttp
import psutil
from aiohttp import web
from rich.console import Console
from rich.progress import track
from rich.table import Table
from system import POLICIES, ROOT, _free_port, p50_ms, register

from devtools.cluster.servers import RabbitServer, RedisServer
from loadtests.documents import documents
from social.infra.security.keyfiles import JWKS, JWT_PRIVATE_KEY, PID_KEY, REFRESH_KEY, make_keys
from social.infra.store.mongo import Mongo
from social.infra.store.schema import migrate

PEOPLE = 40
LIKES_PER_S = 20
CONNECTIONS = 16
SCRAPE_EVERY_S = 15
MODULES = ("api", "realtime", "workers")
UNSEEN = Path(__file__).with_name("unobserved.py")


class Round(NamedTuple):
    """The figures of a variant in a round."""

    per_second: float
    cpu_us: float  # of the API, a request
    like_ms: float


class Variant:
    """Three processes that are observed in one way."""

    def __init__(self, name: str, folder: Path, servers: dict[str, str], more: dict[str, str]) -> None:
        self.name = name
        ports = {module: _free_port() for module in MODULES}
        self._urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
        self.api, self.gateway, _ = self._urls
        keys = {"JWT_PRIVATE_KEY_FILE": JWT_PRIVATE_KEY, "REFRESH_KEY_FILE": REFRESH_KEY, "PID_KEY_FILE": PID_KEY}
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("LOG_", "TRACES_", "RATE_"))},
            **servers,
            **{setting: str(folder / file) for setting, file in {**keys, "JWT_JWKS": JWKS}.items()},
            **{f"{module.upper()}_PORT": str(port) for module, port in ports.items()},
            **{f"{module.upper()}_HOST": "127.0.0.1" for module in MODULES},
            **{f"RATE_{policy}": "1000000/1" for policy in POLICIES},
            "MONGO_DATABASE": f"{servers['MONGO_DATABASE']}_{name}",
            "AMQP_PREFIX": name,
            "MEDIA_URL": f"file:{folder / 'media'}",
            "MAILER_URL": f"file:{folder / 'mail'}",
            "LOG_STYLE": "json",
            "DRAIN_S": "0",
            **more,
        }
        self._folder = folder
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self.posts: list[str] = []
        self._tokens: list[str] = []
        self._notified: list[asyncio.Event] = []
        self.rounds: list[Round] = []

    @contextlib.asynccontextmanager
    async def running(self, *, seen: bool) -> AsyncIterator[None]:
        """Run the processes of this variant until the block ends."""
        mongo = Mongo(self._environment["MONGO_URL"], self._environment["MONGO_DATABASE"])
        await migrate(mongo)
        mongo.close()
        try:
            for module in MODULES:
                file = {"LOG_FILE": str(self._folder / f"{self.name}-{module}.log")} if seen else {}
                command = ["-m", module] if seen else [str(UNSEEN), module]
                with (self._folder / f"{self.name}-{module}.out").open("wb") as out:
                    self._processes[module] = await asyncio.create_subprocess_exec(
                        sys.executable, *command, cwd=ROOT, env=self._environment | file, stdout=out
                    )
            async with aiohttp.ClientSession() as http:
                for url in self._urls:
                    await self._until_ready(http, f"{url}/readyz")
            yield
        finally:
            for process in self._processes.values():
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            for process in self._processes.values():
                await process.wait()

    async def scrape(self, http: aiohttp.ClientSession) -> None:
        """Request the metrics of each process, as Prometheus does."""
        while True:
            for url in self._urls:
                async with http.get(f"{url}/metrics") as answer:
                    assert answer.status == 200
                    await answer.read()
            await asyncio.sleep(SCRAPE_EVERY_S)

    async def _until_ready(self, http: aiohttp.ClientSession, url: str) -> None:
        async with asyncio.timeout(60):
            while True:
                assert all(each.returncode is None for each in self._processes.values()), "a process did not start"
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(url) as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.1)

    async def gather(self, http: aiohttp.ClientSession, stop: contextlib.AsyncExitStack) -> None:
        """Open accounts, each with a post and a socket, whose owners like each other's posts later."""
        api = await stop.enter_async_context(aiohttp.ClientSession(self.api))
        self._tokens = [await register(api, f"person{number}") for number in range(PEOPLE)]
        for token in self._tokens:
            async with api.post("/v1/posts", json={"text": "hello"}, headers=bearer(token)) as answer:
                self.posts.append((await answer.json())["id"])
            notified = asyncio.Event()
            self._notified.append(notified)
            url = f"{self.gateway}/socket.io/?EIO=4&transport=websocket"
            socket = await stop.enter_async_context(http.ws_connect(url, autoping=False))
            await socket.send_str("40" + json.dumps({"token": token}))
            listening = asyncio.create_task(listen(socket, notified))
            stop.callback(listening.cancel)

    async def request(self, seconds: float) -> tuple[float, float]:
        """Return the requests a second that were answered, and the microseconds of CPU that the API took for each."""
        api = psutil.Process(self._processes["api"].pid)
        cpu, begun = sum(api.cpu_times()[:2]), time.perf_counter()
        port = int(self.api.rpartition(":")[2])
        counts = await asyncio.gather(*(self._request(port, each, begun + seconds) for each in range(CONNECTIONS)))
        took, used = time.perf_counter() - begun, sum(api.cpu_times()[:2]) - cpu
        return sum(counts) / took, 1e6 * used / sum(counts)

    async def _request(self, port: int, number: int, until: float) -> int:
        """Request posts on one connection, one after another; return how many. Only an answer's length is parsed."""
        head = f"GET /v1/posts/{self.posts[number]} HTTP/1.1\r\nHost: plaza\r\n"
        request, done = f"{head}Authorization: Bearer {self._tokens[number]}\r\n\r\n".encode(), 0
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert answer.startswith(b"http/1.1 200"), answer
            await reader.readexactly(int(answer.partition(b"content-length:")[2].split(None, 1)[0]))
            done += 1
        writer.close()
        return done

    async def like(self, http: aiohttp.ClientSession, whose: int, number: int) -> float:
        """Like a person's post as another person; return the seconds from the request to the push."""
        notified, by = self._notified[whose], self._tokens[(whose + 1 + number) % PEOPLE]
        notified.clear()
        began = time.perf_counter()
        async with http.put(f"{self.api}/v1/posts/{self.posts[whose]}/like", headers=bearer(by)) as answer:
            assert answer.status == 200, await answer.text()
            async with asyncio.timeout(20):
                await notified.wait()
        return time.perf_counter() - began


async def measure(variants: Sequence[Variant], http: aiohttp.ClientSession, number: int, seconds: float) -> list[Round]:
    """Measure a round: requests to each variant in turn, then a like of each in turns, in every order equally often."""
    orders = list(itertools.permutations(variants))
    rates = {each.name: await each.request(seconds) for each in orders[number % len(orders)]}
    await asyncio.sleep(0.2)
    took: dict[str, list[float]] = {variant.name: [] for variant in variants}
    begun = time.perf_counter()
    turns = [(whose, variant) for whose in range(PEOPLE) for variant in orders[whose % len(orders)]]
    for turn, (whose, variant) in enumerate(turns):
        await asyncio.sleep(max(0.0, begun + turn / LIKES_PER_S - time.perf_counter()))
        took[variant.name].append(await variant.like(http, whose, number))
    return [Round(*rates[each.name], p50_ms(took[each.name])) for each in variants]


def bearer(token: str) -> dict[str, str]:
    """Return the header that authenticates a person."""
    return {"Authorization": f"Bearer {token}"}


async def listen(socket: aiohttp.ClientWebSocketResponse, notified: asyncio.Event) -> None:
    """Renew presence, and set the event when a notification comes."""
    async for message in socket:
        if message.data == "2":
            await socket.send_str("3")
        elif message.data.startswith('42["notification'):
            notified.set()


@contextlib.asynccontextmanager
async def collector() -> AsyncIterator[tuple[str, list[int]]]:
    """Run a collector that discards spans; yield its URL, and the sizes of the requests it got."""
    sizes: list[int] = []

    async def take(request: web.Request) -> web.Response:
        sizes.append(len(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces", sizes
    finally:
        await runner.cleanup()


async def main() -> None:
    """Run all rounds, and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=36, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="of requests, in each round (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="two short rounds, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 0.5
    assert options.rounds < PEOPLE, "nobody likes a post twice"
    console = Console(stderr=True)
    async with contextlib.AsyncExitStack() as stop:
        folder = Path(stop.enter_context(tempfile.TemporaryDirectory()))
        make_keys(folder)
        redis, rabbit = RedisServer(folder / "redis"), RabbitServer(folder / "rabbit")
        for server in (redis, rabbit):
            stop.push_async_callback(server.stop)
            await server.start()
        store = await stop.enter_async_context(documents(folder))
        servers = {**store.environment, "REDIS_URL": redis.url, "BROKER_URL": rabbit.url}
        url, sizes = await stop.enter_async_context(collector())
        sockets = aiohttp.TCPConnector(limit=0)  # three times all people
        http = await stop.enter_async_context(aiohttp.ClientSession(connector=sockets))
        variants = [
            Variant("off", folder, servers, {"LOG_LEVEL": "error"}),
            Variant("seen", folder, servers, {}),
            Variant("traced", folder, servers, {"TRACES_SAMPLED": "0.1", "TRACES_URL": url}),
        ]
        for variant in variants:
            await stop.enter_async_context(variant.running(seen=variant.name != "off"))
            await variant.gather(http, stop)
            if variant.name != "off":
                stop.callback(asyncio.create_task(variant.scrape(http)).cancel)
        await measure(variants, http, 0, 1)  # caches are warm, connections open
        for number in track(range(options.rounds), "measuring", console=console):
            for variant, measured in zip(
                variants, await measure(variants, http, number + 1, options.seconds), strict=True
            ):
                variant.rounds.append(measured)
        assert sizes, "no spans came"
    report(variants, console=Console(file=sys.stdout))


def report(variants: Sequence[Variant], *, console: Console) -> None:
    """Print a table, then one JSON line."""
    off = variants[0].rounds
    table = Table("", "requests/s", "CPU of the API a request", "like → push, p50", title="medians, and against off")
    figures: dict[str, Any] = {}
    for variant in variants:
        cells, figures[variant.name] = [], {}
        for field in Round._fields:
            mine = [getattr(each, field) for each in variant.rounds]
            ratios = [value / getattr(other, field) for value, other in zip(mine, off, strict=True)]
            low, _, high = quantiles(ratios, n=4)
            figures[variant.name][field] = round(median(mine), 2)
            figures[variant.name][f"{field}_ratio"] = [round(each, 3) for each in (low, median(ratios), high)]
            cells.append(f"{median(mine):,.1f}  {median(ratios):.3f} ({low:.3f}-{high:.3f})")
        table.add_row(variant.name, *cells)
    console.print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(main())
