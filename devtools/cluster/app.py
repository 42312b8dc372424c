"""The composition root of the cluster: servers first, then the schema, Plaza's processes, and nginx last."""

import asyncio
import gc
import signal
import time
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

from devtools.cluster import control
from devtools.cluster.console import Console
from devtools.cluster.documents import Documents
from devtools.cluster.nginx_program import nginx_program
from devtools.cluster.ports import is_free
from devtools.cluster.program import Program
from devtools.cluster.rabbit_cluster import RabbitCluster
from devtools.cluster.redis_cluster import RedisCluster
from devtools.cluster.server import Server, StartFailed
from devtools.cluster.servers import RabbitServer, RedisServer, SqsServer
from devtools.cluster.settings import ClusterSettings
from devtools.cluster.supervisor import Part, Supervisor, last_line
from devtools.cluster.topology import PATIENCE_S, processes
from devtools.generate import nginx
from embedded.folder import claim
from social.contracts.problems import Unavailable
from social.infra.observe import logs
from social.infra.process import process
from social.infra.security.keyfiles import make_keys
from social.infra.settings import LogSettings, StartError, load
from social.infra.store.mongo import Mongo
from social.infra.store.schema import migrate
from social.ops.refolding import refold


async def main() -> bool:
    """Run a cluster until a signal stops it; return whether it ended well."""
    settings = load(ClusterSettings, "embedded")
    logs.configure("cluster", LogSettings(log_level="warning", log_file=None))
    _check_installed(settings)
    folder = settings.plaza_var.absolute()
    control.check(folder)
    with claim(folder):
        if not is_free(settings.port):
            raise StartError(f"cannot listen on {settings.host}:{settings.port}: Address already in use")
        try:
            make_keys(folder)
        except OSError as error:
            raise StartError(f"cannot use the keys in {folder}: {error.strerror}") from None
        return await Cluster(settings, folder).run()


class Cluster:
    """All parts of a cluster, and the order in which they start and stop."""

    def __init__(self, settings: ClusterSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._console = Console()
        self._supervisor = Supervisor(self._console.say)
        self._tasks = process.Tasks()
        self._store: list[Part] = []
        self._servers: list[Part] = []
        self._plaza: list[Program] = []
        self._nginx: list[Program] = []

    async def run(self) -> bool:
        """Start, serve until a signal, and stop; raises StartError."""
        self._obey_signals()
        stopping = asyncio.create_task(self._tasks.stop.wait())
        serving = asyncio.create_task(self._serve())
        try:
            await asyncio.wait([stopping, serving], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        except (StartFailed, Unavailable) as error:
            raise StartError(last_line(error)) from None
        finally:
            await _cancelled(stopping, serving)
            await self._stop()
        return not self._tasks.failed

    async def _serve(self) -> None:
        began = time.monotonic()
        servers = await self._start_servers()
        await self._migrate(servers["MONGO_URL"])
        plan = processes(self._settings, self._folder, servers)
        for each in plan:
            ready = f"http://{each.address}/readyz"
            patience_s = self._settings.drain_s + PATIENCE_S
            self._plaza.append(
                Program(
                    each.name,
                    each.command,
                    ready_url=ready,
                    say=self._console.say,
                    environment=each.settings,
                    stop_within_s=patience_s,
                )
            )
        await self._start_all(self._plaza)
        self._nginx.append(nginx_program(self._settings, self._folder / "nginx", plan, self._console.say))
        await self._start_all(self._nginx)
        async with control.answering(self._folder, self._supervisor):
            self._say_where(time.monotonic() - began)
            await asyncio.Event().wait()

    async def _start_servers(self) -> dict[str, str]:
        """Start the servers that no setting names; return the settings that name all three."""
        urls = {"MONGO_URL": self._settings.store_url, "REDIS_URL": self._settings.redis_url}
        urls["BROKER_URL"] = self._settings.broker_url
        started: dict[str, Server | Documents | RabbitCluster | RedisCluster] = {}
        if not urls["MONGO_URL"]:
            started["MONGO_URL"] = documents = Documents(self._folder, self._settings.embedded_store)
            self._store.append(documents)
            self._tasks.keep("documents health", documents.watch)
        if not urls["REDIS_URL"]:
            started["REDIS_URL"] = redis = _redis(self._settings, self._folder)
            self._servers += _parts(redis)
        if not urls["BROKER_URL"]:
            started["BROKER_URL"] = broker = self._new_broker()
            self._servers += _parts(broker)
        await _together(each.start() for each in started.values())
        for part in (*self._store, *self._servers):
            self._keep(part)
        credentials = SqsServer.credentials if isinstance(started.get("BROKER_URL"), SqsServer) else {}
        return {name: url or started[name].url for name, url in urls.items()} | dict(credentials)

    def _new_broker(self) -> Server | RabbitCluster:
        kind, folder = _broker(self._settings), self._folder / self._settings.broker
        many = kind is RabbitServer and self._settings.rabbit_nodes > 1
        return (
            RabbitCluster(folder.with_name("rabbitmq-cluster"), self._settings.rabbit_nodes) if many else kind(folder)
        )

    async def _migrate(self, url: str) -> None:
        mongo = Mongo(url, self._settings.mongo_database)
        try:
            await migrate(mongo, last=True)
            await refold(mongo)
        finally:
            mongo.close()
            del mongo
            gc.collect()  # the driver logs an error in a child that is forked while a client is collected

    async def _start_all(self, programs: Sequence[Program]) -> None:
        await _together(each.start() for each in programs)
        await _together(each.ready() for each in programs)
        for each in programs:
            self._keep(each)

    def _keep(self, part: Part) -> None:
        self._tasks.start(f"keep {part.name}", self._supervisor.add(part).keep(self._console.say))

    async def _stop(self) -> None:
        """Stop all parts: Plaza first, so that it can notify its clients; the document store last."""
        await self._tasks.cancel()
        for parts in (self._plaza, self._nginx, self._servers, self._store):
            for failed in await asyncio.gather(*(part.stop() for part in parts), return_exceptions=True):
                if failed:
                    self._console.say("cluster", f"cannot be stopped: {failed!r}")

    def _obey_signals(self) -> None:
        """Stop at the first signal and kill at the second; a closed terminal (SIGHUP) counts like Ctrl-C."""
        loop = asyncio.get_running_loop()
        killing: set[asyncio.Task[None]] = set()

        def on_signal() -> None:
            if self._tasks.stop.is_set():
                parts = (*self._plaza, *self._nginx, *self._servers, *self._store)
                killing.update(asyncio.create_task(part.kill()) for part in parts)
            else:
                self._console.show("[bold]Plaza stops.[/bold]  Another Ctrl-C kills it.")
                self._tasks.stop.set()

        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(each, on_signal)

    def _say_where(self, seconds: float) -> None:
        here, show = f"http://localhost:{self._settings.port}", self._console.show
        show(f"[bold]Plaza is running[/bold] as a cluster of {len(self._plaza)} processes, after {seconds:.1f} s.")
        show(f"  API and docs   {here}/docs")
        show(f"  Socket.IO      {here}")
        show("  replace all    python -m devtools.cluster roll")
        show(f"  data, logs of the servers   {self._folder}/")
        show("Ctrl-C stops it.")


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Await all at once; raise the first failure once the others are done or cancelled."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _cancelled(*tasks)


async def _cancelled(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _parts(started: Server | RabbitCluster | RedisCluster) -> list[Part]:
    match started:
        case RabbitCluster():
            return [*started.parts]
        case RedisCluster():
            return [*started.nodes]
    return [started]


def _broker(settings: ClusterSettings) -> type[RabbitServer] | type[SqsServer]:
    return SqsServer if settings.broker == "sqs" else RabbitServer


def _redis(settings: ClusterSettings, folder: Path) -> RedisServer | RedisCluster:
    if settings.redis_nodes > 1:
        return RedisCluster(folder / "redis-cluster", settings.redis_nodes)
    return RedisServer(folder / "redis", append_only=True)


def _check_installed(settings: ClusterSettings) -> None:
    """Raise StartError, naming missing packages and the command that installs them."""
    packages = {"nginx": None if nginx.program() else "nginx is not installed"}
    if not settings.redis_url:
        packages["redis-server"] = RedisServer.missing()
    if not settings.broker_url:
        packages[_broker(settings).name] = _broker(settings).missing()
    if missing := packages.pop(SqsServer.name, None):
        raise StartError(missing)
    if absent := [name for name, missing in packages.items() if missing]:
        verb = "is" if len(absent) == 1 else "are"
        raise StartError(f"{', '.join(absent)} {verb} not installed: apt-get install {' '.join(absent)}")
