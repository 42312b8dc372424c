"""Private Redis, RabbitMQ and document servers: own ports, own data, own settings; never those that run already."""

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from support.ports import listens
from support.process import Server, StartFailed, kill


class RedisServer(Server):
    """Debian's redis-server; in memory only unless `append_only`."""

    name = "redis-server"

    def __init__(self, folder: Path, *, append_only: bool = False) -> None:
        super().__init__(folder)
        self._append_only = append_only

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which(cls.name) else "redis-server is not installed"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def launch(self, ports: Sequence[int]) -> None:
        options = {"bind": "127.0.0.1", "port": str(ports[0]), "dir": str(self.folder), "save": "", "daemonize": "no"}
        options["appendonly"] = "yes" if self._append_only else "no"
        self._process = self.spawn([self.name, *(word for k, v in options.items() for word in (f"--{k}", v))])
        await self.answering(self._process, ports[0], b"PING\r\n", b"+PONG")


class RabbitServer(Server):
    """RabbitMQ without plugins, with an epmd of its own; clients are `guest` on the vhost `/` or one of `add_vhost`."""

    name = "rabbitmq-server"
    port_count = 3
    start_timeout_s = 90

    # Few threads, small tables, brief busy waits: it starts in 4 s instead of 6.5, most of which was waking threads.
    _erlang = "+S 1:1 +A 1 +SDio 1 +P 65536 +t 1048576 +swt very_low +sbwt medium +sbwtdio medium +sbwtdcpu none"
    _node = "plaza@127.0.0.1"
    _settings = "disk_free_limit.absolute = 1MB\nlog.file.level = warning\nraft.wal_max_size_bytes = 16000000\n"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._epmd: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str | None:
        found = _rabbit_script("rabbitmq-server") and shutil.which("epmd")
        return None if found else "rabbitmq-server is not installed"

    @property
    def url(self) -> str:
        return self.url_of("%2F")

    def url_of(self, vhost: str) -> str:
        """Where clients of one vhost connect to."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    async def stop(self) -> None:
        await super().stop()
        if self._epmd is not None:
            await kill(self._epmd)
            self._epmd = None

    async def add_vhost(self, vhost: str) -> None:
        """Make an empty vhost (35 ms)."""
        every = '<<".*">>'
        await self._eval(
            f'rabbit_vhost:add(<<"{vhost}">>, <<"test">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"guest">>, <<"{vhost}">>, {every}, {every}, {every}, <<"test">>).'
        )

    async def delete_vhost(self, vhost: str) -> None:
        """Delete a vhost with all it holds; its connections are closed."""
        await self._eval(f'rabbit_vhost:delete(<<"{vhost}">>, <<"test">>).')

    async def launch(self, ports: Sequence[int]) -> None:
        amqp, distribution, epmd = ports
        (self.folder / "rabbitmq.conf").write_text(self._settings)
        (self.folder / "rabbitmq-env.conf").touch()
        (self.folder / "enabled_plugins").write_text("[].\n")
        await self._launch_epmd(epmd)
        env = self._epmd_env(epmd) | {
            "RABBITMQ_ALLOW_INPUT": "1",  # the script then *becomes* the server: no shell between us and it
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_USE_LONGNAME": "true",  # an address needs no resolver, a host name does
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ERL_ARGS": self._erlang,
            "ERL_CRASH_DUMP_SECONDS": "0",
        }
        loopback = ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        self._process = self.spawn([_rabbit_script("rabbitmq-server"), "-noinput", *loopback], env)
        await self.answering(self._process, amqp, b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00")

    async def _launch_epmd(self, port: int) -> None:
        """Run epmd in the foreground: the one that a node starts by itself would outlive it."""
        if self._epmd is not None and self._epmd.poll() is None:
            return
        self._epmd = self.spawn(["epmd", "-port", str(port)], self._epmd_env(port))
        async with asyncio.timeout(10):
            while not listens(self._epmd.pid, port):
                if self._epmd.poll() is not None:
                    raise StartFailed(f"epmd ended with {self._epmd.returncode}\n{self.log()}")
                await asyncio.sleep(0.01)

    async def _eval(self, expression: str) -> None:
        """Evaluate Erlang in the server: erl_call takes 30 ms, rabbitmqctl more than a second."""
        command = ["erl_call", "-name", self._node, "-c", (self.folder / ".erlang.cookie").read_text(), "-e"]
        if not shutil.which("erl_call"):
            command = [_rabbit_script("rabbitmqctl"), "--longnames", "--node", self._node, "eval", expression]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.folder),
                **self._epmd_env(self._ports[2]),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(30):
            output, _ = await process.communicate(f"{expression}\n".encode())
        if process.returncode != 0 or not output.lstrip(b"{, ").startswith(b"ok"):
            raise RuntimeError(f"{expression} answered {output.decode(errors='replace')}")

    @staticmethod
    def _epmd_env(port: int) -> dict[str, str]:
        return {"ERL_EPMD_PORT": str(port), "ERL_EPMD_ADDRESS": "127.0.0.1"}


class DocumentStore(Server):
    """SecantusDB: MongoDB's wire protocol, a replica set of one; a commit is on disk before its answer."""

    name = "secantusdb"
    program: ClassVar[tuple[str, ...]] = ("-m", "secantus")

    @classmethod
    def missing(cls) -> str | None:
        return None if importlib.util.find_spec("secantus") else "secantusdb is not installed"

    @property
    def url(self) -> str:
        # retryWrites: with it every write scans the retryable writes of the last 30 minutes.
        # Neither replicaSet nor directConnection is needed: transactions and change streams work without.
        return f"mongodb://127.0.0.1:{self.port}/?retryWrites=false"

    async def launch(self, ports: Sequence[int]) -> None:
        (self.folder / "secantusd.toml").touch()  # naming one keeps it from looking for one in /etc
        options = {"host": "127.0.0.1", "port": str(ports[0]), "config": "secantusd.toml", "storage-path": "data"}
        words = [word for k, v in options.items() for word in (f"--{k}", v)]
        self._process = self.spawn(
            [sys.executable, "-I", *self.program, *words, "--log-level", "ERROR", "--sync-on-commit"]
        )
        await self.answering(self._process, ports[0], b"", b"")


class ImpatientStore(DocumentStore):
    """One that gives up a dead client's transaction after a second; mongod calls it transactionLifetimeLimitSeconds."""

    program = (
        "-c",
        "from secantus.server import SecantusDBServer as S;"
        "S.__init__.__kwdefaults__['transaction_lifetime_seconds'] = 1.0;"
        "from secantus.cli import main; raise SystemExit(main())",
    )


def _rabbit_script(name: str) -> str:
    # Debian's own /usr/sbin/rabbitmq-server changes to another user and to the system's folders.
    debian = Path("/usr/lib/rabbitmq/bin") / name
    return str(debian) if debian.exists() else shutil.which(name) or ""
