"""Origins that may connect, of pages and of other clients that send one, on both engines and by both transports."""

import asyncio

import pytest
import socketio
from structlog.testing import capture_logs
from support.browser import page
from support.eventually import LONG_S

from embedded.settings import EmbeddedRest

OURS = "http://localhost:8080"
ENGINES = pytest.mark.parametrize("engine", ["native", "portable"])
TRANSPORTS = pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids=str)


async def opened(http, gateway, transport, headers):
    """Return the status of a handshake."""
    url = f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport={transport}"
    if transport == "websocket":
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        headers = {**upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **headers}
    async with http.get(url, headers=headers) as answer:
        return answer.status, answer.headers.get("Access-Control-Allow-Origin")


@ENGINES
@TRANSPORTS
async def test_pythons_synchronous_client_comes_in_with_the_servers_own_address(world, ada, engine, transports):
    gateway = await world.gateway(realtime_engine=engine)
    client = socketio.Client(reconnection=False)

    def talk() -> tuple[str, bool]:
        url = f"http://127.0.0.1:{gateway.port}"
        client.connect(url, auth={"token": ada.token}, transports=transports, wait_timeout=LONG_S)
        try:
            return client.transport(), client.call("sync", {"after": "x"}, timeout=LONG_S)["ok"]
        finally:
            client.disconnect()

    assert await asyncio.to_thread(talk) == (transports[-1], True)


@ENGINES
@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:{port}", "ws://127.0.0.1:{port}", "HTTP://127.0.0.1:{port}", "http://LocalHost:8080"]
)
async def test_the_js_client_upgrades_with_an_origin_of_ours(world, ada, engine, origin):
    gateway = await world.gateway(realtime_engine=engine)
    async with page() as hers:
        await hers.connect(gateway.port, ada.token, extraHeaders={"Origin": origin.format(port=gateway.port)})
        assert (await hers.ask("sync", {"after": "x"}))["ok"]
        async with asyncio.timeout(LONG_S):
            while True:
                await hers.do(transport=True)
                if await hers.next("transport", len(hers.all("transport")) + 1) == "websocket":
                    break


@ENGINES
async def test_a_refused_origin_is_one_line_of_the_log(world, http, engine):
    gateway = await world.gateway(realtime_engine=engine)
    with capture_logs() as logged:
        for transport in ("polling", "websocket", "polling"):
            for origin in ("http://localhost:5173", "null"):
                assert await opened(http, gateway, transport, {"Origin": origin}) == (403, None)
    lines = [each for each in logged if each["event"].startswith("origin refused")]
    assert [each["set"] for each in lines] == [
        "ORIGINS=http://127.0.0.1:8080,http://localhost:8080,http://localhost:5173"
    ]


@ENGINES
async def test_the_origin_in_front_of_a_trusted_proxy_is_the_own(world, http, engine):
    trusting = await world.gateway(realtime_engine=engine, trusted_proxies="127.0.0.1")
    alone = await world.gateway(realtime_engine=engine)
    said = {
        "Origin": "https://plaza.example",
        "X-Forwarded-Host": "plaza.example",
        "X-Forwarded-Proto": "https",
    }
    for transport, status in (("polling", 200), ("websocket", 101)):
        assert (await opened(http, trusting, transport, said))[0] == status
        assert (await opened(http, alone, transport, said))[0] == 403
        insecure = {**said, "Origin": "http://plaza.example"}
        assert (await opened(http, trusting, transport, insecure))[0] == 403


@ENGINES
async def test_apps_come_in_where_they_are_listed(world, http, engine):
    gateway = await world.gateway(realtime_engine=engine, origins="capacitor://localhost, Tauri://LocalHost,null")
    for origin in ("capacitor://localhost", "tauri://localhost", "null"):
        assert await opened(http, gateway, "polling", {"Origin": origin}) == (200, origin)
        assert (await opened(http, gateway, "websocket", {"Origin": origin}))[0] == 101
    for origin in ("ionic://localhost", "capacitor://localhost:1", OURS):
        assert (await opened(http, gateway, "polling", {"Origin": origin}))[0] == 403


@ENGINES
async def test_development_servers_of_this_machine_are_let_in_by_the_embedded_system_alone(world, http, engine):
    here = await world.gateway(realtime_engine=engine, origins=EmbeddedRest().allowed_origins)
    elsewhere = await world.gateway(realtime_engine=engine)
    for origin in ("http://localhost:5173", "http://127.0.0.1:5173", "https://localhost:3000"):
        assert await opened(http, here, "polling", {"Origin": origin}) == (200, origin)
        assert (await opened(http, here, "websocket", {"Origin": origin}))[0] == 101
        assert (await opened(http, elsewhere, "polling", {"Origin": origin}))[0] == 403
    for origin in ("http://evil.example:5173", "http://localhost.evil.example:5173"):
        assert (await opened(http, here, "polling", {"Origin": origin}))[0] == 403
    assert EmbeddedRest(origins="https://plaza.example").allowed_origins == ["https://plaza.example"]
