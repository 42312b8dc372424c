"""The parts that all processes' `main` functions share: settings and logs, servers, and the order of the stop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from social.infra.observe import logs, tracing
from social.infra.process.plaza import Plaza
from social.infra.process.process import Tasks
from social.infra.process.watching import watch_servers
from social.infra.settings import Connections, ObserveSettings, load
from social.infra.spellings import former_names

log = logs.get("settings")

S = TypeVar("S", bound=ObserveSettings)


def configured(kind: type[S], process: str) -> S:
    """Load the settings of a process and set up its logs and traces by them; raises StartError."""
    settings = load(kind, process)
    logs.configure(process, settings)
    for was, is_now in former_names(kind, f"{process}/.env").items():
        log.warning("a setting has another name now; the former goes with the next minor release", was=was, now=is_now)
    tracing.configure(process, settings)
    return settings


@asynccontextmanager
async def connected(settings: Connections) -> AsyncIterator[Plaza]:
    """Provide the system over real servers; at the end close their connections and send the last spans."""
    plaza = Plaza.connect(settings)
    try:
        yield plaza
    finally:
        await plaza.close()
        tracing.close()


@asynccontextmanager
async def running(plaza: Plaza, tasks: Tasks) -> AsyncIterator[None]:
    """Obey signals and watch Redis and the broker; at the end publish waiting events and cancel background work."""
    tasks.obey_signals()
    try:
        tasks.start("server watch", watch_servers(plaza.redis, plaza.broker))
        yield
    finally:
        await plaza.publisher.flush(1.0)  # while the publisher's task still runs
        await tasks.cancel()
