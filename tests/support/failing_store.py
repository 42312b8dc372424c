"""A document store that refuses commands: a proxy of its wire in which commands can be made to fail."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import bson

OP_MSG = 2013
MORE_TO_COME = 2
WRITES = frozenset(("insert", "update", "delete", "findAndModify", "commitTransaction"))
FULL: dict[str, Any] = {"code": 14031, "codeName": "OutOfDiskSpace", "errmsg": "not enough disk space"}
NO_SPACE: dict[str, Any] = {"code": 8, "codeName": "UnknownError", "errmsg": "28: No space left on device"}
UNHEARD_OF: dict[str, Any] = {"code": 99_999, "errmsg": "something that no release has a name for"}


class FailingStore:
    """A proxy that passes everything on to a true store, but answers `error` to the commands in `failing`."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._far = at.hostname or "", at.port or 27_017
        self._query = at.query
        self.port = 0
        self.error: dict[str, Any] = FULL
        self.failing: Collection[str] = ()
        self.refused = 0
        self._ends: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Return the URL for clients: a direct connection, or they would go to the address that the store announces."""
        return f"mongodb://127.0.0.1:{self.port}/?{self._query}&directConnection=true"

    def refuse(self, error: dict[str, Any], commands: Collection[str] = WRITES) -> None:
        """Answer this error to these commands from now on; `error={}` ends it."""
        self.error, self.failing = error, commands if error else ()

    async def serve(self, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client."""
        far, far_writer = await asyncio.open_connection(*self._far)
        self._ends |= {writer, far_writer}
        back = asyncio.create_task(_copy(far, writer))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await near.readexactly(16)
                length, request_id, _, opcode = struct.unpack("<iiii", head)
                body = await near.readexactly(length - 16)
                if opcode == OP_MSG and self._fails(body):
                    self.refused += 1
                    writer.write(_answer(request_id, {"ok": 0.0, **self.error}))
                else:
                    far_writer.write(head + body)
                    await far_writer.drain()
        back.cancel()
        for each in (writer, far_writer):
            self._ends.discard(each)
            each.close()

    def _fails(self, body: bytes) -> bool:
        if not self.failing or body[4] != 0:
            return False
        (size,) = struct.unpack_from("<i", body, 5)
        return next(iter(bson.decode(body[5 : 5 + size]))) in self.failing

    def close(self) -> None:
        """End every connection."""
        for each in self._ends:
            each.transport.abort()


def _answer(request_id: int, document: dict[str, Any]) -> bytes:
    body = struct.pack("<I", 0) + b"\0" + bson.encode(document)
    return struct.pack("<iiii", 16 + len(body), 0, request_id, OP_MSG) + body


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def failing_store(url: str) -> AsyncIterator[FailingStore]:
    """Yield a proxy of this store in which commands can be made to fail."""
    store = FailingStore(url)
    listener = await asyncio.start_server(store.serve, "127.0.0.1", 0)
    store.port = listener.sockets[0].getsockname()[1]
    try:
        yield store
    finally:
        store.close()
        listener.close()
