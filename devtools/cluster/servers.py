"""Private Redis, RabbitMQ and SQS: programs with ports, data and settings of their own."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from devtools.cluster.ports import listens
from devtools.cluster.server import Server, StartFailed, kill


class RedisServer(Server):
    """Debian's redis-server; in memory only unless `append_only`."""

    name = "redis-server"

    def __init__(self, folder: Path, *, append_only: bool = False) -> None:
        super().__init__(folder)
        self._append_only = append_only

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("redis-server") else "redis-server is not installed"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def options(self) -> dict[str, str]:
        """Return further options of its command line."""
        return {}

    async def launch(self, ports: Sequence[int]) -> None:
        options = {"bind": "127.0.0.1", "port": str(ports[0]), "dir": str(self.folder), "save": "", "daemonize": "no"}
        options["appendonly"] = "yes" if self._append_only else "no"
        options |= self.options()
        self._process = self.spawn(["redis-server", *(word for k, v in options.items() for word in (f"--{k}", v))])
        await self.answering(self._process, ports[0], b"PING\r\n", b"+PONG")


class RabbitServer(Server):
    """RabbitMQ without plugins, with an epmd of its own; clients are `guest` on the vhost `/`."""

    name = "rabbitmq-server"
    port_count = 3
    start_timeout_s = 240

    # Few threads, small tables, brief busy waits: it starts in 4 s instead of 6.5, most of which was waking threads.
    _erlang = "+S 1:1 +A 1 +SDio 1 +P 65536 +t 1048576 +swt very_low +sbwt medium +sbwtdio medium +sbwtdcpu none"
    node = "plaza@127.0.0.1"
    _plugins = "[]."
    _kernel: Sequence[str] = ()  # further arguments of Erlang
    _settings = "disk_free_limit.absolute = 1MB\nlog.file.level = warning\nraft.wal_max_size_bytes = 16000000\n"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._epmd: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str | None:
        found = rabbit_script("rabbitmq-server") and shutil.which("epmd")
        return None if found else "rabbitmq-server is not installed"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    @property
    def epmd_port(self) -> int:
        """The port of the epmd that knows the node; known once the server has started."""
        return self._ports[2]

    async def stop(self) -> None:
        await super().stop()
        if self._epmd is not None:
            await kill(self._epmd)
            self._epmd = None

    async def launch(self, ports: Sequence[int]) -> None:
        amqp, distribution = ports[:2]
        (self.folder / "rabbitmq.conf").write_text(self._settings)
        (self.folder / "rabbitmq-env.conf").touch()
        (self.folder / "enabled_plugins").write_text(f"{self._plugins}\n")
        epmd = await self._find_epmd(ports)
        env = self.epmd_env(epmd) | {
            "RABBITMQ_ALLOW_INPUT": "1",  # the script then *becomes* the server, without a shell in between
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_USE_LONGNAME": "true",  # an address needs no resolver, a host name does
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ERL_ARGS": self._erlang,
            "ERL_CRASH_DUMP_SECONDS": "0",
        }
        loopback = ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        self._process = self.spawn([rabbit_script("rabbitmq-server"), "-noinput", *loopback, *self._kernel], env)
        await self.answering(self._process, amqp, b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00")

    async def _find_epmd(self, ports: Sequence[int]) -> int:
        """Return the port of the epmd in which the node enters its name."""
        await self._launch_epmd(ports[2])
        return ports[2]

    async def _launch_epmd(self, port: int) -> None:
        """Run epmd in the foreground: the one that a node starts by itself would outlive it."""
        if self._epmd is not None and self._epmd.poll() is None:
            return
        self._epmd = self.spawn(["epmd", "-port", str(port)], self.epmd_env(port))
        async with asyncio.timeout(60):
            while not listens(self._epmd.pid, port):
                if self._epmd.poll() is not None:
                    raise StartFailed(f"epmd ended with {self._epmd.returncode}\n{self.log()}")
                await asyncio.sleep(0.01)

    @staticmethod
    def epmd_env(port: int) -> dict[str, str]:
        return {"ERL_EPMD_PORT": str(port), "ERL_EPMD_ADDRESS": "127.0.0.1"}


def rabbit_script(name: str) -> str:
    # Debian's own /usr/sbin/rabbitmq-server changes to another user and to the system's folders.
    debian = Path("/usr/lib/rabbitmq/bin") / name
    return str(debian) if debian.exists() else shutil.which(name) or ""


class SqsServer(Server):
    """fauxqs, an SQS on this machine: a kill ends the way to the queues, which keep what they accepted until `stop`."""

    name = "fauxqs"
    port_count = 2
    region = "eu-central-1"
    credentials: ClassVar[Mapping[str, str]] = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    _script = Path(__file__).with_name("sqs_server.mjs")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._queues: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str | None:
        if shutil.which("node") is None:
            return "node is not installed"
        package = Path(__file__).parents[2] / "node_modules/fauxqs"
        return None if package.is_dir() else "fauxqs is not installed: make node-modules"

    @property
    def url(self) -> str:
        return f"sqs://{self.region}?endpoint=http://127.0.0.1:{self.port}&create=yes"

    async def stop(self) -> None:
        await super().stop()
        if self._queues is not None:
            self._queues.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._queues.wait, 5)
            await kill(self._queues)
            self._queues = None

    async def launch(self, ports: Sequence[int]) -> None:
        door, queues = map(str, ports)
        if self._queues is None or self._queues.poll() is not None:
            self._queues = self.spawn(["node", self._script, "queues", queues, "queues.json"])
            await self.answering(self._queues, ports[1], b"GET /health HTTP/1.0\r\nHost: x\r\n\r\n", b"HTTP/1.1 200")
        self._process = self.spawn(["node", self._script, "door", door, queues])
        await self.answering(self._process, ports[0], b"GET /health HTTP/1.0\r\nHost: x\r\n\r\n", b"HTTP/1.1 200")
