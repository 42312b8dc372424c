"""A real server on each engine, and clients that speak the protocols by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
import pytest
import uvloop
from support.eventually import LONG_S

from realtime.engine import Engine, Options, Work, choose
from realtime.socketio.server import Server

INTERVAL_S, TIMEOUT_S = 0.3, 0.2


def pytest_asyncio_loop_factories(item: pytest.Function) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests on production's event loop, unless their module names other loops."""
    return getattr(item.module, "LOOPS", {"uvloop": uvloop.new_event_loop})


@pytest.fixture(params=["native", "portable"])
def engine_class(request: pytest.FixtureRequest) -> type[Engine]:
    """Run each test of the protocols on both engines."""
    chosen = choose(request.param)
    if chosen.name != request.param:
        pytest.skip("the native library does not load here")
    return chosen


@dataclass
class Echo:
    """A handler that sends every message back."""

    engine: Engine | None = None
    opened_with: dict[str, dict[str, str]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    got: list[str | bytes] = field(default_factory=list)

    def opened(self, sid: str, environ: dict[str, str]) -> None:
        self.opened_with[sid] = environ

    def received(self, sid: str, data: str | bytes) -> Work | None:
        self.got.append(data)
        assert self.engine is not None
        if isinstance(data, bytes):
            self.engine.send(sid, data, True)
        else:
            self.engine.send(sid, b"4" + data.encode())
        return None

    def closed(self, sid: str, reason: str) -> None:
        self.ended[sid] = reason

    async def holds(self, sid: str, request: Literal["poll", "post"] = "poll") -> None:
        """Wait until the server holds a request of a polling session."""
        assert self.engine is not None
        async with asyncio.timeout(LONG_S):
            while getattr(self.engine.sessions[sid].polling, request) is None:
                await asyncio.sleep(0.002)


@dataclass
class Polled:
    """An answer of the polling transport."""

    status: int
    text: str
    headers: Any


@dataclass
class Client:
    """Talks to one server over plain HTTP and plain websockets."""

    port: int
    http: aiohttp.ClientSession
    path: str = "/socket.io/"

    def url(self, scheme: str = "http", **query: str) -> str:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return f"{scheme}://127.0.0.1:{self.port}{self.path}?{asked}"

    async def request(
        self, method: str, *, headers: dict[str, str] | None = None, data: Any = None, **query: str
    ) -> Polled:
        async with self.http.request(method, self.url(**query), headers=headers, data=data) as answer:
            return Polled(answer.status, await answer.text(), answer.headers)

    async def handshake(self, headers: dict[str, str] | None = None) -> str:
        """Open a polling session, and return its sid."""
        answer = await self.request("GET", EIO="4", transport="polling", headers=headers)
        assert answer.status == 200
        return str(json.loads(answer.text[1:])["sid"])

    async def poll(self, sid: str) -> Polled:
        return await self.request("GET", EIO="4", transport="polling", sid=sid)

    async def post(self, sid: str, data: Any, content_type: str = "text/plain;charset=UTF-8") -> Polled:
        headers = {"Content-Type": content_type}
        return await self.request("POST", EIO="4", transport="polling", sid=sid, data=data, headers=headers)

    async def websocket(self, **query: str) -> aiohttp.ClientWebSocketResponse:
        return await self.http.ws_connect(
            self.url(**{"EIO": "4", "transport": "websocket", **query}), autoclose=True, max_msg_size=0
        )

    async def open(self) -> tuple[aiohttp.ClientWebSocketResponse, str]:
        """Open a websocket session, and return it with its sid."""
        ws = await self.websocket()
        return ws, str(json.loads((await self.text(ws))[1:])["sid"])

    async def connect(self, packet: str = "40") -> tuple[aiohttp.ClientWebSocketResponse, Any]:
        """Open a websocket, send Socket.IO's CONNECT, and return the websocket and the answer's data."""
        ws, _ = await self.open()
        await ws.send_str(packet)
        answer = await self.text(ws)
        assert answer.startswith("40"), answer
        return ws, json.loads(answer[answer.index("{") :])

    @staticmethod
    async def text(ws: aiohttp.ClientWebSocketResponse, timeout_s: float = LONG_S) -> str:
        """Return the next text message that is not a ping."""
        while True:
            message = await ws.receive(timeout_s)
            assert message.type is aiohttp.WSMsgType.TEXT, message
            if message.data != "2":
                return str(message.data)

    @staticmethod
    async def closed(ws: aiohttp.ClientWebSocketResponse, timeout_s: float = LONG_S) -> bool:
        """Wait until the server has ended the websocket, and return True."""
        async with asyncio.timeout(timeout_s):
            while True:
                message = await ws.receive()
                if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    await ws.close()
                    return True

    @staticmethod
    async def until(condition: Callable[[], object], timeout_s: float = LONG_S) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.005)


Starter = Callable[..., Awaitable[Client]]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture
async def start(engine_class: type[Engine], http: aiohttp.ClientSession) -> AsyncIterator[Starter]:
    """Start an engine with options and a handler, and return a client of it."""
    started: list[Engine] = []

    async def start_one(handler: Any, engine: Engine | None = None, **options: Any) -> Client:
        engine = engine or engine_class(Options(**{"settle_timeout_s": None, **options}), handler)
        if isinstance(handler, Echo):
            handler.engine = engine
        port = await engine.start("127.0.0.1", 0)
        started.append(engine)
        return Client(port, http)

    yield start_one
    for engine in started:
        await engine.stop()


@pytest.fixture
def quick() -> dict[str, float]:
    """Options with a heartbeat that a test can wait for."""
    return {"ping_interval_s": INTERVAL_S, "ping_timeout_s": TIMEOUT_S}


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def server(engine_class: type[Engine]) -> Callable[..., Server]:
    """Make a Socket.IO server on the engine under test."""

    def make(options: dict[str, Any] | None = None, **arguments: Any) -> Server:
        return Server(engine_class(Options(**(options or {}))), **arguments)

    return make
