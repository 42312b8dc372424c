"""The embedded document store as a part of the cluster."""

import asyncio
from pathlib import Path

from embedded.store import Store


class Documents:
    """A store that is kept running by the supervisor, on one port."""

    name = "documents"

    def __init__(self, folder: Path, program: str) -> None:
        self._store = Store(folder, program)

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return self._store.url

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self._store.alive()

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._store.pid

    @property
    def ended(self) -> str:
        """What it said last."""
        return self._store.last_words()

    async def start(self) -> None:
        """Start it and wait until it answers; raises StartError."""
        if self.url:
            await self._store.revive()
        else:
            await self._store.start()

    async def watch(self) -> None:
        """Kill it where it refuses everything, as long as the cluster runs: it is started again then."""
        await self._store.watch()

    async def stop(self) -> None:
        """Ask it to end, and wait for that."""
        await asyncio.to_thread(self._store.stop)

    async def kill(self) -> None:
        """The same: it takes two seconds at most."""
        await self.stop()
