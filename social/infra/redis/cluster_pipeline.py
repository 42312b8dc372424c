"""Commands for several nodes of a Redis Cluster, sent together."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import AskError, ClusterDownError, ConnectionError, RedisError, TimeoutError, TryAgainError

from social.infra.redis.slots import Address

LOST = (ConnectionError, TimeoutError, ClusterDownError)  # after which the slots may have other owners
AWAY = (RedisError, OSError)
Command = tuple[tuple[Any, ...], Mapping[str, Any]]


class Cluster(Protocol):
    """The client of a cluster, as far as its pipelines need it."""

    masters: list[Address]
    connection_pool: ConnectionPool
    response_callbacks: Any

    def node(self, address: Address) -> Redis:
        """Return the client of a node."""

    def target(self, args: Sequence[Any]) -> Address:
        """Return the node that a command goes to; raises ConnectionError where no node owns its slot."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command on the node of its key."""

    async def watched(self, asked: Awaitable[Any]) -> Any:
        """Await an answer; where it does not come, ask soon who owns the slots now."""

    async def refresh(self) -> None:
        """Ask the nodes who owns the slots; raises errors of Redis."""

    def refresh_soon(self) -> None:
        """Ask who owns the slots, in the background."""


class PartlyFailed(ConnectionError):
    """A pipeline some commands of which failed, with their number; the others were executed."""

    def __init__(self, first: Exception, failed: int) -> None:
        super().__init__(str(first) or type(first).__name__)
        self.failed = failed


class ClusterPipeline(Pipeline):
    """Commands for several nodes: each node gets its own in one round trip, all nodes at once."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, transaction=False, shard_hint=None)
        self._cluster = cluster

    def publish(self, channel: Any, message: Any, **_: Any) -> Any:
        """Publish on the node that owns the channel."""
        return self.execute_command("SPUBLISH", channel, message)

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Return the answers in the order of the commands; raises PartlyFailed once all nodes have answered."""
        commands, self.command_stack = list(self.command_stack), []
        if commands and not self._cluster.masters:
            await self._cluster.refresh()
        answers = await self._on_all(commands)
        errors = [each for each in answers if isinstance(each, Exception)]
        if errors and raise_on_error:
            raise PartlyFailed(errors[0], len(errors)) from errors[0]
        return answers

    async def _on_all(self, commands: Sequence[Command]) -> list[Any]:
        places: dict[Address, list[int]] = {}
        answers: list[Any] = [None] * len(commands)
        anywhere: list[int] = []  # commands without a key go with others
        for place, (args, _) in enumerate(commands):
            if len(args) == 1:
                anywhere.append(place)
                continue
            try:
                places.setdefault(self._cluster.target(args), []).append(place)
            except ConnectionError as error:
                answers[place] = error
        if anywhere:
            places.setdefault(next(iter(places), None) or self._cluster.target(("TIME",)), []).extend(anywhere)
        parts = await asyncio.gather(
            *(self._on_one(node, [commands[place] for place in some]) for node, some in places.items())
        )
        for some, part in zip(places.values(), parts, strict=True):
            for place, answer in zip(some, part, strict=True):
                answers[place] = answer
        return answers

    async def _on_one(self, node: Address, commands: list[Command]) -> list[Any]:
        try:
            async with self._cluster.node(node).pipeline(transaction=False) as pipeline:
                pipeline.command_stack = commands
                answers: list[Any] = await self._cluster.watched(pipeline.execute(raise_on_error=False))
        except (OSError, *LOST) as error:
            return [error] * len(commands)
        for place, answer in enumerate(answers):
            if isinstance(answer, AskError | TryAgainError):
                answers[place] = await self._again(commands[place])
            elif isinstance(answer, ClusterDownError):
                self._cluster.refresh_soon()
        return answers

    async def _again(self, command: Command) -> Any:
        """Run a command that a node redirected by itself; return the answer, or the error."""
        try:
            return await self._cluster.execute_command(*command[0], **command[1])
        except AWAY as failed:
            return failed
