"""A server under test, controlled by lines on stdin: python fanout_server.py <stack>."""

import asyncio
import gc
import hashlib
import hmac
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import uvloop

KEY = b"benchmark"
FILLING = "x" * 64


class Stack(Protocol):
    """A server: `broadcast` reaches every client that has connected."""

    async def start(self) -> int: ...

    async def broadcast(self, event: dict[str, Any]) -> None: ...


def check(token: str) -> None:
    """Authenticate cheaply, as every stack does alike."""
    assert hmac.new(KEY, token.encode(), hashlib.sha256).digest()


def welcome(sio: Any) -> None:
    """Set a connect handler on any transport of python-socketio: check, enter the user's room and a common room."""
    users = itertools.count()

    async def connect(sid: str, environ: Any, auth: Any) -> None:
        check(auth["token"])
        await sio.enter_room(sid, f"user:{next(users)}")
        await sio.enter_room(sid, "post:1")

    sio.on("connect", connect)


class Plaza:
    """python-socketio on Plaza's engine."""

    def __init__(self, engine: str) -> None:
        from realtime.engine import Options, choose
        from realtime.socketio.server import Server

        self.sio = Server(choose(engine)(Options()))
        if self.sio.engine.name != engine:
            sys.exit(f"the {engine} engine does not load here")
        welcome(self.sio)

    async def start(self) -> int:
        return await self.sio.engine.start("127.0.0.1", 0)

    async def broadcast(self, event: dict[str, Any]) -> None:
        await self.sio.emit("tick", event, room="post:1")


class Stock:
    """python-socketio on aiohttp, as its documentation shows it."""

    def __init__(self) -> None:
        import socketio
        from aiohttp import web

        self.sio = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*")
        welcome(self.sio)
        self.app = web.Application()
        self.sio.attach(self.app)
        self.runner = web.AppRunner(self.app, access_log=None)

    async def start(self) -> int:
        from aiohttp import web

        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, backlog=4096).start()
        return int(self.runner.addresses[0][1])

    async def broadcast(self, event: dict[str, Any]) -> None:
        await self.sio.emit("tick", event, room="post:1")


class Bare:
    """uWebSockets' topic publish without any layer above: the lower limit of the cost."""

    def __init__(self) -> None:
        from realtime.engine import Options, choose

        self.engine = choose("native")(Options(settle_timeout_s=None), self)

    def opened(self, sid: str, environ: Any) -> None: ...

    def closed(self, sid: str, reason: str) -> None: ...

    def received(self, sid: str, data: str | bytes) -> None:
        self.engine.send(sid, b'40{"sid":"x"}')
        self.engine.subscribe(sid, "t")

    async def start(self) -> int:
        return await self.engine.start("127.0.0.1", 0)

    async def broadcast(self, event: dict[str, Any]) -> None:
        self.engine.publish("t", b'42["tick",' + json.dumps(event).encode() + b"]")


STACKS: dict[str, Callable[[], Stack]] = {
    "native": lambda: Plaza("native"),
    "portable": lambda: Plaza("portable"),
    "stock": Stock,
    "bare": Bare,
}


async def broadcasts(stack: Stack, count: int, pause_s: float) -> None:
    """Send `count` events, each stamped with the time of sending."""
    for _ in range(count):
        sent = time.monotonic_ns()
        await stack.broadcast({"t": sent, "x": FILLING})
        if pause_s:
            await asyncio.sleep(max(0.0, pause_s - (time.monotonic_ns() - sent) / 1e9))


async def spread(stack: Stack, count: int) -> None:
    """Send `count` events, each in a turn of the event loop of its own."""
    for _ in range(count):
        await stack.broadcast({"t": time.monotonic_ns(), "x": FILLING})
        await asyncio.sleep(0)


def resident() -> int:
    """Return the bytes in memory, without garbage."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def main(name: str) -> None:
    stack = STACKS[name]()
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print(await stack.start(), flush=True)
    while command := (await lines.readline()).decode().split():
        if command[0] == "broadcast":
            await broadcasts(stack, int(command[1]), float(command[2]))
        elif command[0] == "spread":
            await spread(stack, int(command[1]))
        print(resident() if command[0] == "rss" else time.process_time(), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
