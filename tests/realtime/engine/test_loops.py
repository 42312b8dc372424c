"""The engines on event loops that behave as uvloop may where it differs from asyncio's loop."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop
from support.eventually import LONG_S

from realtime.engine import choose
from realtime.engine.http_wire import PortableWire


class Rounding(uvloop.Loop):
    """A loop where waits round to 0 ms: uvloop makes a plain Handle of them, without `when()` and called at once."""

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        if callback.__module__.startswith("realtime."):
            return self.call_soon(callback, *args, context=context)
        return super().call_at(when, callback, *args, context=context)


class Early(uvloop.Loop):
    """A loop whose timers fire a little before they are due, as where uvloop rounds a wait down."""

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        return super().call_at(when - 0.005, callback, *args, context=context)


LOOPS = {"uvloop": uvloop.new_event_loop, "rounding": Rounding, "early": Early}


@pytest.fixture(autouse=True)
async def failures() -> AsyncIterator[list[dict[str, Any]]]:
    """Check that callbacks of the loop raise nothing."""
    failed: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(context))
    yield failed
    assert failed == []


class Libuv:
    """libuv with a timer that is always 10 ms away; it counts the rounds."""

    def __init__(self, real: Any) -> None:
        self.uv_backend_fd = real.uv_backend_fd
        self.uv_loop_alive = real.uv_loop_alive
        self.rounds = 0

    def uv_backend_timeout(self, _loop: Any) -> int:
        self.rounds += 1
        return 10


async def test_the_pump_goes_on_whatever_handle_the_loop_gives_it(monkeypatch):
    if choose("native").name != "native":
        pytest.skip("the native library does not load here")
    from realtime.engine import native

    libuv = Libuv(native.uv)
    monkeypatch.setattr(native, "uv", libuv)
    native.pump.attach()
    try:
        await asyncio.sleep(0.05)
        for _ in range(5):  # messages that come while a timer is pending
            native.pump.touch()
            await asyncio.sleep(0.002)
        before = libuv.rounds
        async with asyncio.timeout(LONG_S):
            while libuv.rounds - before < 8:  # nothing but the timer
                await asyncio.sleep(0.01)
    finally:
        native.pump.detach()


async def test_messages_and_heartbeats_go_on(start, echo, quick):
    client = await start(echo, **quick)
    ws, sid = await client.open()
    for number in range(100):
        await ws.send_str(f"4{number}")
        assert await client.text(ws) == f"4{number}"
    assert await client.closed(ws)  # it is silent from here on
    assert echo.ended[sid] == "ping timeout"


async def test_a_websocket_whose_connection_has_gone_can_be_closed():
    """uvloop raises RuntimeError for a write to a lost connection, where asyncio drops the bytes."""
    engine = choose("portable")()
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    wire = PortableWire(engine, writer.transport, {})  # type: ignore[arg-type]
    writer.transport.abort()
    await asyncio.sleep(0.02)
    assert not wire.send(b"4x", False)
    wire.answer_ping(b"x")
    wire.answer_close(1000, "")
    wire.close()
    server.close()
