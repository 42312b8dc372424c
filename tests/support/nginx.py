"""Debian's nginx before the servers of a test, and servers that record the requests that reached them."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from api.settings import SERVICES
from devtools.cluster.server import Server
from devtools.generate import nginx
from devtools.generate.nginx import Topology
from social.contracts.codec import decode, encode
from support.eventually import LONG_S


class Nginx(Server):
    """nginx as `devtools.generate.nginx` prepares it; `adapt` changes its files before it reads them."""

    name = "nginx"

    def __init__(self, folder: Path, topology: Topology, adapt: Callable[[Path], None] = lambda conf: None) -> None:
        super().__init__(folder)
        self._topology = topology
        self._adapt = adapt

    @classmethod
    def missing(cls) -> str | None:
        return None if nginx.program() else "nginx is not installed"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def launch(self, ports: Sequence[int]) -> None:
        self._topology = replace(self._topology, listen=[f"127.0.0.1:{ports[0]}"])
        self._process = self.spawn(self._prepare())
        await self.answering(self._process, ports[0], b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 404")

    async def reload(self, topology: Topology | None = None) -> None:
        """Reload the files, and wait until new connections are served by them."""
        if topology is not None:
            self._topology = replace(topology, listen=self._topology.listen)
        self._prepare()
        before = self.workers()
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(60):
            while not (now := self.workers()) or now & before:
                await asyncio.sleep(0.01)

    def workers(self) -> set[int]:
        """Return the processes that serve; processes that only finish old connections are not among them."""
        assert self._process is not None
        found = set()
        for child in psutil.Process(self._process.pid).children():
            with contextlib.suppress(psutil.Error):
                if "shutting down" not in " ".join(child.cmdline()):
                    found.add(child.pid)
        return found

    def requests(self) -> list[dict[str, Any]]:
        """Return the access log."""
        return [decode(line) for line in (self.folder / "access.log").read_bytes().splitlines()]

    def _prepare(self) -> list[str]:
        command = nginx.prepare(self.folder, self._topology)
        self._adapt(self.folder / "conf")
        return command


@dataclass(frozen=True)
class Received:
    """A request as it arrived behind nginx."""

    by: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Listener:
    """A server that keeps every byte it gets, and answers its name, or some text; or hangs up after a request."""

    name: str
    hangs_up: bool = False
    answer: str | None = None
    port: int = 0
    host: str = "127.0.0.1"
    heard: list[Received] = field(default_factory=list)
    got: bytearray = field(default_factory=bytearray)
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    @property
    def server(self) -> str:
        return f"{self.host}:{self.port}"

    async def listen(self, stack: contextlib.AsyncExitStack) -> None:
        """Take connections until the stack ends."""
        server = await asyncio.start_server(self._accept, self.host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        stack.push_async_callback(self._close, server)

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        for writer in self._open.values():
            writer.close()
        await asyncio.gather(*self._open)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[asyncio.create_task(self._serve(reader, writer))] = writer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                heard = await self._read(reader)
                self.heard.append(heard)
                if self.hangs_up:
                    break
                body = encode({"by": self.name}) if self.answer is None else self.answer.encode()
                kind = "application/json" if self.answer is None else "text/plain; charset=UTF-8"
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> Received:
        head = await reader.readuntil(b"\r\n\r\n")
        self.got += head
        first, *lines = head.decode().split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        heard = Received(self.name, method, target, headers, b"")
        if heard.header("Transfer-Encoding"):
            body = await self._chunks(reader)
        else:
            body = await reader.readexactly(int("".join(heard.header("Content-Length")) or 0))
            self.got += body
        return replace(heard, body=body)

    async def _chunks(self, reader: asyncio.StreamReader) -> bytes:
        body = b""
        while True:
            size = await reader.readuntil(b"\r\n")
            chunk = await reader.readexactly(int(size, 16) + 2)
            self.got += size + chunk
            if chunk == b"\r\n":
                return body
            body += chunk[:-2]


@asynccontextmanager
async def listening(*listeners: Listener) -> AsyncIterator[None]:
    """Let servers listen in the block, each on a port of its own."""
    async with contextlib.AsyncExitStack() as stack:
        for listener in listeners:
            await listener.listen(stack)
        yield


def before(api: Sequence[str] | dict[str, list[str]], nodes: dict[str, str], **more: Any) -> Topology:
    """Return a topology on this machine without request limits; `api`: all of its servers, or each service's."""
    services = api if isinstance(api, dict) else {service: list(api) for service in SERVICES}
    return Topology(**{"services": services, "nodes": nodes, "unlimited": ["127.0.0.0/8"], **more})


async def raw(port: int, *parts: bytes, pause_s: float = 0.0, quiet_s: float = 0.5, answered: bool = True) -> bytes:
    """Return all bytes that answer these bytes until the other side closes, or is silent for `quiet_s`.

    The first of them may take as long as it takes, unless `answered` is false: then there may be none.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        wait_s = LONG_S if answered else quiet_s
        while data := await asyncio.wait_for(reader.read(65_536), wait_s):
            answer, wait_s = answer + data, quiet_s
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return answer
