"""The embedded system, started for a measurement in a folder of its own, without limits on requests."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[1]
PASSWORD = "correct horse battery"
POLICIES = ("USER", "IP", "LOGIN", "REGISTER", "RESET")


@contextlib.asynccontextmanager
async def started() -> AsyncIterator[str]:
    """`python -m embedded` until the block ends; the URL of its REST API."""
    with tempfile.TemporaryDirectory() as folder:
        ports = [_free_port(), _free_port()]
        rates = {f"RATE_{policy}": "1000000/1" for policy in POLICIES}
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
        environment |= {"PLAZA_VAR": folder, "API_PORT": str(ports[0]), "REALTIME_PORT": str(ports[1]), **rates}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "embedded", cwd=ROOT, env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        url = f"http://127.0.0.1:{ports[0]}"
        try:
            async with aiohttp.ClientSession() as http:
                while True:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with http.get(f"{url}/readyz") as answer:
                            if answer.status == 200:
                                break
                    assert process.returncode is None, "the system did not start"
                    await asyncio.sleep(0.1)
            yield url
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()


async def register(http: aiohttp.ClientSession, name: str) -> str:
    """A new account's access token."""
    ask = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    async with http.post("/v1/auth/register", json=ask) as answer:
        assert answer.status == 201, await answer.text()
        return str((await answer.json())["access_token"])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
