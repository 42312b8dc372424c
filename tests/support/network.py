"""A network that can be lost: a tunnel of TCP between one client and whichever server it is led to."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager


class Passage:
    """A connection through the tunnel: bytes pass from one end to the other, while the way is clear."""

    def __init__(self, clear: asyncio.Event, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._clear = clear
        self._ends = {"near": near, "far": far}

    async def carry(self, reader: asyncio.StreamReader, to: str) -> None:
        """Carry bytes until an end is closed."""
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._clear.wait()
                self._ends[to].write(data)
                await self._ends[to].drain()
        await self._clear.wait()
        self._ends[to].close()

    def reset(self, *ends: str) -> None:
        """Send RST to these ends; bytes on their way are lost."""
        for end in ends:
            writer = self._ends[end]
            sock = writer.get_extra_info("socket")
            if sock is not None and not writer.transport.is_closing():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Tunnel:
    """A client's way to one of several servers."""

    def __init__(self, servers: Sequence[int], luck: random.Random) -> None:
        self.port = 0
        self.outages = 0
        self._servers = servers
        self._server = luck.choice(servers)
        self._luck = luck
        self._clear = asyncio.Event()
        self._clear.set()
        self._refusing = False
        self._passages: dict[Passage, asyncio.Task[None]] = {}

    async def lose(self, for_s: float) -> None:
        """Take the network away for some seconds: noticed at once, unnoticed, or only slow."""
        self.outages += 1
        kind = self._luck.choice(["reset", "silence", "half-open", "pause"])
        if kind != "reset":
            self._clear.clear()
            await asyncio.sleep(for_s)
        if kind == "pause":
            self._clear.set()
            return
        lost, self._passages = self._passages, {}
        self._server = self._luck.choice(self._servers)
        if kind == "reset":
            self._refusing = True
        for passage in lost:
            passage.reset("near", *(["far"] if kind != "half-open" else []))
        for each in lost.values():
            each.cancel()
        if kind == "reset":
            await asyncio.sleep(for_s)
            self._refusing = False
        self._clear.set()
        if kind == "half-open":  # the server learns of the loss later than that the client is back
            await asyncio.sleep(1)
            for passage in lost:
                passage.reset("far")

    async def serve(self, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client."""
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far, far_writer = await asyncio.open_connection("127.0.0.1", self._server)
        except OSError:
            writer.transport.abort()
            return
        passage = Passage(self._clear, writer, far_writer)
        carrying = asyncio.gather(passage.carry(near, "far"), passage.carry(far, "near"))
        task = self._passages[passage] = asyncio.ensure_future(_quietly(carrying))
        await asyncio.wait([task])
        self._passages.pop(passage, None)

    def close(self) -> None:
        """End every connection."""
        for passage, task in self._passages.items():
            task.cancel()
            passage.reset("near", "far")


async def _quietly(work: asyncio.Future[list[None]]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await work


@asynccontextmanager
async def tunnel(servers: Sequence[int], luck: random.Random) -> AsyncIterator[Tunnel]:
    """Yield a tunnel to these ports of this machine; the port changes with each loss."""
    opened = Tunnel(servers, luck)
    listener = await asyncio.start_server(opened.serve, "127.0.0.1", 0)
    opened.port = listener.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        listener.close()
        opened.close()
        await asyncio.sleep(0)
