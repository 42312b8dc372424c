"""A relay before a store that can swallow answers: the store executes a command, and its client hears nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Relay:
    """A relay of bytes between clients and a store on this machine."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._parts = parts
        self._swallowed: bytes | None = None
        self._connections: set[asyncio.Future[object]] = set()
        self.url = ""

    def answers_to_swallow(self, command: str | None) -> None:
        """Swallow the answer to each such command from now on, and all bytes after it on its connection."""
        self._swallowed = command and command.encode() + b"\0"

    def listens(self, port: int) -> None:
        """Listen on a port, to which clients connect instead of the address that the store announces."""
        query = f"{self._parts.query}&directConnection=true".lstrip("&")
        self.url = self._parts._replace(netloc=f"{self._host}:{port}", path="/", query=query).geturl()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on a connection until either side closes it."""
        there, to_store = await asyncio.open_connection(self._host, self._port)
        muted = asyncio.Event()

        async def ask() -> None:
            while data := await reader.read(65_536):
                if self._swallowed and self._swallowed in data:
                    muted.set()
                to_store.write(data)

        async def answer() -> None:
            while data := await there.read(65_536):
                if not muted.is_set():
                    writer.write(data)

        both = [asyncio.ensure_future(ask()), asyncio.ensure_future(answer())]
        self._connections.add(task := asyncio.ensure_future(asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)))
        with suppress(asyncio.CancelledError):
            await task
        self._connections.discard(task)
        for each in both:
            each.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        for each in (writer, to_store):
            each.close()
            with suppress(OSError):
                await each.wait_closed()

    def drop(self) -> None:
        """Close every connection; clients may open new ones."""
        for each in self._connections:
            each.cancel()

    async def close(self) -> None:
        """Close every connection."""
        self.drop()
        while self._connections:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def relayed(url: str) -> AsyncIterator[Relay]:
    """Yield a relay in front of the store at this URL."""
    relay = Relay(url)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.listens(server.sockets[0].getsockname()[1])
    try:
        yield relay
    finally:
        server.close()
        await relay.close()
