"""The client of both systems: HTTP/1.1 and Engine.IO by hand, so that the server's time is measured, not the client's.

Connections are kept alive and carry one request at a time. Nothing is parsed but a status, a length and frames.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

ANSWER_WITHIN_S = 20.0
MOST_CONNECTIONS = 512
REFUSED = (429, 503)  # statuses with a time to come back


class Answer(NamedTuple):
    """A status and a body; status 0: the connection ended, or the server did not answer for long."""

    status: int
    body: bytes
    retry_after_s: float = 0.0

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body) if self.body else None


GONE = Answer(0, b"")


class Connection(asyncio.Protocol):
    """A connection with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._received = b""
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._done(GONE)

    async def ask(self, request: bytes) -> Answer:
        """Send a request and wait for its answer."""
        assert self._transport is not None
        if not self.open:
            return GONE
        loop = asyncio.get_running_loop()
        self._answer = answer = loop.create_future()
        self._transport.write(request)
        timer = loop.call_later(ANSWER_WITHIN_S, self.close)
        try:
            return await answer
        finally:
            timer.cancel()

    def close(self) -> None:
        """Close the connection; a request under way is answered by GONE."""
        self.open = False
        if self._transport is not None:
            self._transport.close()
        self._done(GONE)

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        head_ends = received.find(b"\r\n\r\n")
        if head_ends < 0:
            return
        status = int(received[9:12])
        at = received.find(b"ontent-Length: ", 0, head_ends)
        length = int(received[at + 15 : received.find(b"\r\n", at)]) if at > 0 else 0
        if at < 0 and status not in (204, 304) and self._answer is not None:
            self._answer.set_exception(ValueError(f"an answer without a length: {received[:head_ends]!r}"))
            return
        if len(received) < head_ends + 4 + length:
            return
        self._received = b""
        later = received.find(b"etry-After: ", 0, head_ends) if status in REFUSED else -1
        after_s = float(received[later + 12 : received.find(b"\r\n", later)]) if later > 0 else 0.0
        self._done(Answer(status, received[head_ends + 4 : head_ends + 4 + length], after_s))

    def _done(self, answer: Answer) -> None:
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


class Http:
    """Requests to a server, over as many connections as are needed at once."""

    def __init__(self, url: str, most: int = MOST_CONNECTIONS) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._idle: list[Connection] = []
        self._gate = asyncio.Semaphore(most)

    async def ask(self, method: str, path: str, token: str | None = None, body: Any = None) -> Answer:
        """Send a request on the connection that was used last."""
        return await self.send(request(method, path, token, body))

    async def send(self, encoded: bytes) -> Answer:
        """Send an encoded request on the connection that was used last."""
        async with self._gate:
            try:
                connection = self._taken() or await self._new()
            except OSError:
                return GONE
            answer = await connection.ask(encoded)
            if connection.open:
                self._idle.append(connection)
            return answer

    async def close(self) -> None:
        """Close all idle connections."""
        for each in self._idle:
            each.close()
        self._idle.clear()

    def _taken(self) -> Connection | None:
        while self._idle:
            if (connection := self._idle.pop()).open:
                return connection
        return None

    async def _new(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, self._host, self._port)
        return connection


def request(method: str, path: str, token: str | None = None, body: Any = None) -> bytes:
    """Return the bytes of a request."""
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token:
        head.append(f"Authorization: Bearer {token}")
    encoded = b"" if body is None else json.dumps(body).encode()
    if body is not None:
        head.append("Content-Type: application/json")
    if body is not None or method != "GET":
        head.append(f"Content-Length: {len(encoded)}")
    return "\r\n".join([*head, "", ""]).encode() + encoded


Receive = Callable[[bytes, float], None]  # a Socket.IO event as JSON, and when it came


class Socket(asyncio.Protocol):
    """A Socket.IO client on a websocket: connects, answers pings, and passes on events undecoded."""

    def __init__(self, token: str, receive: Receive) -> None:
        self._connect = b"40" + json.dumps({"token": token}).encode()
        self._receive = receive
        self._received = b""
        self._upgraded = False
        self._transport: asyncio.Transport | None = None
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def opened(cls, url: str, token: str, receive: Receive) -> "Socket":
        """Return a socket that is connected; raises ConnectionError."""
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(token, receive), parts.hostname, parts.port)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await made.connected
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        head = ["GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket"]
        head += ["Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        self._transport.write("\r\n".join([*head, "", ""]).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        lost = ConnectionError("the socket was closed")
        for waiting in (self.connected, *self._acks.values()):
            if not waiting.done():
                waiting.set_exception(lost)

    async def call(self, event: str, message: Any) -> Any:
        """Send a message and return its ack."""
        number = len(self._acks) + 1
        self._acks[number] = asyncio.get_running_loop().create_future()
        self._say(b"42%d" % number + json.dumps([event, message]).encode())
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await self._acks[number]

    def close(self) -> None:
        """Close the socket."""
        with suppress(RuntimeError):
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        at = time.perf_counter()
        received = self._received + data if self._received else data
        if not self._upgraded:
            head_ends = received.find(b"\r\n\r\n")
            if head_ends < 0:
                self._received = received
                return
            assert received.startswith(b"HTTP/1.1 101"), received[:head_ends]
            self._upgraded = True
            received = received[head_ends + 4 :]
        start = 0
        while (frame := _frame(received, start)) is not None:
            start, payload = frame
            self._read(payload, at)
        self._received = received[start:]

    def _read(self, payload: bytes, at: float) -> None:
        kind = payload[:2]
        if kind == b"42":
            self._receive(payload[2:], at)
        elif kind == b"2":
            self._say(b"3")
        elif kind[:1] == b"0":
            self._say(self._connect)
        elif kind == b"40":
            self.connected.set_result(None)
        elif kind == b"43":
            number, _, body = payload[2:].partition(b"[")
            self._acks[int(number)].set_result(json.loads(b"[" + body)[0])
        elif kind == b"44":
            self.connected.set_exception(ConnectionError(payload[2:].decode()))

    def _say(self, text: bytes) -> None:
        """Send a text frame masked with zeros."""
        length = len(text)
        head = bytes([0x81, 0x80 | length]) if length < 126 else b"\x81\xfe" + length.to_bytes(2, "big")
        assert self._transport is not None
        self._transport.write(head + b"\0\0\0\0" + text)


def _frame(received: bytes, start: int) -> tuple[int, bytes] | None:
    """Return where the next frame of a server ends, and its payload; None where the frame is not whole yet."""
    if len(received) < start + 2:
        return None
    length, head = received[start + 1] & 127, 2
    if length == 126:
        length, head = int.from_bytes(received[start + 2 : start + 4], "big"), 4
    elif length == 127:
        length, head = int.from_bytes(received[start + 2 : start + 10], "big"), 10
    if len(received) < start + head + length:
        return None
    return start + head + length, received[start + head : start + head + length]
