"""moto's S3, as a process of its own."""

import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from devtools.cluster.server import Server

BUCKET = "plaza-media"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "of-a-test", "AWS_SECRET_ACCESS_KEY": "of-a-test"}


class Moto(Server):
    """moto's S3, a process of its own."""

    name = "moto"

    @classmethod
    def missing(cls) -> str | None:
        """Return None: moto comes with the packages for development."""
        return None

    @property
    def bucket_url(self) -> str:
        """Return the setting that names its bucket."""
        return f"s3://{BUCKET}?endpoint={self.url}"

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"http://127.0.0.1:{self.port}"

    async def launch(self, ports: Sequence[int]) -> None:
        """Start it and make the bucket."""
        (port,) = ports
        program = Path(sys.executable).with_name("moto_server")
        self._process = self.spawn([sys.executable, program, "-H", "127.0.0.1", "-p", str(port)])
        ask = b"GET /moto-api/ HTTP/1.0\r\nHost: x\r\n\r\n"
        await self.answering(self._process, port, ask, b"HTTP/1.")
        async with aiohttp.request("PUT", f"http://127.0.0.1:{port}/{BUCKET}") as answer:
            assert answer.status == 200
