"""A Redis Cluster, and a Redis with sentinels, whose parts tests kill, promote and move about."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from conftest import require, run
from redis.asyncio import Redis

from devtools.cluster import redis_cluster, server
from devtools.cluster.redis_cluster import RedisNode
from devtools.cluster.servers import RedisServer
from social.infra.redis.redis import AWAY
from social.infra.redis.slots import slot_of
from support.eventually import eventually

FOR_EVER_MS = 600_000  # a starved machine shall not fail over by itself: tests promote replicas
SENTINELS = 3


class RedisCluster(redis_cluster.RedisCluster):
    """Three masters with a replica each."""

    def __init__(self, folder: Path, *, node_timeout_ms: int = FOR_EVER_MS) -> None:
        super().__init__(folder, node_timeout_ms=node_timeout_ms)

    async def start(self) -> None:
        """Start the nodes that do not run, and wait until the cluster is whole: each master with a replica."""
        await super().start()
        await eventually(self._whole)

    async def kill(self) -> None:
        """Kill all nodes."""
        await asyncio.gather(*(each.kill() for each in self.nodes))

    async def flush(self) -> None:
        """Delete all keys."""
        for node in await self.masters():
            await ask(node, "FLUSHALL")

    async def masters(self) -> list[RedisNode]:
        """Return the nodes that run and are masters."""
        running = [each for each in self.nodes if each.running]
        return [each for each in running if (await info(each, "replication"))["role"] == "master"]

    async def owner(self, name: str) -> RedisNode:
        """Return the master that owns the slot of a key or channel."""
        (found,) = [each for each in await self.masters() if slot_of(name) in await self.slots(each)]
        return found

    async def slots(self, node: RedisNode) -> set[int]:
        """Return the slots that a node owns by its own account."""
        mine = next(line for line in (await self._lines(node)) if "myself" in line[2])
        ranges = (each.split("-") for each in mine[8:] if not each.startswith("["))
        return {slot for first, *last in ranges for slot in range(int(first), int((last or [first])[0]) + 1)}

    async def replica_of(self, master: RedisNode) -> RedisNode:
        """Return the replica of a master."""
        others = [each for each in self.nodes if each is not master and each.running]
        found = [each for each in others if (await info(each, "replication")).get("master_port") == master.port]
        return found[0]

    async def take_over(self, replica: RedisNode) -> None:
        """Make a replica the master, at once and without a vote."""
        await ask(replica, "CLUSTER", "FAILOVER", "TAKEOVER")

        async def promoted() -> None:
            assert (await info(replica, "replication"))["role"] == "master"

        await eventually(promoted)

    async def move(self, slot: int, to: RedisNode) -> None:
        """Move a slot with its keys to another master, as redis-cli does."""
        masters = await self.masters()
        (source,) = [each for each in masters if slot in await self.slots(each)]
        await ask(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", await node_id(source))
        await ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", await node_id(to))
        while keys := await ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            await ask(source, "MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", *keys)
        for each in (to, source, *masters):
            await ask(each, "CLUSTER", "SETSLOT", slot, "NODE", await node_id(to))

    async def move_away(self, slot: int) -> None:
        """Move a slot to any other master."""
        (to, *_) = [each for each in await self.masters() if slot not in await self.slots(each)]
        await self.move(slot, to)

    async def published(self) -> dict[int, int]:
        """Return how many messages each master was given to publish, by its port."""
        stats = {each.port: await info(each, "commandstats") for each in await self.masters()}
        return {port: found.get("cmdstat_spublish", {"calls": 0})["calls"] for port, found in stats.items()}

    async def _whole(self) -> None:
        masters = await self.masters()
        assert len(masters) == len(self.nodes) // 2
        for each in self.nodes:
            assert (await cluster_info(each))["cluster_state"] == "ok"
            said = await info(each, "replication")
            assert said["connected_slaves"] == 1 if each in masters else said["master_link_status"] == "up"

    async def _lines(self, node: RedisNode) -> list[list[str]]:
        text: bytes = await ask(node, "CLUSTER", "NODES", raw=True)
        return [line.split() for line in text.decode().splitlines()]


@contextmanager
def redis_cluster_in(folder: Path, **options: int) -> Iterator[RedisCluster]:
    """Run a cluster in a folder; skip where there is no Redis, and fail where CI=true."""
    require(RedisServer)
    cluster = RedisCluster(folder, **options)
    try:
        run(cluster.start())
        yield cluster
    finally:
        run(cluster.kill())


class Sentinel(RedisServer):
    """A sentinel; redis-server is its program, too."""

    def __init__(self, folder: Path, master_port: int, down_after_ms: int) -> None:
        super().__init__(folder)
        self._master_port = master_port
        self._down_after_ms = down_after_ms

    async def launch(self, ports: Sequence[int]) -> None:
        config = self.folder / "sentinel.conf"
        if not config.exists():
            config.write_text(
                f"bind 127.0.0.1\nport {ports[0]}\nsentinel monitor plaza 127.0.0.1 {self._master_port} 2\n"
                f"sentinel down-after-milliseconds plaza {self._down_after_ms}\n"
                f"sentinel failover-timeout plaza {4 * self._down_after_ms}\n"
            )
        self._process = self.spawn(["redis-server", str(config), "--sentinel"])
        await self.answering(self._process, ports[0], b"PING\r\n", b"+PONG")


class Replica(RedisServer):
    """A replica of another server from its first start on."""

    def __init__(self, folder: Path, of: RedisServer) -> None:
        super().__init__(folder)
        self._of = of

    def options(self) -> dict[str, str]:
        """Return the option that names its master."""
        return {"replicaof": f"127.0.0.1 {self._of.port}"}


class WatchedRedis:
    """A master, its replica and three sentinels."""

    def __init__(self, folder: Path, *, down_after_ms: int = FOR_EVER_MS) -> None:
        self._folder = folder
        self._down_after_ms = down_after_ms
        self.master = RedisServer(folder / "master")
        self.replica = Replica(folder / "replica", self.master)
        self.sentinels: list[Sentinel] = []

    @property
    def url(self) -> str:
        """The URL that clients connect to."""
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels) + "/plaza/0"

    async def start(self) -> None:
        """Start all, and wait until the sentinels know each other and the replica."""
        await self.master.start()
        await self.replica.start()
        folders = [self._folder / f"sentinel-{n}" for n in range(SENTINELS)]
        self.sentinels = [Sentinel(each, self.master.port, self._down_after_ms) for each in folders]
        await asyncio.gather(*(each.start() for each in self.sentinels))
        await eventually(self._whole)

    async def kill(self) -> None:
        """Kill all."""
        await asyncio.gather(*(each.kill() for each in (self.master, self.replica, *self.sentinels)))

    async def fail_over(self) -> None:
        """Have the sentinels promote the replica at once."""
        await ask(self.sentinels[0], "SENTINEL", "FAILOVER", "plaza")

    async def _whole(self) -> None:
        for each in self.sentinels:
            async with client(each) as sentinel:
                state = (await sentinel.sentinel_masters())["plaza"]
            assert (state["num-slaves"], state["num-other-sentinels"]) == (1, SENTINELS - 1)


@asynccontextmanager
async def client(node: server.Server) -> AsyncIterator[Any]:
    """Connect to one server."""
    async with Redis(port=node.port, protocol=2) as redis:
        yield redis


async def ask(node: server.Server, *words: Any, raw: bool = False) -> Any:
    """Run a command on one server."""
    async with client(node) as redis:
        if raw:
            redis.response_callbacks.clear()
        return await redis.execute_command(*words)


async def info(node: server.Server, section: str) -> dict[str, Any]:
    """Return a section of a server's INFO; raises AssertionError while it does not answer."""
    try:
        async with client(node) as redis:
            found: dict[str, Any] = await redis.info(section)
            return found
    except AWAY as error:
        raise AssertionError(str(error)) from error


async def cluster_info(node: RedisNode) -> dict[str, str]:
    """Return a node's view of its cluster."""
    text: bytes = await ask(node, "CLUSTER", "INFO", raw=True)
    return dict(line.split(":", 1) for line in text.decode().split())


async def node_id(node: RedisNode) -> str:
    """Return the id of a node in its cluster."""
    return bytes(await ask(node, "CLUSTER", "MYID", raw=True)).decode()
