"""The world of a simulation: a loop, the servers in memory, and the processes that run the product's own code."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from devtools.simulation.broker import BrokerServer
from devtools.simulation.loop import Process, SimulatedLoop
from devtools.simulation.network import Network, Server
from devtools.simulation.redis import RedisServer
from devtools.simulation.store.engine import Engine

BEGINS_S = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
HEARTBEATS_S = 1.0  # without which the broker ends a connection; a minute, in less time
MOST_STEPS = 60_000  # of a run: about ten times as many as usual


@dataclass(eq=False)
class World:
    """All that a run consists of; `chance` decides everything that is left open."""

    chance: random.Random
    loop: SimulatedLoop = field(init=False)
    network: Network = field(init=False)
    store: Server = field(init=False)
    engine: Engine = field(init=False)
    broker: BrokerServer = field(init=False)
    redis: RedisServer = field(init=False)
    processes: int = 0
    mourners: dict[Process, dict[Callable[[], None], None]] = field(default_factory=dict)
    crashes: list[str] = field(default_factory=list)  # that happened, with their steps

    def __post_init__(self) -> None:
        self.loop = SimulatedLoop(self.chance, MOST_STEPS)
        self.loop.ended = self.kill
        self.loop.slept = self._silent
        self.network = Network(self.loop, self.chance)
        self.store = Server(self.network, "store")
        self.engine = Engine(self.loop.time, self.now)
        self.broker = BrokerServer(self.network)
        self.redis = RedisServer(self.network)

    def time_s(self) -> float:
        """Return the seconds since the epoch."""
        return BEGINS_S + self.loop.time()

    def now(self) -> datetime:
        """Return the time as the document store keeps it: in milliseconds."""
        at = datetime.fromtimestamp(self.time_s(), UTC)
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    def process(self, name: str) -> Process:
        """Return a new process, which has run no step."""
        self.processes += 1
        process = Process(name, self.processes)
        self.mourners[process] = {}
        return process

    def kill(self, process: Process) -> None:
        """End a process between two of its steps, as SIGKILL does: the servers notice, and whoever waits for it."""
        if not process.alive:
            return
        self.crashes.append(f"{process.name} {process.steps}")
        self.loop.end(process)
        self.broker.lose_connections(lambda each: each is process)
        self.redis.lose_connections(lambda each: each is process)
        for mourn in self.mourners.pop(process):
            self.loop.call_in(self.loop.world, self.network.latency(), mourn)

    def _silent(self, process: Process, seconds: float) -> None:
        """Let the broker end a connection without heartbeats: others get its messages, and it does not know yet."""
        if seconds > HEARTBEATS_S and self.chance.random() < 0.7:
            self.loop.call_in(self.loop.world, HEARTBEATS_S, self.broker.lose_connections, lambda each: each is process)

    def close(self) -> None:
        """Drop all that still waits."""
        self.loop.close()
