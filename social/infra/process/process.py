"""The start, background work and stop of every process."""

import argparse
import asyncio
import gc
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from social.infra.observe import logs, metrics
from social.infra.settings import StartError

log = logs.get("process")

PATIENCE_S = 15.0  # until a request must begin and its head be complete; nginx keeps idle connections for less
LINGER_S = 1.0  # a refused body is read and dropped for so long: its sender would see a reset instead of the answer


FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0  # work that ran for so long did not fail for the earlier reason


class Tasks:
    """Background work of a process: kept work is restarted when it fails; other work that ends stops the process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.stop = asyncio.Event()
        self.failed = False
        self.restarts = Counter[str]()
        self._refused: StartError | None = None

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run work until the process stops."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run endless work until the process stops; when it fails it is restarted after a pause that grows."""
        self.start(name, self._kept(name, work))

    async def _kept(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                await work()
                log.error("background work ended; it is restarted", task=name, in_s=pause_s)
            except Exception as error:
                log.error("background work failed; it is restarted", task=name, in_s=pause_s, exc_info=error)
            self.restarts[name] += 1
            metrics.BACKGROUND_FAILURES.labels(task=name).inc()
            if time.monotonic() - began > STEADY_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, StartError):
            self._refused = error
        else:
            log.error("background work ended", task=task.get_name(), exc_info=error)
        self.failed = True
        self.stop.set()

    async def cancel(self) -> None:
        """Cancel all background work and wait for its end."""
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=0.5)  # then again: Redis clients swallow a cancellation now and then

    def obey_signals(self) -> None:
        """Make SIGTERM and SIGINT set `stop`, also while the process waits for a server it needs."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self.stop.set)

    async def until_stopped(self) -> None:
        """Wait for SIGTERM, SIGINT or failed work; raises StartError when a server refused the first connection."""
        self.obey_signals()
        await self.stop.wait()
        log.info("stopping")
        if self._refused is not None:
            raise self._refused


async def listen(app: web.Application, host: str, port: int, **runner_options: Any) -> web.AppRunner:
    """Serve an application; raises StartError when the port is taken.

    A connection that stays silent or stops within the head of a request is closed after `PATIENCE_S`. Bodies are never
    decompressed: a small body could become arbitrarily large, even after it was refused.
    """
    bounds: dict[str, Any] = {"keepalive_timeout": PATIENCE_S, "lingering_time": LINGER_S, "auto_decompress": False}
    runner = web.AppRunner(app, access_log=None, **bounds, **runner_options)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        why = os.strerror(error.errno) if error.errno else error
        raise StartError(f"cannot listen on {host}:{port}: {why}") from None
    return runner


def run(main: Callable[[], Awaitable[bool]], prepare: Callable[[], object] | None = None) -> None:
    """Run the main function of a process on uvloop; exit with 1 and a line when it cannot start or its work failed.

    The option `--check` only runs `prepare`, which contacts no server.
    """
    only_prepare = prepare if prepare is not None and _arguments(main).check else None
    gc.freeze()  # the collector need not scan the imported modules again and again, nor at the end
    try:
        ok = uvloop.run(_call(main, only_prepare))
    except StartError as error:
        sys.exit(f"plaza: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if ok else 1)


async def _call(main: Callable[[], Awaitable[bool]], only_prepare: Callable[[], object] | None) -> bool:
    if only_prepare is None:
        return await main()
    only_prepare()
    return True


def _arguments(main: Callable[[], Awaitable[bool]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {Path(sys.argv[0]).parent.name}", description=main.__doc__)
    parser.add_argument(
        "--check",
        action="store_true",
        help="only check the settings, and the keys, folders and files that are prepared for a start; contact no server"
        " and exit with 0, or with 1 and the error of a start",
    )
    return parser.parse_args()
