"""The system of the chaos runs: production's processes on real servers, each server behind a proxy, kept running."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pymongo
from support.servers import DocumentStore, PatientStore, RabbitServer

from devtools.cluster.nginx_program import nginx_program
from devtools.cluster.ports import free_ports
from devtools.cluster.program import Program
from devtools.cluster.server import Server, StartFailed
from devtools.cluster.servers import RedisServer
from devtools.cluster.settings import ClusterSettings
from devtools.cluster.supervisor import Part, Supervisor
from devtools.cluster.topology import PATIENCE_S, Process, processes
from embedded import store_programs
from embedded.store import MOST_REFUSED, PROBE_EVERY_S
from embedded.store_check import answers_errors
from loadtests.chaos.link import CLEAR, Link
from loadtests.chaos.plan import SKEWED
from social.infra.process.process import Tasks
from social.infra.security.keyfiles import make_keys
from social.infra.store.mongo import Mongo
from social.infra.store.schema import migrate

DATABASE = "chaos"
DRAIN_S = 1.0
RESTARTS_AFTER_S = 0.5  # always: a part that a run kills shall not pay for the kills of earlier runs
DISK_MB = 400
FILLER = "filler"
ROOT = Path(__file__).parents[2]
WRONG_CLOCK = Path(__file__).with_name("wrong_clock.py")
UNLIMITED = {f"RATE_{policy}": "1000000/1" for policy in ("USER", "IP", "LOGIN", "REGISTER")}


class System:
    """All processes, servers and proxies of a cluster, in this process's care and below one folder."""

    def __init__(self, folder: Path, previous: Path | None = None) -> None:
        self.folder = folder
        self.previous = previous  # the files of the release before, where there are some
        self.supervisor = Supervisor(self._say)
        self.links: dict[str, Link] = {}
        self.servers: dict[str, Server] = {}
        self.small_disk = False
        self._parts: dict[str, Part] = {}
        self._plan: dict[str, Process] = {}
        self._tasks = Tasks()
        self._stack = AsyncExitStack()
        self.redis = RedisServer(folder / "redis", append_only=True)
        self.rabbitmq = RabbitServer(folder / "rabbitmq")
        self.store: DocumentStore = PatientStore(folder / "documents")
        self.database = DATABASE
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"

    async def start(self) -> "System":
        """Start everything and wait until it is ready."""
        self.small_disk = self._mount(self.store.folder)
        self.servers = {"store": self.store, "redis": self.redis, "rabbitmq": self.rabbitmq}
        await asyncio.gather(*(each.start() for each in self.servers.values()))
        for seed, (name, server) in enumerate(self.servers.items()):
            link = self.links[name] = Link(server.port, seed)
            await link.open()
            self._keep(name, server)
        self._tasks.keep("store health", self._watch_store)
        await self._migrate()
        make_keys(self.folder)
        settings = ClusterSettings(
            plaza_var=self.folder, port=self.port, realtime_processes=2, drain_s=DRAIN_S, mongo_database=DATABASE
        )
        plan = processes(settings, self.folder, self._urls())
        self._plan = {each.name: each for each in plan}
        nginx = nginx_program(settings, self.folder / "nginx", plan, self._say)
        for program in [*(self.program(name) for name in self._plan), nginx]:
            await program.start()
            self._keep(program.name, program)
        await self.ready(within_s=240)
        return self

    async def stop(self) -> None:
        """Kill everything."""
        await self._tasks.cancel()
        for link in self.links.values():
            await link.close()
        parts = [*self._parts.values(), *self.servers.values()]
        for each in parts:
            self.signal_group(each.pid, signal.SIGCONT)
        await asyncio.gather(*(each.kill() for each in parts), return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in self.servers.values()), return_exceptions=True)
        if self.small_disk:
            subprocess.run(["umount", "-l", str(self.store.folder)], check=False)  # noqa: ASYNC221 - takes no time

    def program(
        self, name: str, *, command: list[str] | None = None, environment: Mapping[str, str] | None = None
    ) -> Program:
        """Return a program for one of the processes, on its port: today's command, or another one."""
        process = self._plan[name]
        path = f"{ROOT}:{ROOT / 'tests'}"  # a script's own folder is where Python looks otherwise
        own = {**process.settings, **UNLIMITED, "LOG_LEVEL": "warning", "PYTHONPATH": path, **(environment or {})}
        return Program(
            name,
            command or self._command(process),
            ready_url=f"http://{process.address}/readyz",
            say=self._say,
            environment=own,
            stop_within_s=DRAIN_S + PATIENCE_S,
        )

    def older(self, name: str) -> Program:
        """Return the program of a process of the release before, with the settings that it knew."""
        command = [sys.executable, "-P", "-m", self._plan[name].module]
        renamed = {"AMQP_URL": self._urls()["BROKER_URL"]}  # until 0.2
        return self.program(name, command=command, environment={"PYTHONPATH": str(self.previous), **renamed})

    async def replace(self, name: str, program: Program) -> None:
        """Stop a process by SIGTERM and keep another program running in its place, ready or not."""
        kept = self.supervisor.kept(name)
        async with kept.restarting:
            await kept.part.stop()
            kept.part = self._parts[name] = program
            await program.start()

    def pid(self, name: str) -> int:
        """Return the id of a part's process, which leads a process group of its own."""
        pid = self._parts[name].pid
        assert pid is not None, f"{name} was never started"
        return pid

    def kill(self, name: str) -> None:
        """Send SIGKILL to a part; it is started again half a second later."""
        self.signal_group(self.pid(name), signal.SIGKILL)

    def signal_group(self, pid: int | None, number: signal.Signals) -> None:
        """Send a signal to a process and its children."""
        with suppress(ProcessLookupError):
            if pid is not None:
                os.killpg(pid, number)

    def signal_leader(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a part's process alone, as an operator does."""
        with suppress(ProcessLookupError):
            os.kill(self.pid(name), number)

    async def ready(self, within_s: float) -> None:
        """Wait until everything runs and answers at one time; raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not await self._all_ready(within_s):  # noqa: ASYNC110 - no part says when it is ready
                await asyncio.sleep(0.05)

    async def _all_ready(self, within_s: float) -> bool:
        programs = [each for each in self._parts.values() if isinstance(each, Program)]
        if not all(each.running for each in self._parts.values()):
            return False
        with suppress(StartFailed):  # it ended meanwhile, and is started again
            await asyncio.gather(*(each.ready(within_s) for each in programs))
            return all(each.running for each in self._parts.values())
        return False

    def heal(self) -> None:
        """End whatever may still harm: weather, frozen processes, wrong clocks, a full disk."""
        for link in self.links.values():
            link.change(CLEAR)
        for part in self._parts.values():
            if part.running:
                self.signal_group(part.pid, signal.SIGCONT)
        for name in SKEWED:
            self.step_clock(name, 0)
        self.empty_disk()

    def step_clock(self, name: str, seconds: int) -> None:
        """Set the clock of a process that has one of its own; the process notices within a second."""
        new = self._clock(name).with_suffix(".new")
        new.write_text(f"{seconds}\n")
        new.rename(self._clock(name))

    def fill_disk(self) -> None:
        """Fill the store's disk to the last page."""
        free = os.statvfs(self.store.folder)
        with (self.store.folder / FILLER).open("wb", buffering=0) as file:
            with suppress(OSError):  # others took some meanwhile
                os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
            file.seek(0, os.SEEK_END)
            with suppress(OSError):
                while file.write(bytes(4096)):
                    pass

    def empty_disk(self) -> None:
        """Make room on the store's disk again."""
        (self.store.folder / FILLER).unlink(missing_ok=True)

    def parked(self) -> list[str]:
        """Return the text of each parked message."""
        with pymongo.MongoClient[dict[str, str]](self.store.url) as client:
            return [row["raw"] for row in client[self.database]["parked"].find()]

    def room_left(self) -> bool:
        """Return whether the store's disk has room for more runs."""
        disk = os.statvfs(self.store.folder)
        return disk.f_bavail > disk.f_blocks / 3

    async def _migrate(self) -> None:
        """Migrate as an update does: the release before was there first, and what it needs is not dropped."""
        if self.previous:
            own = {"MONGO_URL": self.store.url, "MONGO_DATABASE": DATABASE, "PYTHONPATH": str(self.previous)}
            command = [sys.executable, "-P", "-m", "social", "migrate"]
            process = await asyncio.create_subprocess_exec(*command, env=os.environ | own)
            assert not await process.wait(), "the release before cannot migrate"
        mongo = Mongo(self.store.url, DATABASE)
        await migrate(mongo, last=not self.previous)
        mongo.close()

    async def _watch_store(self) -> None:
        """Kill a store that refuses everything, as it does for ever after it found no room: `make run` does so too."""
        refused = 0
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            port = self.store.port
            refused = refused + 1 if self.store.running and await asyncio.to_thread(answers_errors, port) else 0
            if refused == MOST_REFUSED:
                self._say("store", "refuses everything and is killed")
                self.kill("store")

    def _urls(self) -> dict[str, str]:
        ports = {name: link.port for name, link in self.links.items()}
        redis, amqp = f"redis://127.0.0.1:{ports['redis']}/0", f"amqp://guest:guest@127.0.0.1:{ports['rabbitmq']}/%2F"
        mongo = f"{store_programs.url(ports['store'])}&directConnection=true"
        return {"MONGO_URL": mongo, "REDIS_URL": redis, "BROKER_URL": amqp}

    def _command(self, process: Process) -> list[str]:
        if process.name not in SKEWED:
            return process.command
        self.step_clock(process.name, 0)
        return [sys.executable, "-P", str(WRONG_CLOCK), str(self._clock(process.name)), process.module]

    def _clock(self, name: str) -> Path:
        return self.folder / f"{name}.clock"

    def _keep(self, name: str, part: Part) -> None:
        self._parts[name] = part
        kept = self.supervisor.add(part)
        self._tasks.start(f"keep {name}", kept.keep(self._say, longest_pause_s=RESTARTS_AFTER_S))

    def _mount(self, folder: Path) -> bool:
        folder.mkdir(parents=True, exist_ok=True)
        options = ["-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
        return not subprocess.run(["mount", "-t", "tmpfs", *options], capture_output=True, check=False).returncode

    def _say(self, who: str, line: str) -> None:
        with (self.folder / "output.log").open("a") as log:
            log.write(f"{who:<12} | {line}\n")
