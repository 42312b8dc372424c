"""The programs of a simulation: an API, a worker and a gateway, each composed of the product's parts as its process is.

A supervisor keeps each program running: where its process dies, a new one starts a little later.
"""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from devtools.simulation.faults import Schedule
from devtools.simulation.loop import Process
from devtools.simulation.replaced import connect
from devtools.simulation.sockets import MemoryEngine
from devtools.simulation.world import World
from realtime.app import Gateway
from realtime.settings import GatewaySettings
from social.contracts.problems import Unavailable
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks
from social.infra.process.watching import watch_servers
from social.infra.security.tokens import Verifier
from workers import app as workers_app
from workers import relay, runner
from workers.deaths import Turns

ROLES = ("notifications", "counters")
SETTINGS = GatewaySettings.model_construct(
    **{name: each.default for name, each in GatewaySettings.model_fields.items()}
).model_copy(update={"sweep_s": 3.0, "realtime_engine": "portable", "pid_key": SecretStr("0" * 64)})


@dataclass(eq=False)
class Program:
    """A program and its process of the moment; `plaza` and `gateway` are None while it starts."""

    world: World
    name: str
    start: "Start"
    schedule: Schedule
    process: Process = field(init=False)
    plaza: Plaza | None = None
    gateway: Gateway | None = None

    def begin(self) -> None:
        """Start a process, whose end starts the next one."""
        self.plaza = self.gateway = None
        self.process = process = self.world.process(self.name)
        process.dies_at, process.sleeps_at = self.schedule.fate(self.name)
        self.world.mourners[process][self._again] = None
        self.world.loop.spawn(process, self._main(), self.name)

    def _again(self) -> None:
        world = self.world
        world.loop.call_in(world.loop.world, world.chance.random(), self.begin)

    async def _main(self) -> None:
        plaza, tasks = connect(self.world), Tasks()
        with contextlib.suppress(Unavailable):  # where the store is away, the process ends
            tasks.start("server watch", watch_servers(plaza.redis, plaza.broker))
            plaza.start(tasks)
            await self.start(self, plaza, tasks)
            self.plaza = plaza
            await tasks.stop.wait()
        self.world.kill(self.process)

    @property
    def engine(self) -> MemoryEngine | None:
        """The gateway's engine, where clients can connect."""
        engine = self.gateway.transport.server.engine if self.gateway else None
        return engine if isinstance(engine, MemoryEngine) else None


Start = Callable[[Program, Plaza, Tasks], Awaitable[None]]


async def start_api(program: Program, plaza: Plaza, tasks: Tasks) -> None:
    """Start what an API process runs beside its requests."""
    await plaza.revocations.poll()


async def start_worker(program: Program, plaza: Plaza, tasks: Tasks) -> None:
    """Start a worker with the roles that follow a like, and the relay."""
    no_mail: Any = SimpleNamespace(handle=None)
    consuming, turns = workers_app.consumers(no_mail), Turns()
    tasks.keep("relay", partial(relay.run, plaza))
    for role in ROLES:
        tasks.keep(role, partial(runner.consume, plaza, consuming[role], turns))


async def start_gateway(verifier: Verifier, program: Program, plaza: Plaza, tasks: Tasks) -> None:
    """Start a gateway."""
    gateway = Gateway(SETTINGS, plaza, verifier, tasks)
    await gateway.start()
    program.gateway = gateway
