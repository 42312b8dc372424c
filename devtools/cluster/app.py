"""The cluster's composition root: servers first, then the schema, Plaza's processes, and nginx before them."""

import asyncio
import gc
import signal
import time
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

from devtools.cluster import control
from devtools.cluster.console import Board
from devtools.cluster.documents import Documents
from devtools.cluster.nginx_program import front
from devtools.cluster.ports import is_free
from devtools.cluster.program import Program
from devtools.cluster.server import Server, StartFailed
from devtools.cluster.servers import RabbitServer, RedisServer
from devtools.cluster.settings import ClusterSettings
from devtools.cluster.supervisor import Part, Supervisor, last_line
from devtools.cluster.topology import PATIENCE_S, processes
from devtools.generate import nginx
from embedded.folder import claim
from social.contracts.problems import Unavailable
from social.infra.observe import logs
from social.infra.process import process
from social.infra.process.settings import LogSettings, StartError, load
from social.infra.security.keyfiles import make_keys
from social.infra.store.mongo import Mongo
from social.infra.store.schema import migrate
from social.ops.refolding import refold


async def main() -> bool:
    """Run all of it until told to stop."""
    settings = load(ClusterSettings, "embedded")
    logs.configure("cluster", LogSettings(log_level="warning", log_file=None))
    _installed(settings)
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
    """Everything that runs, and the order in which it starts and stops."""

    def __init__(self, settings: ClusterSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._board = Board()
        self._supervisor = Supervisor(self._board.say)
        self._tasks = process.Tasks()
        self._store: list[Part] = []
        self._servers: list[Part] = []
        self._plaza: list[Program] = []
        self._front: list[Program] = []

    async def run(self) -> bool:
        """Start, serve until told to stop, and stop; raises StartError."""
        self._obey_signals()
        told = asyncio.create_task(self._tasks.stop.wait())
        serving = asyncio.create_task(self._serve())
        try:
            await asyncio.wait([told, serving], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        except (StartFailed, Unavailable) as error:
            raise StartError(last_line(error)) from None
        finally:
            await _cancelled(told, serving)
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
                    say=self._board.say,
                    environment=each.settings,
                    stop_within_s=patience_s,
                )
            )
        await self._start_all(self._plaza)
        self._front.append(front(self._settings, self._folder / "nginx", plan, self._board.say))
        await self._start_all(self._front)
        async with control.answering(self._folder, self._supervisor):
            self._say_where(time.monotonic() - began)
            await asyncio.Event().wait()

    async def _start_servers(self) -> dict[str, str]:
        """Those that no setting names; where each of the three is."""
        urls = {"MONGO_URL": self._settings.store_url, "REDIS_URL": self._settings.redis_url}
        urls["AMQP_URL"] = self._settings.amqp_url
        started: dict[str, Server | Documents] = {}
        if not urls["MONGO_URL"]:
            started["MONGO_URL"] = documents = Documents(self._folder, self._settings.embedded_store)
            self._store.append(documents)
            self._tasks.keep("documents health", documents.watch)
        if not urls["REDIS_URL"]:
            started["REDIS_URL"] = redis = RedisServer(self._folder / "redis", append_only=True)
            self._servers.append(redis)
        if not urls["AMQP_URL"]:
            started["AMQP_URL"] = rabbit = RabbitServer(self._folder / "rabbitmq")
            self._servers.append(rabbit)
        await _together(each.start() for each in started.values())
        for each in started.values():
            self._keep(each)
        return {name: url or started[name].url for name, url in urls.items()}

    async def _migrate(self, url: str) -> None:
        mongo = Mongo(url, self._settings.mongo_database)
        try:
            await migrate(mongo)
            await refold(mongo)
        finally:
            mongo.close()
            del mongo
            gc.collect()  # a client that goes while a program is forked makes the driver complain in the child

    async def _start_all(self, programs: Sequence[Program]) -> None:
        await _together(each.start() for each in programs)
        await _together(each.ready() for each in programs)
        for each in programs:
            self._keep(each)

    def _keep(self, part: Part) -> None:
        self._tasks.start(f"keep {part.name}", self._supervisor.add(part).keep(self._board.say))

    async def _stop(self) -> None:
        """Whoever has clients first, so that they are told; the documents last."""
        await self._tasks.cancel()
        for parts in (self._plaza, self._front, self._servers, self._store):
            for failed in await asyncio.gather(*(part.stop() for part in parts), return_exceptions=True):
                if failed:
                    self._board.say("cluster", f"cannot be stopped: {failed!r}")

    def _obey_signals(self) -> None:
        """The first one stops, another one kills; a closed terminal (SIGHUP) is the same as Ctrl-C."""
        loop = asyncio.get_running_loop()
        hurrying: set[asyncio.Task[None]] = set()

        def told() -> None:
            if self._tasks.stop.is_set():
                parts = (*self._plaza, *self._front, *self._servers, *self._store)
                hurrying.update(asyncio.create_task(part.kill()) for part in parts)
            else:
                self._board.show("[bold]Plaza stops.[/bold]  Another Ctrl-C kills it.")
                self._tasks.stop.set()

        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(each, told)

    def _say_where(self, seconds: float) -> None:
        here, show = f"http://localhost:{self._settings.port}", self._board.show
        show(f"[bold]Plaza is running[/bold] as a cluster of {len(self._plaza)} processes, after {seconds:.1f} s.")
        show(f"  API and docs   {here}/docs")
        show(f"  Socket.IO      {here}")
        show("  replace all    python -m devtools.cluster roll")
        show(f"  data, logs of the servers   {self._folder}/")
        show("Ctrl-C stops it.")


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; the first failure is raised when the others are done or cancelled."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _cancelled(*tasks)


async def _cancelled(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _installed(settings: ClusterSettings) -> None:
    """Raises StartError naming what is missing and the command that installs it."""
    packages = {"nginx": None if nginx.program() else "nginx is not installed"}
    if not settings.redis_url:
        packages["redis-server"] = RedisServer.missing()
    if not settings.amqp_url:
        packages["rabbitmq-server"] = RabbitServer.missing()
    if absent := [name for name, missing in packages.items() if missing]:
        verb = "is" if len(absent) == 1 else "are"
        raise StartError(f"{', '.join(absent)} {verb} not installed: apt-get install {' '.join(absent)}")
