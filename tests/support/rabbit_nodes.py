"""A RabbitMQ cluster of a test: which node leads a queue, and which nodes are in it."""

import re
from pathlib import Path

from devtools.cluster import rabbit_cluster
from support.servers import RabbitServer


class RabbitNode(RabbitServer, rabbit_cluster.RabbitNode):
    """A node that can be asked about the queues of the cluster."""

    async def queues(self) -> dict[str, tuple[str, set[str]]]:
        """Return the node that leads each quorum queue, and all that have a copy of it."""
        name, leader = "binary_to_list(element(4, amqqueue:get_name(Q)))", "element(2, amqqueue:get_pid(Q))"
        row = f"{{{name}, {leader}, maps:get(nodes, amqqueue:get_type_state(Q))}}"
        said = "".join((await self._eval(f"{{ok, [{row} || Q <- rabbit_amqqueue:list()]}}.")).split())
        rows = re.findall(r"""\{"([^"]+)",'([^']+)',\[([^]]*)\]\}""", said)
        return {queue: (leader, set(members.replace("'", "").split(","))) for queue, leader, members in rows}


class RabbitCluster(rabbit_cluster.RabbitCluster):
    """Nodes that a test may kill one by one."""

    nodes: list[RabbitNode]  # type: ignore[assignment]

    def __init__(self, folder: Path, *, tick_s: int = rabbit_cluster.TICK_S) -> None:
        super().__init__(folder, tick_s=tick_s, kind=RabbitNode)

    def node(self, name: str) -> RabbitNode:
        """Return the node of that name."""
        return next(each for each in self.nodes if each.node == name)
