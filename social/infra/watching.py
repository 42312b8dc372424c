"""What a process looks at while it runs, for its metrics: the servers it needs, and its own loop."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from social.infra import logs, metrics

log = logs.get("watching")

Ping = Callable[[], Awaitable[Any]]

EVERY_S = 5.0
DEADLINE_S = 2.0
LAG_EVERY_S = 1.0


async def watch_servers(pings: Mapping[str, Ping]) -> None:
    """Ask every server again and again whether it is there; a change is told once."""
    known: dict[str, str] = {}
    while True:
        for name, error in zip(pings, await asyncio.gather(*map(_away, pings.values())), strict=True):
            metrics.SERVER_UP.labels(server=name).set(not error)
            if error and not known.get(name):
                log.warning("server away", server=name, error=error)
            elif known.get(name) and not error:
                log.info("server back", server=name)
            known[name] = error
        await asyncio.sleep(EVERY_S)


async def _away(ping: Ping) -> str:
    try:
        async with asyncio.timeout(DEADLINE_S):
            await ping()
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


async def watch_loop() -> None:
    """Measure each second by how much the loop is late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        metrics.LOOP_LAG_S.observe(max(0.0, loop.time() - due))
