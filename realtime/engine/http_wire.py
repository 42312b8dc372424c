"""A websocket of the portable engine, on aiohttp, written to directly; published messages wait in shared batches."""

import asyncio

from aiohttp import web

from realtime.engine.protocol import Engine
from realtime.engine.session import Wire

LINGER_S = 1.0  # for a client that is refused while it still sends: a reset would take the answer from it
_PONG = b"\x8a"
_NORMAL, _PROTOCOL_ERROR = 1000, 1002
_ABNORMAL, _HIGHEST_CODE = 1006, 4999  # aiohttp lets the first of them and those above the second pass


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Return a whole close frame, empty without a code."""
    content = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
    return b"\x88" + bytes((len(content),)) + content


def frame(payload: bytes, binary: bool) -> bytes:
    """Return a whole unmasked websocket message."""
    first = b"\x82" if binary else b"\x81"
    size = len(payload)
    if size < 126:
        return first + bytes((size,)) + payload
    if size < 65_536:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload


class Batch:
    """Framed messages that wait to be written together, shared by all websockets that wait for exactly these."""

    __slots__ = ("messages", "whole")

    def __init__(self, before: "Batch | None", message: bytes) -> None:
        self.messages: list[bytes] = [message] if before is None else [*before.messages, message]
        self.whole = message if before is None else b""

    def joined(self) -> bytes:
        """Return all messages in one piece."""
        if not self.whole:
            self.whole = b"".join(self.messages)
        return self.whole


class PortableWire(Wire):
    """A websocket on aiohttp; it is written to directly, so that a send is synchronous and a publish encodes once."""

    __slots__ = ("_engine", "_subscribers", "_transport", "slow", "topics", "waiting")

    def __init__(self, engine: Engine, transport: asyncio.Transport, subscribers: "Subscribers") -> None:
        super().__init__()
        self._engine = engine
        self._subscribers = subscribers  # the engine's
        self._transport: asyncio.Transport | None = transport
        self.topics: set[bytes] = set()
        self.waiting: Batch | None = None  # published and not written yet
        self.slow = False

    def send(self, frame_: bytes, binary: bool) -> bool:
        message = frame(frame_, binary)
        if self.waiting is None:
            return self.write(message)
        self.waiting = Batch(self.waiting, message)  # behind what was published before
        return self.flush()

    def flush(self) -> bool:
        """Write what was published; return False when the client is too slow for it, or has left."""
        batch, self.waiting = self.waiting, None
        if batch is None:
            return True
        whole = batch.joined()
        if len(batch.messages) == 1 or self.buffered() + len(whole) <= self._engine.options.max_buffered_bytes:
            return self.write(whole)
        return all(self.write(message) for message in batch.messages)  # each within the limit

    def write(self, message: bytes) -> bool:
        """Write framed messages, and return True, unless the client is too slow for them."""
        transport = self._transport
        if transport is None or transport.is_closing() or self.slow:
            return False
        if transport.get_write_buffer_size() > self._engine.options.max_buffered_bytes:
            self.slow = True
            transport.abort()  # its handler task reports the end to the core
            return False
        transport.write(message)
        return True

    def subscribe(self, topic: bytes) -> None:
        self.topics.add(topic)
        self._subscribers.setdefault(topic, {})[self] = None

    def unsubscribe(self, topic: bytes) -> None:
        self.topics.discard(topic)
        members = self._subscribers.get(topic)
        if members is not None:
            members.pop(self, None)
            if not members:
                del self._subscribers[topic]

    def close(self, code: int = _NORMAL) -> None:
        self.flush()
        transport = self.detach()
        if transport is not None and not transport.is_closing():  # uvloop raises for what a lost connection is given
            transport.write(close_frame(code))
            transport.close()
            if transport.get_write_buffer_size():  # a client that does not read would keep it for ever
                self._engine.after(self._engine.options.linger_s, _abort, transport)

    def answer_close(self, code: int, reason: str) -> str | None:
        """Send back a client's close frame, whose code is 0 where it has none; return its error, if it has one."""
        self.flush()
        if code == _ABNORMAL or code > _HIGHEST_CODE:
            self.write(close_frame(_PROTOCOL_ERROR))
            return f"{code} is no close code"
        self.write(close_frame(code or None, reason))
        return None

    def answer_ping(self, payload: bytes) -> None:
        """Answer a ping of the websocket protocol with its payload, at most 125 bytes."""
        if self.flush():
            self.write(_PONG + bytes((len(payload),)) + payload)

    def abort(self) -> None:
        transport = self.detach()
        if transport is not None:
            transport.abort()

    def buffered(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def detach(self) -> asyncio.Transport | None:
        """Leave every topic and the connection, and return the connection."""
        for topic in list(self.topics):
            self.unsubscribe(topic)
        transport, self._transport = self._transport, None
        self.waiting = None
        return transport


Subscribers = dict[bytes, dict[PortableWire, None]]  # the websockets of each topic


class PatientWebSocket(web.WebSocketResponse):
    """A websocket of aiohttp whose connection is closed by the engine.

    After a break of the protocol aiohttp would close it at once, and the reset, because of unread bytes, could take the
    close frame from the client.
    """

    def _close_transport(self) -> None:
        """Leave the connection to the engine."""


async def linger(transport: asyncio.Transport) -> None:
    """Let what was written arrive, at a client that may still be sending."""
    if not transport.is_closing():
        transport.pause_reading()
        transport.write_eof()
        await asyncio.sleep(LINGER_S)


def _abort(transport: asyncio.Transport) -> None:
    transport.abort()
