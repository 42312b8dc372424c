"""The embedded document store as a part of the cluster."""

import asyncio
from pathlib import Path

from embedded.store import Store


class Documents:
    """An embedded store on a fixed port, which the supervisor keeps running."""

    name = "documents"

    def __init__(self, folder: Path, program: str) -> None:
        self._store = Store(folder, program)

    @property
    def url(self) -> str:
        """The URL that clients connect to."""
        return self._store.url

    @property
    def running(self) -> bool:
        """Whether the store's process is alive."""
        return self._store.alive()

    @property
    def pid(self) -> int | None:
        """The id of the store's process."""
        return self._store.pid

    @property
    def ended(self) -> str:
        """The last line of the store's log."""
        return self._store.last_words()

    async def start(self) -> None:
        """Start the store and wait until it answers; raises StartError."""
        if self.url:
            await self._store.revive()
        else:
            await self._store.start()

    async def watch(self) -> None:
        """Kill the store whenever it refuses everything, so that the supervisor starts it again."""
        await self._store.watch()

    async def stop(self) -> None:
        """Terminate the store and wait for its end."""
        await asyncio.to_thread(self._store.stop)

    async def kill(self) -> None:
        """Stop the store, which is killed if it has not ended after two seconds."""
        await self.stop()
