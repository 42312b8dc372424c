"""A private Prometheus: Debian's program, which asks the processes that a test started."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from embedded.cluster.server import Server

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"


class Prometheus(Server):
    """It scrapes each job of deploy/observability at the ports given here, each second, by the rules there."""

    name = "prometheus"

    def __init__(self, folder: Path, jobs: Mapping[str, Sequence[int]]) -> None:
        super().__init__(folder)
        self._jobs = jobs

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("prometheus") and shutil.which("promtool") else "prometheus is not installed"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def launch(self, ports: Sequence[int]) -> None:
        ours = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
        known = {job["job_name"] for job in ours["scrape_configs"]}
        assert set(self._jobs) <= known
        targets = {name: [f"127.0.0.1:{port}" for port in ports] for name, ports in self._jobs.items()}
        jobs = [{"job_name": name, "static_configs": [{"targets": each}]} for name, each in targets.items()]
        rules = [str(path) for path in sorted((OBSERVABILITY / "rules").glob("*.yml"))]
        often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        (self.folder / "prometheus.yml").write_text(
            yaml.safe_dump({"global": often, "rule_files": rules, "scrape_configs": jobs})
        )
        options = {"config.file": "prometheus.yml", "storage.tsdb.path": "data", "log.level": "warn"}
        options["web.listen-address"] = f"127.0.0.1:{ports[0]}"
        self._process = self.spawn([self.name, *(f"--{name}={value}" for name, value in options.items())])
        await self.answering(self._process, ports[0], b"GET /-/ready HTTP/1.0\r\n\r\n", b"HTTP/1.0 200")

    async def ask(self, path: str, **parameters: str) -> Any:
        """What its API answers; raises RuntimeError with its words for a query that is none."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/api/v1/{path}", params=parameters) as answer,
        ):
            said = await answer.json()
        if said["status"] != "success" or said.get("warnings"):
            raise RuntimeError(f"{parameters}: {said.get('error')} {said.get('warnings')}")
        return said["data"]
