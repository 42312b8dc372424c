"""The nodes of a RabbitMQ cluster, `amqp://user:password@one,two:5673,three/vhost`, and a connection to any of them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

import aio_pika
from aio_pika.connection import make_url
from yarl import URL

from social.infra.broker.broker import BrokerRefuses
from social.infra.broker.rabbit_deliveries import AWAY
from social.infra.observe import logs

log = logs.get("broker")

T = TypeVar("T")

HEARTBEAT_S = 10  # a frozen node is left after three; one node alone has nobody to leave it for, and keeps the default
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 2.0  # a single node that restarts is asked about as often as ever


def urls_of(url: str) -> list[URL]:
    """Return the URL of each node that a `BROKER_URL` names; raises ValueError where one is no URL."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    names = hosts.split(",")
    if not all(names) and len(names) > 1:
        raise ValueError("a node has no name")
    nodes = [make_url(parts._replace(netloc=f"{login}{at}{name}").geturl()) for name in names]
    if len(nodes) > 1:
        nodes = [each if "heartbeat" in each.query else each.update_query(heartbeat=HEARTBEAT_S) for each in nodes]
    return nodes


class Nodes:
    """The nodes in an order of this process's own: processes that lose a node together spread over the others."""

    def __init__(self, url: str, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()  # noqa: S311 - not a secret
        self._urls = urls_of(url)
        self._chance.shuffle(self._urls)
        self._failures = 0

    def __len__(self) -> int:
        return len(self._urls)

    @property
    def url(self) -> URL:
        """The URL of the node to connect to."""
        return self._urls[0]

    @property
    def name(self) -> str:
        """The node to connect to, as people may see it."""
        return str(self.url.host_port_subcomponent)

    @property
    def pause_s(self) -> float:
        """The pause before the next attempt: it doubles once every node has failed, up to 2 s, and varies by half."""
        rounds = min(self._failures // len(self), 10)
        bound_s: float = min(FIRST_PAUSE_S * 2**rounds, LONGEST_PAUSE_S)
        return bound_s * self._chance.uniform(0.5, 1.0)

    def failed(self) -> None:
        """Go on to the next node."""
        self._failures += 1
        self._urls.append(self._urls.pop(0))

    def answered(self) -> None:
        """Start again with short pauses."""
        self._failures = 0


class NodesConnection(aio_pika.RobustConnection):
    """A connection that, when it is lost, is opened again to the next node, and to each in turn until one answers."""

    def __init__(self, nodes: Nodes) -> None:
        super().__init__(nodes.url, reconnect_interval=nodes.pause_s)
        self._nodes = nodes

    async def _on_connection_close(self, closing: "asyncio.Future[None]") -> None:
        """Choose the next node; aio_pika calls this for a lost connection and for an attempt that failed."""
        if not self._close_called:
            self._nodes.failed()
            self.url, self.reconnect_interval = self._nodes.url, self._nodes.pause_s
        await super()._on_connection_close(closing)

    async def _on_connected(self) -> None:
        await super()._on_connected()
        self._nodes.answered()
        log.info("broker connected", node=self._nodes.name)


async def any_of(nodes: Nodes, connect: Callable[[], Awaitable[T]]) -> T:
    """Return the connection that `connect` opens to the first node that lets it; raises the last node's error."""
    for left in reversed(range(len(nodes))):
        asked, name = nodes.url, nodes.name
        try:
            return await connect()
        except (*AWAY, BrokerRefuses) as error:
            if nodes.url == asked:
                nodes.failed()
            if not left:
                raise
            log.info("this node opens no connection, the next is asked", node=name, why=str(error))
    raise AssertionError("a broker has a node")
