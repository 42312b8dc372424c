"""A Redis Cluster on this machine: masters with a replica each, which know each other from the start."""

from collections.abc import Sequence
from pathlib import Path

from devtools.cluster import server
from devtools.cluster.servers import RedisServer

SLOTS = 16_384


class RedisNode(RedisServer):
    """A node of the cluster; `nodes.conf` in its folder is what it knows of the others."""

    def __init__(self, folder: Path, port: int, bus_port: int, *, node_timeout_ms: int) -> None:
        super().__init__(folder)
        self._ports = [port]
        self.name = folder.name  # type: ignore[misc]
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
        ports = server.free_ports(2 * nodes)
        self.nodes = [
            RedisNode(folder / f"redis-{n + 1}", ports[2 * n], ports[2 * n + 1], node_timeout_ms=node_timeout_ms)
            for n in range(nodes)
        ]
        for at, node in enumerate(self.nodes):
            node.folder.mkdir(parents=True, exist_ok=True)
            (node.folder / "nodes.conf").write_text(_known(self.nodes, at))

    @property
    def url(self) -> str:
        """The URL that clients connect to."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{each.port}" for each in self.nodes)


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
