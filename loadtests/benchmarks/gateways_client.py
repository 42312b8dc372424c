"""Many Socket.IO clients over bare sockets, controlled by lines on stdin: python gateways_client.py

`open <file of "port token" lines> <at once>` -> `opened <clients> <seconds>`
`expect <events> <limit_s>` -> `ready`, then `got <events> <seconds> <p50_ms> <p99_ms>`; an event carries its sender's
monotonic clock as `"t":<ns>`.
"""

import asyncio
import contextlib
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import uvloop

HELLO = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def text(message: bytes) -> bytes:
    """Return a client's text frame, masked with zeros."""
    size = len(message)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + b"\0\0\0\0" + message


def fail(why: str) -> NoReturn:
    """End the process: an exception in a callback would only be logged."""
    print(why, file=sys.stderr, flush=True)
    os._exit(1)


class Client(asyncio.Protocol):
    """A connection: connects, answers pings, and passes on each event."""

    def __init__(self, token: str, connected: Callable[[], None], receive: Callable[[bytes], None]) -> None:
        self._token = token
        self._connected = connected
        self._receive = receive
        self._upgraded = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's is no subclass
        self._transport.write(HELLO)

    def connection_lost(self, exc: Exception | None) -> None:
        fail("a connection was closed")

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at = 0
        if not self._upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data
                return
            self._upgraded, at = True, end + 4
        while len(data) - at >= 2:
            size, head = data[at + 1] & 127, 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            if len(data) - at < head + size:
                break
            self._message(data[at + head : at + head + size])
            at += head + size
        self._rest = data[at:]

    def _message(self, message: bytes) -> None:
        kind = message[:2]
        if kind == b"42":
            self._receive(message)
        elif kind == b"2":
            self._transport.write(text(b"3"))
        elif kind[:1] == b"0":
            self._transport.write(text(b'40{"token":"%s"}' % self._token.encode()))
        elif kind == b"40":
            self._connected()
        elif kind == b"44":
            fail(f"refused: {message.decode()}")


class Clients:
    """All clients, and the events they are waiting for."""

    def __init__(self) -> None:
        self.count = 0
        self._waits: list[float] = []
        self._expected = 0
        self._first = self._last = 0
        self._changed = asyncio.Event()

    async def open(self, lines: Sequence[str], at_once: int) -> str:
        """Connect a client for each line."""
        started = time.monotonic()
        window = asyncio.Semaphore(at_once)
        wanted, all_in = self.count + len(lines), asyncio.Event()

        def connected() -> None:
            window.release()
            self.count += 1
            if self.count == wanted:
                all_in.set()

        loop = asyncio.get_running_loop()
        for line in lines:
            try:
                await asyncio.wait_for(window.acquire(), 30)
            except TimeoutError:
                sys.exit(f"only {self.count} of {wanted} connected")
            port, token = line.split()
            await loop.create_connection(lambda token=token: Client(token, connected, self._receive), "127.0.0.1", port)
        await asyncio.wait_for(all_in.wait(), 60)
        return f"opened {len(lines)} {time.monotonic() - started:.3f}"

    async def expect(self, events: int, limit_s: float) -> str:
        """Wait for a number of events, from now on."""
        self._waits, self._expected, self._first, self._last = [], events, 0, 0
        self._changed.clear()
        print("ready", flush=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), limit_s)
        await asyncio.sleep(0.2)  # a surplus event would come now
        waits = sorted(self._waits) or [0]
        p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
        return f"got {len(self._waits)} {(self._last - self._first) / 1e9:.3f} {p50:.2f} {p99:.2f}"

    def _receive(self, message: bytes) -> None:
        at = message.find(b'"t":')
        if at < 0 or not self._expected:
            return
        self._last = time.monotonic_ns()
        sent = int(message[at + 4 : at + 24].split(b",", 1)[0].rstrip(b"}]"))
        self._first = min(self._first or sent, sent)
        self._waits.append((self._last - sent) / 1e6)
        if len(self._waits) == self._expected:
            self._changed.set()


def lines_of(name: str) -> list[str]:
    """Return the lines of a file."""
    return Path(name).read_text().splitlines()


async def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = Clients()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while command := (await lines.readline()).decode().split():
        if command[0] == "open":
            print(await clients.open(lines_of(command[1]), int(command[2])), flush=True)
        else:
            print(await clients.expect(int(command[1]), float(command[2])), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
