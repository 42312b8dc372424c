"""A Redis in memory: data by fakeredis, and channels whose messages take a while, keep their order, and may be lost."""

import asyncio
import copy
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import fakeredis
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError

from devtools.simulation.loop import Process
from devtools.simulation.network import Lost, Network, Server

Response = tuple[bytes, bytes, Any]  # kind, channel, and the message or a number


class RedisServer(Server):
    """The server: what it keeps, and who has subscribed to what."""

    def __init__(self, network: Network) -> None:
        super().__init__(network, "redis")
        self.loses_push = 0.0  # probability that a subscriber misses a message, without noticing
        self._data = fakeredis.FakeRedis(server=fakeredis.FakeServer())
        self._subscribers: dict[bytes, dict[Subscriber, None]] = {}

    def client(self) -> "SimulatedRedis":
        """Return a client for the running process."""
        client = copy.copy(_prototype())
        client.server = self
        return client

    def run(self, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Run a command."""
        if arguments[0] == "PUBLISH":
            return self._publish(_bytes(arguments[1]), _bytes(arguments[2]))
        if arguments[0] == "PUBSUB NUMSUB":
            return [(_bytes(each), len(self._subscribers.get(_bytes(each), ()))) for each in arguments[1:]]
        return self._data.execute_command(*arguments, **options)

    def subscribe(self, subscriber: "Subscriber", names: Sequence[bytes], *, wanted: bool) -> None:
        """Subscribe or unsubscribe, and confirm each name."""
        for name in names:
            if wanted:
                self._subscribers.setdefault(name, {})[subscriber] = None
            else:
                self._subscribers.get(name, {}).pop(subscriber, None)
            subscriber.deliver((b"subscribe" if wanted else b"unsubscribe", name, 1))

    def forget(self, subscriber: "Subscriber") -> None:
        """Drop a connection's subscriptions."""
        for subscribed in self._subscribers.values():
            subscribed.pop(subscriber, None)

    def lose_connections(self, of: Callable[[Process], bool] = lambda process: True) -> None:
        """End the connections of subscribers, who notice it."""
        for subscriber in {each: None for subscribed in self._subscribers.values() for each in subscribed}:
            if of(subscriber.process):
                self.forget(subscriber)
                subscriber.deliver(None)

    def lose_everything(self) -> None:
        """Forget all keys, and end all connections: a Redis that starts again without a disk."""
        self._data.flushall()
        self.lose_connections()

    def _publish(self, name: bytes, body: bytes) -> int:
        subscribed = self._subscribers.get(name, {})
        for subscriber in subscribed:
            if self.network.chance.random() >= self.loses_push:
                subscriber.deliver((b"message", name, body))
        return len(subscribed)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


class SimulatedRedis(Redis):
    """A client whose commands go through the simulated network."""

    server: RedisServer

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        return await _asked(self.server, lambda: self.server.run(arguments, options))

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "SimulatedPipeline":
        return SimulatedPipeline(self)

    def pubsub(self, **_: Any) -> Any:
        return Subscriber(self.server)


@cache
def _prototype() -> SimulatedRedis:
    """Return a client of no server: to make the first takes redis-py milliseconds."""
    return SimulatedRedis()


class SimulatedPipeline(Pipeline):
    """Commands that are sent together."""

    def __init__(self, client: SimulatedRedis) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, False, None)
        self._server = client.server

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands, self.command_stack = self.command_stack, []
        server = self._server
        found: list[Any] = await _asked(server, lambda: [server.run(each, options) for each, options in commands])
        return found


async def _asked(server: Server, work: Callable[[], Any]) -> Any:
    try:
        return await server.ask(work)
    except Lost as error:
        raise RedisConnectionError(str(error)) from error


class Subscriber:
    """A connection that listens, with the calls of redis-py's `PubSub` and of its connection that the product makes."""

    def __init__(self, server: RedisServer) -> None:
        self.process = server.loop.process
        self.connection = self
        self.health_check_interval = 0
        self._server = server
        self._arrived: asyncio.Queue[Response | None] = asyncio.Queue()
        self._there_at = self._here_at = 0.0  # the last message each way arrives: none overtakes another
        self._lost = False

    async def subscribe(self, *names: str) -> None:
        """Ask for channels; each is confirmed by a response."""
        await self._request(names, wanted=True)

    async def unsubscribe(self, *names: str) -> None:
        """Give up channels; each is confirmed by a response."""
        await self._request(names, wanted=False)

    async def _request(self, names: Sequence[str], *, wanted: bool) -> None:
        await asyncio.sleep(0)
        if self._lost or self._server.away:
            raise RedisConnectionError("no connection")
        if not names:
            return
        loop, network = self._server.loop, self._server.network
        self._there_at = max(self._there_at, loop.time() + network.latency())
        asked = [_bytes(each) for each in names]

        def arrive() -> None:
            if self._server.away:
                self.deliver(None)
            elif not self._lost and self.process.alive:
                self._server.subscribe(self, asked, wanted=wanted)

        loop.call_in(self._server.process, self._there_at - loop.time(), arrive)

    def deliver(self, response: Response | None) -> None:
        """Send a response to the client, behind those before it; None ends the connection."""
        loop = self._server.loop
        self._here_at = max(self._here_at, loop.time() + self._server.network.latency())
        loop.call_in(self.process, self._here_at - loop.time(), self._arrived.put_nowait, response)

    async def read_response(self, *, timeout: float = math.inf, disconnect_on_error: bool = True) -> Response:
        """Wait for the next response."""
        response = None if self._lost else await self._arrived.get()
        if response is None:
            self._lost = True
            raise RedisConnectionError("the connection ended")
        return response

    async def handle_message(self, response: Response) -> None:
        """Note a response; nothing has to be noted here."""

    async def get_message(self, *, timeout: float | None = None) -> dict[str, Any]:
        """Wait for the next response, and return it as a dictionary."""
        kind, channel, data = await self.read_response()
        return {"type": kind.decode(), "channel": channel, "data": data}

    async def aclose(self) -> None:
        """Close the connection."""
        self._lost = True
        loop = self._server.loop
        loop.call_in(self._server.process, self._server.network.latency(), self._server.forget, self)
