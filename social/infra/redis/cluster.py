"""Redis Cluster behind the interface of one Redis: each command goes to the node that owns its key.

Each node has a plain client of its own, so that commands have the deadlines and the failures of one Redis: redis-py's
own cluster client retries behind its caller's back, and closes all connections, also busy ones, at some redirections.
A message of pub/sub is published on the node that owns its channel, and only there.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AskError, ConnectionError, MovedError, TryAgainError

from social.infra.observe import logs
from social.infra.redis.cluster_pipeline import LOST, ClusterPipeline
from social.infra.redis.slots import SLOTS, Address, owners, slot_of

log = logs.get("redis_cluster")

REDIRECTS = 5  # of a command: its slot may just be moving
TRY_AGAIN_S = 0.02
REFRESH_EVERY_S = 0.25
REFRESH_ASK_S = 1.0  # a node that takes longer to name the owners is passed over
MOST_NAMES = 20 * SLOTS  # tried, to find one in the slots of a node: for one that owns a single slot these suffice
NewClient = Callable[[Address], Redis]


class ClusterRedis(Redis):
    """A client of a whole cluster; it learns the owners of slots from any node, and from redirections."""

    def __init__(self, seeds: Sequence[Address], new_client: NewClient) -> None:
        first = new_client(seeds[0])
        super().__init__(connection_pool=first.connection_pool)  # for what commands read from it; it never connects
        self._seeds = tuple(seeds)
        self._new_client = new_client
        self._clients: dict[Address, Redis] = {}
        self._owners: list[Address | None] = []
        self.masters: list[Address] = []  # the nodes that own slots; none before the first answer
        self._refreshing: asyncio.Task[None] | None = None

    def owner(self, name: str | bytes) -> Address | None:
        """Return the node that owns a key or a channel, as far as it is known."""
        return self._owners[slot_of(name)] if self._owners else None

    @property
    def uncovered(self) -> int:
        """Return how many slots no node owns."""
        return self._owners.count(None)

    def name_on(self, node: Address, name: str) -> str:
        """Return a name that begins like this, and the slot of which this master owns."""
        names = (f"{name}:{number}" for number in range(MOST_NAMES))
        found = next((each for each in names if self.owner(each) == node), None)
        if found is None:
            raise ConnectionError(f"{node} owns no slots of the cluster")
        return found

    def node(self, address: Address) -> Redis:
        """Return the client of a node."""
        if address not in self._clients:
            self._clients[address] = self._new_client(address)
        return self._clients[address]

    async def node_of(self, name: str) -> Redis:
        """Return the client of the node that owns a channel, asking the cluster again; raises errors of Redis."""
        await self.refresh()
        return self.node(self.target(("", name)))

    async def refresh(self) -> None:
        """Ask the nodes who owns the slots; callers share one question. Raises errors of Redis."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="redis slots")
            self._refreshing.add_done_callback(_retrieved)
        await asyncio.shield(self._refreshing)

    def refresh_soon(self) -> None:
        """Ask who owns the slots, in the background and not again and again."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(REFRESH_EVERY_S), name="redis slots")
            self._refreshing.add_done_callback(_retrieved)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command on the node of its first key; one without a key on any node."""
        if not self._owners:
            await self.refresh()
        return await self._redirected(self.target(args), args, options)

    async def on_masters(self, ask: Callable[[Redis], Awaitable[Any]]) -> dict[Address, Any]:
        """Run a command on every master at once; return the answers, or raise the first error."""
        if not self._owners:
            await self.refresh()
        masters = self.masters
        answers = await asyncio.gather(*(self.watched(ask(self.node(each))) for each in masters))
        return dict(zip(masters, answers, strict=True))

    async def ping(self, **_: Any) -> bool:
        """Return whether every master answers; raises errors of Redis."""
        return all((await self.on_masters(lambda node: node.ping())).values())

    async def publish(self, channel: Any, message: Any, **_: Any) -> int:
        """Publish on the node that owns the channel; return how many of its clients received the message."""
        return int(await self.execute_command("SPUBLISH", channel, message))

    async def delete(self, *names: Any) -> int:
        """Delete keys, whatever nodes have them; return how many there were."""
        if len(names) == 1:
            return int(await self.execute_command("DEL", *names))
        async with self.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.delete(name)
            return sum(await pipeline.execute())

    async def pubsub_numsub(self, *names: Any, **_: Any) -> list[tuple[bytes | str, int]]:
        """Return how many clients listen to each channel, each counted by the node that owns it."""
        if not self._owners:
            await self.refresh()
        groups: dict[Address, list[Any]] = {}
        for name in names:
            groups.setdefault(self.target(("", name)), []).append(name)
        asked = (self.watched(self.node(node).pubsub_shardnumsub(*some)) for node, some in groups.items())
        return [pair for answer in await asyncio.gather(*asked) for pair in answer]

    def pipeline(self, transaction: bool = False, shard_hint: str | None = None) -> ClusterPipeline:
        """Return a pipeline whose commands may go to several nodes."""
        if transaction:
            raise ValueError("a transaction cannot span the nodes of a cluster")
        return ClusterPipeline(self)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections to all nodes."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])
        clients = list(self._clients.values())
        self._clients, self._owners, self.masters = {}, [], []
        await asyncio.gather(*(each.aclose() for each in clients), return_exceptions=True)

    def target(self, args: Sequence[Any]) -> Address:
        """Return the node that a command goes to; raises ConnectionError where no node owns its slot."""
        key = args[3] if args[0] == "EVAL" else args[1] if len(args) > 1 else None
        owner = random.choice(self.masters) if key is None else self._owners[slot_of(key)]  # noqa: S311 - any node
        if owner is None:
            self.refresh_soon()
            raise ConnectionError("no node of the cluster owns the slot of a key")
        return owner

    async def _redirected(self, node: Address, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Run a command on a node, and go where the cluster says."""
        for _ in range(REDIRECTS):
            try:
                return await self.watched(self.node(node).execute_command(*args, **options))  # type: ignore[no-untyped-call]
            except MovedError as error:
                node = self.moved(error, node)
            except AskError as error:
                return await self._asking(_address(error, node), args, options)
            except TryAgainError:
                await asyncio.sleep(TRY_AGAIN_S)
        raise ConnectionError("a slot of the cluster does not stop moving")

    async def _asking(self, node: Address, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Run a command on the node that a slot is moving to; ASKING allows it on this connection."""
        async with self.node(node).pipeline(transaction=False) as pipeline:
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*args, **options)
            return (await pipeline.execute())[1]

    def moved(self, error: MovedError, asked: Address) -> Address:
        """Learn the owner of a slot from a node's redirection; return the owner."""
        owner = _address(error, asked)
        if self._owners:
            self._owners[error.slot_id] = owner
            if owner not in self.masters:
                self.masters = _masters(self._owners)
        self.refresh_soon()
        return owner

    async def watched(self, asked: Awaitable[Any]) -> Any:
        """Await an answer; where it does not come, ask soon who owns the slots now."""
        try:
            return await asked
        except (*LOST, asyncio.CancelledError):  # a deadline of the caller cancels: the node may hang
            self.refresh_soon()
            raise

    async def _refresh(self, delay_s: float = 0) -> None:
        await asyncio.sleep(delay_s)
        known = list(self.masters)
        random.shuffle(known)
        cut_off: list[Address | None] = []  # owners by a node that does not see most masters: they may be the old ones
        error: Exception = ConnectionError("no node of the cluster answers")
        for address in dict.fromkeys((*known, *self._seeds)):
            try:
                found, state = await self._ask_owners(address)
            except Exception as failed:
                error = failed
                continue
            if any(found) and state == "ok":
                break
            cut_off = cut_off or (found if any(found) else [])
            error = ConnectionError("no node of the cluster owns slots")
        else:
            if not cut_off:
                raise error
            found = cut_off
        await self._owned(found)

    async def _ask_owners(self, address: Address) -> tuple[list[Address | None], str]:
        async with asyncio.timeout(REFRESH_ASK_S), self.node(address).pipeline(transaction=False) as pipeline:
            pipeline.execute_command("CLUSTER SLOTS")
            pipeline.execute_command("CLUSTER INFO")
            slots, state = await pipeline.execute()
        return owners(slots, address), state["cluster_state"]

    async def _owned(self, found: list[Address | None]) -> None:
        before, now = self.masters, _masters(found)
        self._owners, self.masters = found, now
        if before != now:
            report = log.info if before else log.debug
            report("redis cluster has other masters", masters=" ".join(map(str, now)))
        if missing := found.count(None):
            log.warning("redis cluster does not cover all slots", missing=missing, of=SLOTS)
        for gone in self._clients.keys() - set(now) - set(self._seeds):
            await self._clients.pop(gone).connection_pool.disconnect(inuse_connections=False)


def _address(error: AskError, asked: Address) -> Address:
    """Return where a redirection leads; a node that does not know its own host names only a port."""
    return Address(error.host or asked.host, error.port)


def _masters(slots: Sequence[Address | None]) -> list[Address]:
    return sorted({each for each in slots if each is not None})


def _retrieved(task: "asyncio.Task[None]") -> None:
    """Retrieve the error of a question that nobody may wait for."""
    if not task.cancelled() and (error := task.exception()):
        log.debug("owners of redis slots not known", error=str(error) or type(error).__name__)
