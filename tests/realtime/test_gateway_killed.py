"""A gateway that is killed: its clients go on at other gateways, and miss nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from support.browser import page
from support.eventually import LONG_S
from support.ports import free_ports
from support.sockets import World

from social.contracts.codec import encode


@asynccontextmanager
async def process(world: World, tmp_path, port: int, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `python -m realtime` against the test's servers, on a port."""
    jwks = tmp_path / "jwks.json"
    jwks.write_bytes(encode(world.keys.signer.jwks))
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "realtime",
        env={
            **os.environ,
            "MONGO_URL": world.mongo_url,
            "MONGO_DATABASE": world.database,
            "REDIS_URL": world.redis_url,
            "BROKER_URL": "amqp://guest:guest@127.0.0.1:9/",
            "JWT_JWKS": str(jwks),
            "REALTIME_HOST": "127.0.0.1",
            "REALTIME_PORT": str(port),
            "PID_KEY": "k" * 32,
            "DRAIN_S": "1",
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(2 * LONG_S):
            while not await _ready(http, port):
                assert started.returncode is None, (await started.stdout.read()).decode()
                await asyncio.sleep(0.05)
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def _ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def test_clients_of_a_killed_gateway_resume_on_another(world, gateway, ada, bob, tmp_path):
    post = await ada.publish()
    (port,) = free_ports(1)
    async with process(world, tmp_path, port) as doomed, page() as hers:
        first = await hers.connect(port, ada.token)
        await world.like(post, by=bob, author=ada)
        await hers.event("notification")
        await hers.do(url=f"http://127.0.0.1:{gateway.port}")
        doomed.kill()
        for _ in range(3):
            await world.like(post, by=await world.person("fan"), author=ada)
        back = await hers.next("connect", 2)
        assert back == {"sid": first["sid"], "recovered": True}
        await world.like(post, by=await world.person("fan"), author=ada)
        await hers.next("event", 5)
        offsets = [args[2].split(".")[1] for args in hers.all("event")]
        assert offsets == ["1", "2", "3", "4", "5"]


async def test_sigterm_drains_and_ends_with_success(world, gateway, ada, tmp_path):
    (port,) = free_ports(1)
    async with process(world, tmp_path, port) as stopping, page() as hers:
        first = await hers.connect(port, ada.token)
        await hers.do(url=f"http://127.0.0.1:{gateway.port}")
        stopping.send_signal(signal.SIGTERM)
        assert "after_ms" in await hers.event("drain")
        back = await hers.next("connect", 2)
        assert back == {"sid": first["sid"], "recovered": True}
        output, _ = await asyncio.wait_for(stopping.communicate(), LONG_S)
        assert stopping.returncode == 0, output.decode()


async def test_a_missing_setting_is_named(tmp_path):
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "realtime",
        env={"PATH": os.environ["PATH"], "ORIGINS": "", "REALTIME_PORT": "x"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(started.communicate(), LONG_S)
    assert started.returncode == 1
    for name in ("MONGO_URL", "REDIS_URL", "BROKER_URL", "JWT_JWKS", "REALTIME_PORT"):
        assert name in output.decode()
