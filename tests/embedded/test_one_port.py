"""The whole system on one port, with the settings of the demo's image, as Render and Railway run it."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import socketio
from aiohttp import web
from support.browser import page
from support.eventually import eventually
from support.image import ROOT
from support.machine import Machine, demo_settings
from support.people import Answer, Door, Person, door_to

from embedded.one_port import ONLY_TLS, SECURITY, mount
from realtime.engine.http import PortableEngine
from social.infra.process.process import listen

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAYS = [{"transports": ["websocket"]}, {"transports": ["polling"]}, {}]
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
CLOUDFLARE, RENDERS = "172.64.1.1", "10.1.2.3"
UNKNOWN = b'{"code":1,"message":"Session ID unknown"}'
numbers = iter(range(1_000))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """A running system on one port."""
    machine = Machine(tmp_path_factory.mktemp("demo"))
    await machine.on_one_port(**demo_settings())
    yield machine
    await machine.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def door(demo: Any) -> AsyncIterator[Door]:
    """Requests to the system."""
    async with door_to(demo.url) as door:
        yield door


async def someone(door: Door, name: str = "person") -> Person:
    """Register a new person."""
    return await door.register(f"{name}{next(numbers)}")


async def hears_of_a_like(door: Door, listener: Any, ada: Person) -> None:
    """Have someone like a post of hers, and wait until her client hears of it."""
    post, bob = await ada.publish("hello"), await someone(door, "bob")
    await bob.like(post)
    heard = await listener("notification")
    assert (heard["type"], heard["actors"][0]["username"]) == ("like", bob.username)


@pytest.mark.parametrize("options", WAYS, ids=["websocket", "polling", "default"])
async def test_the_js_client_connects_without_a_url(demo: Any, door: Door, options: dict[str, Any]) -> None:
    ada = await someone(door)
    async with page() as hers:
        await hers.connect_from(f"{demo.url}/docs/events", ada.tokens.access_token, **options)
        await hears_of_a_like(door, hers.event, ada)


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids=str)
async def test_pythons_client_hears_of_a_like(demo: Any, door: Door, transports: list[str]) -> None:
    ada, heard = await someone(door), asyncio.get_running_loop().create_future()
    client = socketio.AsyncClient()
    client.on("notification", lambda notification, _offset: heard.set_result(notification))
    await client.connect(demo.url, auth={"token": ada.tokens.access_token}, transports=transports)
    try:
        async with asyncio.timeout(60):
            await hears_of_a_like(door, lambda _name: heard, ada)
        assert client.transport() == transports[-1]
    finally:
        await client.disconnect()


async def test_pages_of_this_origin_alone_may_connect(demo: Any, door: Door) -> None:
    async def opened(origin: str, **headers: str) -> tuple[int, str | None]:
        answer = await door.ask("GET", HANDSHAKE, headers={"Origin": origin, **headers})
        read = await door.ask("GET", "/livez", headers={"Origin": origin, **headers})
        allowed = answer.headers.get("Access-Control-Allow-Origin")
        assert read.headers.get("Access-Control-Allow-Origin") == allowed, "REST and Socket.IO agree"
        return answer.status, allowed

    behind = {"Host": "plaza-demo.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
    assert await opened(demo.url) == (200, demo.url)
    assert await opened("https://plaza-demo.example", **behind) == (200, "https://plaza-demo.example")
    for origin in ("http://localhost:5173", "https://elsewhere.example", "http://plaza-demo.example"):
        assert await opened(origin, **behind) == (403, None)


async def test_a_stranger_reads_no_metrics_and_no_reasons(door: Door) -> None:
    for path in ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/socket.io/../metrics", "/metrics?x"):
        for method in ("GET", "HEAD"):
            answer = await door.ask(method, path)
            assert (answer.status, b"plaza_" in answer.raw) == (404, False), path
    assert (await door.ask("GET", "/livez")).body == {"status": "alive"}
    assert (await door.ask("GET", "/readyz")).body == {"status": "ready"}
    assert b"io({ auth: { token } })" in (await door.ask("GET", "/docs/events")).raw
    assert (await door.ask("GET", "/docs")).status == 200


async def test_browsers_get_the_headers_that_nginx_adds_elsewhere(door: Door) -> None:
    https = {"X-Forwarded-Proto": "https"}
    for path in ("/livez", "/v1/feed", "/docs", HANDSHAKE):
        plain, safe = [(await door.ask("GET", path, headers=each)).headers for each in ({}, https)]
        for headers in (plain, safe):
            assert headers["Server"] == "Plaza"
            assert headers.getall("X-Content-Type-Options") == ["nosniff"]
            assert headers["X-Frame-Options"] == "DENY"
            assert "Referrer-Policy" in headers
        assert "Strict-Transport-Security" not in plain
        assert safe["Strict-Transport-Security"] == ONLY_TLS
    said = (ROOT / "nginx/security.conf").read_text()
    assert set(re.findall(r"add_header (\S+)", said)) == {*SECURITY, "Strict-Transport-Security"}
    assert ONLY_TLS in (ROOT / "nginx/variables.conf").read_text()


async def test_logins_are_limited_as_in_production_and_by_the_address_that_the_platform_forwards(door: Door) -> None:
    async def left(**headers: str) -> int:
        """Log in with a wrong password, and return how many logins the address has left."""
        wrong = {"username": f"nobody{next(numbers)}", "password": "wrong password"}
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await door.ask("POST", "/v1/auth/login", wrong, headers=said)
        assert (answer.status, '"login";q=30;w=60' in answer.headers["RateLimit-Policy"]) == (401, True)
        return int(answer.headers["RateLimit"].partition('"login";r=')[2].partition(";")[0])

    render, railway = {"X_Forwarded_For": f"192.0.2.1, {CLOUDFLARE}, {RENDERS}"}, {"X_Real_IP": "192.0.2.2"}
    for platform in (render, railway):
        assert min(await asyncio.gather(*(left(**platform) for _ in range(6)))) < 29, "they count together"
    forged = {"X_Forwarded_For": f"192.0.2.1, 192.0.2.3, {CLOUDFLARE}, {RENDERS}"}  # its client wrote the first
    assert await left(**forged) == 29
    assert await left(X_Forwarded_For="192.0.2.4", X_Real_IP="192.0.2.2") == 29


async def test_a_poll_whose_client_has_left_ends_its_session(demo: Any, door: Door) -> None:
    opened = (await door.ask("GET", HANDSHAKE)).raw.decode()
    sid = opened.partition('"sid":"')[2].partition('"')[0]
    _, poll = await asyncio.open_connection("127.0.0.1", demo.api_port)
    poll.write(f"GET {HANDSHAKE}&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await poll.drain()

    async def pong() -> Answer:
        return await door.ask("POST", f"{HANDSHAKE}&sid={sid}", data="3", headers={"Content-Type": "text/plain"})

    assert (await pong()).raw == b"ok"
    poll.transport.abort()

    async def ended() -> None:
        assert (await pong()).raw == UNKNOWN

    await eventually(ended)


async def test_a_write_whose_client_has_left_goes_on_to_its_end() -> None:
    began, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def write(_request: web.Request) -> web.Response:
        began.set()
        await go_on.wait()
        ended.set()
        return web.Response()

    app = web.Application()
    app.router.add_put("/", write)
    mount(PortableEngine(), app)
    runner = await listen(app, "127.0.0.1", 0, handler_cancellation=True)
    try:
        _, client = await asyncio.open_connection(*runner.addresses[0][:2])
        client.write(b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(60):
            await began.wait()
            client.transport.abort()
            await eventually(lambda: no_connections(runner))
            go_on.set()
            await ended.wait()
    finally:
        await runner.cleanup()


async def no_connections(runner: web.AppRunner) -> None:
    """Raise AssertionError while a client is connected."""
    assert runner.server is not None
    assert not runner.server.connections
