"""A client on a bare connection: it sends any bytes, right or wrong, and parses the answer."""

import asyncio
import struct
from dataclasses import dataclass
from typing import Self

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_KINDS = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}


def request(
    target: str, headers: dict[str, str], method: str = "GET", version: str = "1.1", body: bytes = b""
) -> bytes:
    """Return a whole HTTP request."""
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0) -> bytes:
    """Return a websocket frame, masked with zeros."""
    size = len(payload)
    first = bytes(((0x80 if fin else 0) | reserved << 4 | opcode,))
    if size < 126:
        head = bytes((0x80 | size,))
    elif size < 65_536:
        head = b"\xfe" + struct.pack(">H", size)
    else:
        head = b"\xff" + struct.pack(">Q", size)
    return first + head + bytes(4) + payload


def closing(code: int, reason: bytes = b"") -> bytes:
    """Return a close frame."""
    return frame(CLOSE, struct.pack(">H", code) + reason)


@dataclass
class Answer:
    """An HTTP response; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Peer:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def ask(self, data: bytes) -> Answer:
        """Send a request; return the answer with the body that its length announces, none for HEAD."""
        self.send(data)
        async with asyncio.timeout(60):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            size = 0 if data.startswith(b"HEAD") else int(headers.get("content-length", "0"))
            return Answer(int(status.split()[1]), headers, await self._reader.readexactly(size))

    async def upgrade(self, target: str = "/socket.io/?EIO=4&transport=websocket") -> tuple[str, object]:
        """Open a websocket; return its first frame."""
        answer = await self.ask(request(target, HANDSHAKE))
        assert answer.status == 101
        return await self.frame()

    async def frame(self) -> tuple[str, object]:
        """Return the next frame: its kind, and its content, or code and reason; `end` when the connection has ended."""
        async with asyncio.timeout(60):
            try:
                opcode, size = await self._reader.readexactly(2)
                if size == 126:
                    size = int.from_bytes(await self._reader.readexactly(2), "big")
                elif size == 127:
                    size = int.from_bytes(await self._reader.readexactly(8), "big")
                payload = await self._reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionError):
                return ("end", None)
        if opcode & 15 == CLOSE:
            return ("close", (int.from_bytes(payload[:2], "big"), payload[2:]) if payload else None)
        return (_KINDS[opcode & 15], payload)

    async def ended(self) -> bool:
        """Return whether the other side ends the connection without another byte."""
        async with asyncio.timeout(60):
            try:
                return not await self._reader.read(1)
            except ConnectionError:
                return True
