"""A private Prometheus: Debian's program, which scrapes the processes of a test; and queries to it."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from devtools.cluster.server import Server
from devtools.generate import observability

OBSERVABILITY = Path(__file__).parents[2] / "deploy" / "observability"
RULES = OBSERVABILITY / "rules" / "plaza.yml"
JOBS = {job["job_name"] for job in yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())["scrape_configs"]}
PROCESS = ("cpu_seconds_total", "resident_memory_bytes", "open_fds")
# Metrics of other servers, and their labels. RabbitMQ is scraped by the tests; the other three exporters are not in
# reach of them, and these are the names that their authors publish.
ELSEWHERE: Mapping[str, set[str]] = {
    "mongodb_up": set(),
    "mongodb_ss_connections": {"conn_type"},
    "mongodb_members_health": {"member_idx", "member_state"},
    "mongodb_mongod_replset_oplog_head_timestamp": set(),
    "mongodb_mongod_replset_oplog_tail_timestamp": set(),
    "redis_memory_used_bytes": set(),
    "redis_memory_max_bytes": set(),
    "redis_connected_clients": set(),
    "redis_evicted_keys_total": set(),
    "nginx_connections_accepted": set(),
    "nginx_connections_active": set(),
    "nginx_connections_handled": set(),
    "nginx_connections_reading": set(),
    "nginx_connections_waiting": set(),
    "nginx_connections_writing": set(),
    "nginx_http_requests_total": set(),
}
RABBIT: Mapping[str, set[str]] = {
    "rabbitmq_alarms_free_disk_space_watermark": set(),
    "rabbitmq_alarms_memory_used_watermark": set(),
    "rabbitmq_connections": set(),
    "rabbitmq_disk_space_available_bytes": set(),
    "rabbitmq_process_resident_memory_bytes": set(),
    "rabbitmq_queue_messages_ready": set(),
    "rabbitmq_queue_messages_unacked": set(),
    "rabbitmq_resident_memory_limit_bytes": set(),
}
NAMES = re.compile(r"\b((?:plaza|process|rabbitmq|redis|mongodb|nginx|up\b)[\w:]*)(?:\{([^}]*)\})?")


class Prometheus(Server):
    """A Prometheus that scrapes the jobs of deploy/observability at these ports every two seconds, by its rules."""

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
        assert set(self._jobs) <= JOBS
        targets = {name: [f"127.0.0.1:{port}" for port in ports] for name, ports in self._jobs.items()}
        jobs = [{"job_name": name, "static_configs": [{"targets": each}]} for name, each in targets.items()]
        often = {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"}
        (self.folder / "prometheus.yml").write_text(
            yaml.safe_dump({"global": often, "rule_files": [str(RULES)], "scrape_configs": jobs})
        )
        options = {"config.file": "prometheus.yml", "storage.tsdb.path": "data", "log.level": "warn"}
        options["web.listen-address"] = f"127.0.0.1:{ports[0]}"
        self._process = self.spawn([self.name, *(f"--{name}={value}" for name, value in options.items())])
        await self.answering(self._process, ports[0], b"GET /-/ready HTTP/1.0\r\n\r\n", b"HTTP/1.0 200")

    async def ask(self, path: str, **parameters: str) -> Any:
        """Return an answer of its API; raises RuntimeError with its message for an invalid query."""
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/api/v1/{path}", params=parameters) as answer,
        ):
            said = await answer.json()
        if said["status"] != "success" or said.get("warnings"):
            raise RuntimeError(f"{parameters}: {said.get('error')} {said.get('warnings')}")
        return said["data"]


def written() -> list[dict[str, Any]]:
    """Return the rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def exported_elsewhere(query: str) -> bool:
    """Return whether a query is about a server whose exporter does not run here."""
    return any(name in ELSEWHERE for name, _ in NAMES.findall(query))


def wrong(query: str) -> list[str]:
    """Return the names and labels in a query that no process exports."""
    known = {"up": set[str](), **ELSEWHERE, **RABBIT} | {f"process_{each}": set[str]() for each in PROCESS}
    for name, metric in observability.all_metrics():
        labels = set(observability.labels_of(metric))
        if metric._type == "histogram":
            known |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            known[name] = labels
    recorded = {rule["record"] for rule in written() if "record" in rule}
    found, labels = [], {"job", "instance", "class"}
    bare = re.sub(r'"[^"]*"', '""', query)
    for name, selector in NAMES.findall(bare):
        if name in known:
            labels |= known[name]
            asked = set(re.findall(r"(\w+)\s*[!=]", selector)) - {"job", "instance"}
            found += [f"{name}: {label}" for label in sorted(asked - known[name])]
        elif name not in recorded:
            found.append(name)
    for grouped in re.findall(r"\bby\s*\(([^)]*)\)", bare):
        found += [f"by {label}" for label in re.findall(r"\w+", grouped) if label not in labels]
    for jobs in re.findall(r'job=~?"([^"]*)"', query):
        found += [f"job {job}" for job in jobs.split("|") if job not in JOBS]
    return found
