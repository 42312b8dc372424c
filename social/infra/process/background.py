"""Short tasks that an answer does not wait for and that may be skipped: bounded, and finished at the stop."""

import asyncio
from collections.abc import Awaitable, Callable

from social.infra.observe import logs

log = logs.get("background")

MOST_AT_ONCE = 100


class BestEffortTasks:
    """Short tasks of a process; while 100 of them run, further ones are skipped."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Start a task; return False where it is skipped."""
        if len(self._tasks) >= MOST_AT_ONCE:
            return False
        task = asyncio.create_task(self._run(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _run(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:
            log.warning("background task failed", work=name, error=repr(error))

    async def finish(self, timeout_s: float) -> None:
        """Wait for the tasks that run."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
