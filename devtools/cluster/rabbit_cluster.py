"""A RabbitMQ cluster on this machine: nodes that find each other by an epmd of their own, and form it by themselves."""

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path

from devtools.cluster.ports import listens
from devtools.cluster.server import Server, StartFailed
from devtools.cluster.servers import RabbitServer

COOKIE = ".erlang.cookie"
TICK_S = 15  # a node that is silent so long, and up to a quarter more, is taken for dead; Erlang's own is 60


class Epmd(Server):
    """The directory in which the nodes of a cluster find each other's ports."""

    name = "epmd"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._starting = asyncio.Lock()  # every node starts it where it does not run

    async def start(self) -> None:
        async with self._starting:
            await super().start()

    @classmethod
    def missing(cls) -> str | None:
        return RabbitServer.missing()

    @property
    def url(self) -> str:
        return f"epmd://127.0.0.1:{self.port}"

    async def launch(self, ports: Sequence[int]) -> None:
        self._process = process = self.spawn(["epmd", "-port", str(ports[0])], RabbitServer.epmd_env(ports[0]))
        async with asyncio.timeout(self.start_timeout_s):
            while not listens(process.pid, ports[0]):
                if process.poll() is not None:
                    raise StartFailed(f"epmd ended with {process.returncode}\n{self.log()}")
                await asyncio.sleep(0.01)


class RabbitNode(RabbitServer):
    """A node of a cluster. A node that was cut off from the others is restarted by RabbitMQ when it is back."""

    port_count = 2

    def __init__(self, folder: Path, node: str, peers: Sequence[str], epmd: Epmd, tick_s: int) -> None:
        super().__init__(folder)
        self.name = folder.name
        self.node = node
        self._directory = epmd
        self._kernel = ("-kernel", "net_ticktime", str(tick_s), "-rabbit", "queue_leader_locator", '<<"balanced">>')
        listed = "".join(f"cluster_formation.classic_config.nodes.{n} = {peer}\n" for n, peer in enumerate(peers, 1))
        self._settings = (
            f"{RabbitServer._settings}cluster_formation.peer_discovery_backend = classic_config\n{listed}"
            "cluster_partition_handling = autoheal\n"
        )

    @property
    def epmd_port(self) -> int:
        return self._directory.port

    async def _find_epmd(self, ports: Sequence[int]) -> int:
        await self._directory.start()
        return self._directory.port


class RabbitCluster:
    """All nodes of a cluster; each is started, killed and stopped by itself, and comes back with its port and data."""

    def __init__(
        self, folder: Path, count: int = 3, *, tick_s: int = TICK_S, kind: type[RabbitNode] = RabbitNode
    ) -> None:
        self._directory = Epmd(folder / "epmd")
        names = [f"plaza-{number}@127.0.0.1" for number in range(1, count + 1)]
        folders = [folder / f"rabbitmq-{number}" for number in range(1, count + 1)]
        self.nodes = [kind(own, name, names, self._directory, tick_s) for own, name in zip(folders, names, strict=True)]

    @property
    def parts(self) -> list[Server]:
        """All that runs: the nodes, and the epmd that they find each other by."""
        return [self._directory, *self.nodes]

    @property
    def url(self) -> str:
        """The URL that names every node."""
        return f"amqp://guest:guest@{','.join(f'127.0.0.1:{each.port}' for each in self.nodes)}/%2F"

    async def start(self) -> None:
        """Start the nodes that do not run, all at once: after a crash of all each waits for the others."""
        self._share_cookie()
        if not (self.nodes[0].folder / "data").exists():
            await self.nodes[0].start()  # the others join it
        await asyncio.gather(*(each.start() for each in self.nodes))

    async def stop(self) -> None:
        """Stop all nodes, and the epmd last."""
        await asyncio.gather(*(each.stop() for each in self.nodes))
        await self._directory.stop()

    async def kill(self) -> None:
        """Send SIGKILL to all nodes."""
        await asyncio.gather(*(each.kill() for each in self.nodes))

    def _share_cookie(self) -> None:
        """Give all nodes one cookie, without which they refuse each other."""
        first = self.nodes[0].folder / COOKIE
        cookie = first.read_text() if first.exists() else secrets.token_hex(20)
        for each in self.nodes:
            each.folder.mkdir(parents=True, exist_ok=True)
            if not (own := each.folder / COOKIE).exists():
                own.touch(mode=0o600)
                own.write_text(cookie)
                own.chmod(0o400)
