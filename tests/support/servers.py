"""Private servers for the tests: a RabbitMQ with vhosts, and document stores."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from devtools.cluster import servers
from devtools.cluster.server import Server
from devtools.cluster.servers import RedisServer, SqsServer, rabbit_script
from embedded import store_programs
from support.ports import free_ports
from support.stores import chosen

# The store searches all transactions for expired ones at each statement of a transaction, and remembers the last one of
# every session: after two thousand of them a transaction costs half as much again. For tests it searches each second.
SEARCH_SELDOM = """
import time
from secantus.transactions import TransactionRegistry

def seldom(registry, search=TransactionRegistry._prune_locked):
    global due
    if time.monotonic() < due:
        return 0
    due = time.monotonic() + 1
    return search(registry)

due = 0.0
TransactionRegistry._prune_locked = seldom
"""

# At each statement the store reads and decodes the indexes of a collection several times, a quarter of its computing.
# For tests it remembers them until they change: by a command, or in a transaction by the first list in a field.
REMEMBER_INDEXES = """
import time
from collections import Counter
from secantus.storage import Storage

LONGEST_S = 60.0  # of a transaction
known, changes, unsure = {}, Counter(), {}

def remembered(storage, db, coll, read=Storage._iter_indexes):
    found = known.get((db, coll))
    if found is None:
        before = changes[db]
        found = list(read(storage, db, coll))
        if time.monotonic() > unsure.get((db, coll), 0.0):
            known[db, coll] = found
        if before != changes[db]:  # meanwhile
            known.pop((db, coll), None)
    return iter(found)

def forget(db):
    changes[db] += 1
    for key in [key for key in [*known] if key[0] == db]:
        known.pop(key, None)

def forgetting(change):
    def changing(storage, db, *more, **named):
        try:
            return change(storage, db, *more, **named)
        finally:
            forget(db)
    return changing

def marking(storage, db, coll, doc, indexes, already, mark=Storage._maybe_mark_multikey):
    before = len(already)
    after = mark(storage, db, coll, doc, indexes, already)
    if len(after) > before:
        unsure[db, coll] = time.monotonic() + LONGEST_S
        forget(db)
    return after

for name in ("create_index", "drop_index", "set_index_expiry", "set_index_options", "drop_all_indexes",
             "drop_collection", "drop_database", "rename_collection"):
    setattr(Storage, name, forgetting(getattr(Storage, name)))
Storage._iter_indexes = remembered
Storage._maybe_mark_multikey = marking
"""

__all__ = [
    "DocumentStore",
    "ImpatientStore",
    "ManagedRabbit",
    "NamedStore",
    "PatientStore",
    "RabbitServer",
    "RedisServer",
    "SqsServer",
]


class RabbitServer(servers.RabbitServer):
    """A shared RabbitMQ: each test has a vhost of its own."""

    def url_of(self, vhost: str) -> str:
        """Return the URL of a vhost."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{vhost}"

    async def add_vhost(self, vhost: str) -> None:
        """Make an empty vhost (35 ms)."""
        every = '<<".*">>'
        await self._eval(
            f'rabbit_vhost:add(<<"{vhost}">>, <<"test">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"guest">>, <<"{vhost}">>, {every}, {every}, {every}, <<"test">>).'
        )

    async def add_user(self, name: str, vhost: str, *, configure: str, write: str, read: str) -> str:
        """Make a user with only these rights in a vhost; return the user's URL."""
        user, rights = f'<<"{name}">>', ", ".join(f'<<"{each}">>' for each in (configure, write, read))
        await self._eval(
            f'rabbit_auth_backend_internal:add_user({user}, <<"of-a-test">>, <<"test">>),'
            f' rabbit_auth_backend_internal:set_permissions({user}, <<"{vhost}">>, {rights}, <<"test">>).'
        )
        return self.url_of(vhost).replace("guest:guest", f"{name}:of-a-test")

    async def delete_vhost(self, vhost: str) -> None:
        """Delete a vhost with all it holds; its connections are closed."""
        await self._eval(f'rabbit_vhost:delete(<<"{vhost}">>, <<"test">>).')

    async def save(self) -> None:
        """Save the names of new quorum queues, as RabbitMQ 3.10 does within a second, and not at once."""
        await self._eval("[dets:sync(Table) || Table <- dets:all()], ok.")

    async def start_exporter(self) -> int:
        """Start RabbitMQ's plugin for Prometheus, which production has; return its port on 127.0.0.1."""
        (port,) = free_ports(1)
        plugins = self.folder / "enabled_plugins"
        plugins.write_text("[rabbitmq_prometheus].\n")  # until the plugin is started again
        here = f'[{{port, {port}}}, {{ip, "127.0.0.1"}}]'
        await self._eval(
            f"application:set_env(rabbitmq_prometheus, tcp_config, {here}, [{{persistent, true}}]), "
            f'{{ok, _, _}} = rabbit_plugins:ensure("{plugins}"), ok.'
        )
        return port

    async def alarm(self, on: bool) -> None:
        """Raise or clear the memory alarm."""
        await self._eval(f"vm_memory_monitor:set_vm_memory_high_watermark({0 if on else 0.6}), ok.")

    async def _eval(self, expression: str) -> str:
        """Return Erlang that the server evaluates: erl_call takes 30 ms, rabbitmqctl more than a second."""
        command = ["erl_call", "-name", self.node, "-c", (self.folder / ".erlang.cookie").read_text(), "-e"]
        if not shutil.which("erl_call"):
            command = [rabbit_script("rabbitmqctl"), "--longnames", "--node", self.node, "eval", expression]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.folder),
                **self.epmd_env(self.epmd_port),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(120):
            output, _ = await process.communicate(f"{expression}\n".encode())
        if process.returncode != 0 or not output.lstrip(b"{, ").startswith(b"ok"):
            raise RuntimeError(f"{expression} answered {output.decode(errors='replace')}")
        return output.decode()


class ManagedRabbit(RabbitServer):
    """A RabbitMQ with the management plugin, on a port of its own (3 s slower to start)."""

    port_count = 4
    _plugins = "[rabbitmq_management]."
    _erlang = RabbitServer._erlang + " -rabbit quorum_tick_interval 500"  # how soon it shows a queue's policy

    @property
    def management_url(self) -> str:
        """Return the URL of the plugin."""
        return f"http://127.0.0.1:{self._ports[3]}"

    async def launch(self, ports: Sequence[int]) -> None:
        own = f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {ports[3]}\n"
        self._settings = RabbitServer._settings + own
        await super().launch(ports)


class DocumentStore(Server):
    """SecantusDB: MongoDB's wire protocol, a replica set of one; a commit is on disk before its answer."""

    name = "secantusdb"
    program: ClassVar[str | None] = None  # the one that STORE names
    patch: ClassVar[str] = SEARCH_SELDOM + REMEMBER_INDEXES  # for the Python program, which has no option for these

    def __init__(self, folder: Path, *words: str) -> None:
        super().__init__(folder)
        self.words = words  # further arguments of its command line

    @classmethod
    def missing(cls) -> str | None:
        return None if importlib.util.find_spec("secantus") else "secantusdb is not installed"

    def freeze(self) -> None:
        """Stop the process where it is; from here on it neither answers nor closes anything."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        stopping, until = psutil.Process(self._process.pid), time.monotonic() + 60
        while stopping.status() != psutil.STATUS_STOPPED and time.monotonic() < until:
            time.sleep(0.001)  # a busy machine lets it run on for a moment

    def thaw(self) -> None:
        """Let the process go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    @property
    def url(self) -> str:
        # Neither replicaSet nor directConnection is needed: transactions and change streams work without.
        return store_programs.url(self.port)

    async def launch(self, ports: Sequence[int]) -> None:
        (config := self.folder / "secantusd.toml").touch()  # a named file keeps it from looking for one in /etc
        program = self.program or chosen().embedded_store
        command = store_programs.command(program, self.folder / "data", config, ports[0])
        if program == "py":
            started = "from secantus.cli import main\nraise SystemExit(main())"
            command[:1] = [sys.executable, "-I", "-c", f"{self.patch}\n{started}"]
        self._process = self.spawn([*command, *self.words])
        await self.answering(self._process, ports[0], b"", b"")


def giving_up_after(seconds: float) -> str:
    """Return the patch of a store that aborts a dead client's transaction so soon (transactionLifetimeLimitSeconds)."""
    started = "from secantus.server import SecantusDBServer as S\n"
    return started + f"S.__init__.__kwdefaults__['transaction_lifetime_seconds'] = {seconds}"


class ImpatientStore(DocumentStore):
    """A store that gives up a transaction after a second.

    The store is the Python one whatever STORE says: the Rust one has a constant, 60 s.
    """

    program = "py"
    patch = giving_up_after(1.0)


class PatientStore(DocumentStore):
    """A store that gives up a transaction after 15 s, as compose.yml's MongoDB does (deploy/mongo/start.sh)."""

    program = "py"
    patch = giving_up_after(15.0)


class NamedStore(DocumentStore):
    """A MongoDB that runs already, and that no test may stop: tests that would are skipped."""

    @property
    def running(self) -> bool:
        return True

    @property
    def url(self) -> str:
        return chosen().store_url or ""

    async def start(self) -> None:
        """Do nothing: the server runs."""

    async def stop(self) -> None:
        pytest.skip("no test stops the MongoDB that STORE names")

    kill = stop

    def freeze(self) -> None:
        pytest.skip("no test stops the MongoDB that STORE names")
