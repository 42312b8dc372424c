"""A TCP proxy between processes and a server, which can be slow, lossy, deaf, mute, reset and slow to close."""

import asyncio
import random
import socket
import struct
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import psutil

BUFFER = 65_536
RETRANSMITS_S = 0.2  # TCP's shortest wait before it sends a lost packet again
COMMIT = b"commitTransaction\0"

Direction = Literal["up", "down"]  # to the server, to the process


class Weather(NamedTuple):
    """Delays, losses and silences that bytes of a connection meet."""

    delay_s: float = 0.0
    lost: float = 0.0  # share of the chunks whose first packet is lost, and comes after a wait that doubles
    silent: tuple[Direction, ...] = ()  # bytes of these directions wait until the weather changes
    hides_commits: bool = False  # the server commits, and its answer never comes


CLEAR = Weather()
Who = Callable[[int], bool]  # whether a connection from this port is meant


class Passage:
    """A connection from a process to the server."""

    def __init__(self, link: "Link", near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.port = int(near.get_extra_info("peername")[1])
        self._link = link
        self._ends = {"down": near, "up": far}
        self._muted = asyncio.Event()

    async def carry(self, reader: asyncio.StreamReader, direction: Direction) -> None:
        """Carry bytes until an end is closed."""
        with suppress(OSError):
            while data := await reader.read(BUFFER):
                if direction == "up" and COMMIT in data and self._weather().hides_commits:
                    self._muted.set()
                await self._wait(direction)
                if direction == "down" and self._muted.is_set():
                    break
                self._ends[direction].write(data)
                await self._ends[direction].drain()
        await self._link.clear_for(self.port, direction)
        self.end()

    async def _wait(self, direction: Direction) -> None:
        await self._link.clear_for(self.port, direction)
        weather = self._weather()
        wait_s, again_s = weather.delay_s, RETRANSMITS_S
        while self._link.chance.random() < weather.lost:
            wait_s, again_s = wait_s + again_s, again_s * 2
        if wait_s:
            await asyncio.sleep(wait_s)

    def _weather(self) -> Weather:
        return self._link.weather_for(self.port)

    def end(self, *, reset: bool = False) -> None:
        """Close both ends; with `reset` bytes on their way are lost."""
        for writer in self._ends.values():
            sock = writer.get_extra_info("socket")
            if reset and sock is not None and not writer.transport.is_closing():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            writer.close()

    async def close_slowly(self, after_s: float) -> None:
        """Close the server's end at once, and that of the process a while later."""
        self._ends["up"].close()
        await asyncio.sleep(after_s)
        self.end()


class Link:
    """The way of all processes to one server; the weather may be that of one process alone."""

    def __init__(self, server_port: int, seed: int = 0) -> None:
        self.port = 0
        self.chance = random.Random(seed)
        self._server_port = server_port
        self._listener: asyncio.Server | None = None
        self._passages: dict[Passage, asyncio.Task[None]] = {}
        self._weather, self._who = CLEAR, _everybody
        self._changed = asyncio.Event()

    async def open(self) -> None:
        """Listen on a port of 127.0.0.1."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End every connection."""
        self.change(CLEAR)
        if self._listener is not None:
            self._listener.close()
        for passage, task in self._passages.items():
            passage.end(reset=True)
            task.cancel()
        await asyncio.gather(*self._passages.values(), return_exceptions=True)

    def change(self, weather: Weather, who: Who | None = None) -> None:
        """Change the weather, of the connections that are meant alone; CLEAR lets all bytes pass that waited."""
        self._weather, self._who = weather, who or _everybody
        self._changed.set()
        self._changed = asyncio.Event()

    def reset(self, who: Who | None = None) -> None:
        """Send RST to both ends of the connections that are meant."""
        for passage in self._meant(who):
            passage.end(reset=True)

    async def close_slowly(self, after_s: float, who: Who | None = None) -> None:
        """Close connections at the server, and a while later at the processes."""
        await asyncio.gather(*(each.close_slowly(after_s) for each in self._meant(who)))

    def weather_for(self, port: int) -> Weather:
        """Return the weather of a connection from a port."""
        return self._weather if self._weather is not CLEAR and self._who(port) else CLEAR

    async def clear_for(self, port: int, direction: Direction) -> None:
        """Wait until bytes may pass."""
        while direction in self.weather_for(port).silent:
            await self._changed.wait()

    def _meant(self, who: Who | None) -> list[Passage]:
        return [each for each in self._passages if (who or _everybody)(each.port)]

    async def _serve(self, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far, far_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        passage = Passage(self, writer, far_writer)
        task = asyncio.ensure_future(_both(passage.carry(near, "up"), passage.carry(far, "down")))
        self._passages[passage] = task
        try:
            await asyncio.wait([task])
        finally:
            passage.end()
            del self._passages[passage]


async def _both(*work: Coroutine[Any, Any, None]) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*work)


def _everybody(_: int) -> bool:
    return True


def of_process(pid: int) -> Who:
    """Return whether a connection comes from a process of this session; its new connections are looked up."""
    known: dict[int, bool] = {}

    def who(port: int) -> bool:
        if port not in known:
            known[port] = port in _ports(pid)
        return known[port]

    return who


def _ports(pid: int) -> set[int]:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        some = [process, *process.children(recursive=True)]
        return {each.laddr.port for one in some for each in one.net_connections("tcp") if each.laddr}
    return set()
