"""A Redis Cluster on this machine: masters with a replica each, which know each other from the start."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from devtools.cluster.ports import free_ports
from devtools.cluster.server import StartFailed
from devtools.cluster.servers import RedisServer
from social.infra.redis.slots import SLOTS

LOOK_EVERY_S = 0.05
ASK_S = 2.0


class RedisNode(RedisServer):
    """A node of the cluster; `nodes.conf` in its folder is what it knows of the others."""

    def __init__(self, folder: Path, port: int, bus_port: int, *, node_timeout_ms: int) -> None:
        super().__init__(folder)
        self._ports = [port]
        self.name = folder.name
        self.bus_port = bus_port
        self._node_timeout_ms = node_timeout_ms

    def options(self) -> dict[str, str]:
        """Return the options of a node of a cluster."""
        return {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": str(self._node_timeout_ms),
            "cluster-port": str(self.bus_port),
            "cluster-require-full-coverage": "no",
            "repl-diskless-sync-delay": "0",
        }


class RedisCluster:
    """All nodes of a cluster: the first half are masters, the others their replicas, in memory only.

    A node is started and stopped by itself; it comes back on its ports, and finds the others by its `nodes.conf`.
    """

    def __init__(self, folder: Path, nodes: int = 6, *, node_timeout_ms: int = 5_000) -> None:
        """Write what the nodes know of each other into new folders; what an earlier cluster left there is replaced."""
        ports = free_ports(2 * nodes)
        self.nodes = [
            RedisNode(folder / f"redis-{n + 1}", ports[2 * n], ports[2 * n + 1], node_timeout_ms=node_timeout_ms)
            for n in range(nodes)
        ]
        for at, node in enumerate(self.nodes):
            node.folder.mkdir(parents=True, exist_ok=True)
            (node.folder / "nodes.conf").write_text(_known(self.nodes, at))

    async def start(self) -> None:
        """Start the nodes that do not run, and wait until each sees the others; raises StartFailed."""
        await asyncio.gather(*(each.start() for each in self.nodes))
        try:
            async with asyncio.timeout(RedisNode.start_timeout_s):
                await asyncio.gather(*map(_serving, self.nodes))
        except TimeoutError:
            raise StartFailed("the nodes of the Redis Cluster do not find each other") from None

    @property
    def url(self) -> str:
        """The URL that clients connect to."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{each.port}" for each in self.nodes)


async def _serving(node: RedisNode) -> None:
    """Wait until a node sees its cluster as whole."""
    async with Redis(port=node.port, protocol=2, socket_timeout=ASK_S) as client:
        while True:
            with contextlib.suppress(RedisError, OSError):
                state = await client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
                if state["cluster_state"] == "ok":
                    return
            await asyncio.sleep(LOOK_EVERY_S)


def node_id(at: int) -> str:
    """Return the id of a node in its cluster."""
    return f"{at + 1:040x}"


def _known(nodes: Sequence[RedisNode], myself: int) -> str:
    """Return the `nodes.conf` of a node."""
    masters = len(nodes) // 2
    lines = []
    for at, node in enumerate(nodes):
        flags = ["myself"] if at == myself else []
        flags.append("master" if at < masters else "slave")
        of = "-" if at < masters else node_id(at - masters)
        where = f"127.0.0.1:{node.port}@{node.bus_port}"
        epoch = at % masters + 1
        line = f"{node_id(at)} {where} {','.join(flags)} {of} 0 0 {epoch} connected"
        if at < masters:
            line += f" {at * SLOTS // masters}-{(at + 1) * SLOTS // masters - 1}"
        lines.append(line)
    return "\n".join([*lines, f"vars currentEpoch {masters} lastVoteEpoch 0", ""])
