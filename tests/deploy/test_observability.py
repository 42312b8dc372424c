"""Observability: every query and rule, over the metrics of real processes in a real Prometheus."""

import itertools
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from conftest import require
from prometheus_client.parser import text_string_to_metric_families
from support.cluster import Cluster
from support.collector import Collector, collecting
from support.eventually import eventually
from support.nginx import Nginx
from support.people import Person, door_to
from support.ports import free_ports
from support.processes import listens_at
from support.prometheus import OBSERVABILITY, RULES, Prometheus, exported_elsewhere, written, wrong
from support.servers import DocumentStore, RabbitServer, RedisServer
from support.sockets import Wire

from api.app import ALL
from devtools.generate import observability
from devtools.generate.dashboards import DASHBOARDS
from realtime.dispatch import HANDLERS
from social.contracts.events import Group
from social.infra.observe import metrics
from social.posts.counters import COUNTERS

together = pytest.mark.asyncio(loop_scope="module")  # in the loop of the test

ALERTS = Path(__file__).with_name("alerts.yml")
PANELS = [
    pytest.param(panel.quiet, query, id=f"{name}: {panel.title} {legend}")
    for name, panels in DASHBOARDS.items()
    for panel in panels
    for legend, query in panel.queries.items()
]
HOSTILE = [
    "/v1/nothing/" + "x" * 50,
    "/v1/users/no_such_person",
    "/v1/posts/" + "f" * 24,
    "/%00",
    "/v1/posts/{post_id}",
]
OURS = ("api", "realtime", "workers")


@dataclass
class Running:
    """A cluster, with a Prometheus that scrapes it."""

    cluster: Cluster
    ports: dict[str, int]  # of each process of Plaza, by its name
    prometheus: Prometheus
    collector: Collector

    @property
    def api_url(self) -> str:
        """Return the URL of the API itself, because nginx refuses odd requests."""
        return f"http://127.0.0.1:{self.ports['api-1']}"

    async def exposition(self, name: str) -> str:
        """Return the metrics of a process."""
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.ports[name]}/metrics") as answer:
            return await answer.text()

    def events(self) -> list[dict[str, Any]]:
        """Return all events that processes of Plaza logged."""
        lines = (line.partition(" | ") for line in self.cluster.program.out.splitlines())
        return [json.loads(said) for name, _, said in lines if name.strip() in self.ports]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: RedisServer,
    rabbit_server: RabbitServer,
    document_store: DocumentStore,
) -> AsyncIterator[Running]:
    require(Prometheus)
    require(Nginx)
    (port,), folder = free_ports(1), tmp_path_factory.mktemp("observed")
    async with collecting() as collector:
        cluster = Cluster(
            folder,
            port,
            API_PROCESSES=1,
            REALTIME_PROCESSES=2,
            WORKERS_PROCESSES=1,
            MONGO_URL=document_store.url,
            MONGO_DATABASE="observed",
            REDIS_URL=redis_server.url,
            BROKER_URL=rabbit_server.url,
            AMQP_PREFIX="observed",
            DRAIN_S=0,
            LOG_STYLE="json",
            LOG_LEVEL="debug",
            TRACES_SAMPLED=1,
            TRACES_URL=collector.url,
            OTEL_BSP_SCHEDULE_DELAY=200,  # ms
        )
        prometheus = None
        try:
            await cluster.start()
            parts = await cluster.parts()
            ports = {name: listens_at(parts[name]["pid"]) for name in parts if name.startswith(OURS)}
            jobs = {job: [ports[name] for name in ports if name.startswith(job)] for job in OURS}
            prometheus = Prometheus(folder / "prometheus", {**jobs, "rabbitmq": [await rabbit_server.start_exporter()]})
            await prometheus.start()
            world = Running(cluster, ports, prometheus, collector)
            await live(world)
            yield world
        finally:
            if prometheus:
                await prometheus.stop()
            await cluster.program.kill()


async def live(world: Running) -> None:
    """Let people act, twice: a rate is seen between two scrapes."""
    async with door_to(world.api_url) as door, aiohttp.ClientSession() as http:
        ada, bob = await door.register("ada"), await door.register("bob")
        await bob.follow(ada)
        one, two = world.ports["realtime-1"], world.ports["realtime-2"]
        wire = await Wire(one, http).open({"token": ada.tokens.access_token})
        other = await Wire(two, http).open({"token": bob.tokens.access_token})
        (await Wire(two, http).open({"token": "no"})).drop()
        for turn in range(1, 3):
            post = await ada.publish(f"hello {turn}")
            await other.ask("post.watch", {"post_id": post.id})
            await bob.ask("PUT", f"/v1/posts/{post.id}/like", headers={"X-Request-ID": f"the-like-{turn}"})
            await wire.event("notification", turn)
            await other.event("post.stats", turn)
            await wire.ask("no.such.event", {})
            await come_and_go(http, two, ada)
            for path in HOSTILE:
                await door.ask("GET", path, token=ada.tokens.access_token)
            await door.ask("DELETE", "/v1/posts/x", token="x")
            async with http.request("PROPFIND", f"{world.api_url}/v1/posts"):
                pass
            await seen(world, f'plaza_push_latency_seconds_count{{kind="stream"}} >= {turn}')
            await scraped(world)
        await other.close()
        await wire.close()


async def come_and_go(http: aiohttp.ClientSession, port: int, person: Person) -> None:
    """Lose and reopen the connection of a person."""
    wire = await Wire(port, http).open({"token": person.tokens.access_token})
    pid = wire.pid
    wire.drop()
    wire = await Wire(port, http).open({"token": person.tokens.access_token, "pid": pid})
    wire.drop()


async def scraped(world: Running) -> None:
    """Wait until every process was scraped after this moment."""
    now = time.time()

    async def look() -> None:
        found = (await world.prometheus.ask("query", query="timestamp(plaza_outbox_rows)"))["result"]
        assert sum(float(each["value"][1]) > now for each in found) == len(world.ports)

    await eventually(look)


async def seen(world: Running, query: str) -> None:
    """Wait until Prometheus has a value."""

    async def look() -> None:
        assert (await world.prometheus.ask("query", query=query))["result"]

    await eventually(look)


@together
@pytest.mark.parametrize(("quiet", "query"), PANELS)
async def test_a_panel_shows_what_the_processes_tell(running: Running, quiet: bool, query: str) -> None:
    query = query.replace("$__rate_interval", "1m")
    assert wrong(query) == []
    found = (await running.prometheus.ask("query", query=query))["result"]
    assert found or quiet or exported_elsewhere(query)


@together
async def test_every_metric_is_exported_by_every_process_and_well_named(running: Running) -> None:
    names = {name for name, _ in observability.all_metrics()}
    for name in running.ports:
        text = await running.exposition(name)
        metrics = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE plaza_")}
        assert {each for each in metrics if not each.endswith("_created")} == names
        checked = promtool("check", "metrics", input=text)
        assert "plaza_" not in checked.stdout + checked.stderr


@together
async def test_a_label_takes_none_but_its_few_values(running: Running) -> None:
    """Labels have only known values, also after nonsense requests."""
    routes = {"-", "/livez", "/readyz", "/metrics"} | {route.path for service in ALL for route in service.routes}
    routes |= {"/docs"} | {f"/docs/{service.name}" for service in ALL}
    bounded = {
        "route": routes,
        "method": {"GET", "POST", "PUT", "DELETE", "other"},
        "event": {*HANDLERS, "unknown", "notification", "post.stats", "user.stats", "feed.post", "feed.changed"},
        "group": {str(group) for group in Group},
        "kind": {"stream", "hint"},
        "server": {"store", "redis", "broker"},
    }
    seen: dict[str, set[str]] = {}
    for name in running.ports:
        for family in text_string_to_metric_families(await running.exposition(name)):
            for sample in family.samples if family.name.startswith("plaza_") else ():
                for label, value in sample.labels.items():
                    seen.setdefault(label, set()).add(value)
    assert set(seen) <= {*metrics.LABELS, "le"}
    for label, values in bounded.items():
        assert seen[label] <= values | {"presence"}, label
    assert {"other", "POST"} <= seen["method"]
    assert "unknown" in seen["event"]
    assert seen["result"] == {"ok", "invalid_token"}
    for label in set(seen) - {"le", "route"}:
        assert all(re.fullmatch(r"[a-z0-9_.:A-Z< >]{1,60}", value) for value in seen[label]), label


@together
async def test_the_drift_of_counts_is_exported_before_any_drifts(running: Running) -> None:
    """Prometheus sees no increase in a number that it had not seen before."""
    metrics = await running.exposition("workers-1")
    for collection, counters in COUNTERS.items():
        for counter in counters:
            assert f'plaza_counts_drift_total{{collection="{collection}",counter="{counter}"}} 0.0\n' in metrics


@together
async def test_a_request_is_found_again_in_every_process(running: Running) -> None:
    """The request's id is in the logs of the API, of the work it caused, and of the pushes."""

    async def look() -> None:
        said = [
            (event["process"], event["event"])
            for event in running.events()
            if "the-like-1" in (event.get("request_id"), *event.get("requests", ()))
        ]
        assert said.count(("api", "request")) == 1
        assert ("api", "events published") in said or ("workers", "events published") in said
        assert said.count(("workers", "events handled")) >= 2  # notifications and counters
        assert said.count(("realtime", "pushed")) >= 2  # the notification and the counts

    await eventually(look)
    (request,) = [e for e in running.events() if e.get("request_id") == "the-like-1" and e["event"] == "request"]
    assert (request["method"], request["route"], request["status"]) == ("PUT", "/v1/posts/{post_id}/like", 200)
    assert request["level"] == "info"


@together
async def test_a_traced_request_has_one_trace_in_the_logs_of_every_process_and_at_the_collector(
    running: Running,
) -> None:
    (request,) = [e for e in running.events() if e.get("request_id") == "the-like-2" and e["event"] == "request"]
    trace = request["trace_id"]

    async def look() -> None:
        said = {
            (event["process"], event["event"])
            for event in running.events()
            if trace in (event.get("trace_id"), *event.get("traces", ()))
        }
        assert {("api", "events published"), ("workers", "events handled"), ("realtime", "pushed")} <= said
        made = {
            ("plaza-api", "PUT /v1/posts/{post_id}/like"),
            ("plaza-api", "publish PostLiked"),
            ("plaza-workers", "notifications PostLiked"),
            ("plaza-workers", "counters PostLiked"),
            ("plaza-realtime", "push to user"),
            ("plaza-realtime", "push to post"),
        }
        assert made <= running.collector.spans[trace]

    await eventually(look)


@together
async def test_no_rule_fails_and_no_alert_cries_while_all_is_well(running: Running) -> None:
    await seen(running, 'plaza_lease_held{lease="relay"} == 1')
    await seen(running, "plaza:http_failures:ratio_rate5m == 0")
    rules = [rule for group in (await running.prometheus.ask("rules"))["groups"] for rule in group["rules"]]
    assert len(rules) == len(written())
    assert [rule for rule in rules if rule["health"] != "ok"] == []
    assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []


@pytest.mark.parametrize("rule", written(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    assert wrong(rule["expr"]) == []
    if "alert" in rule:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "description"}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("sum(rate(plaza_nothing_total[5m]))", "plaza_nothing_total"),
        ('plaza_sockets{job="api", room="x"}', "plaza_sockets: room"),
        ("sum by (routes) (plaza_http_requests_total)", "by routes"),
        ("rate(plaza_http_requests[5m])", "plaza_http_requests"),
        ('up{job="gateway"}', "job gateway"),
    ],
)
def test_a_query_for_what_there_is_not_is_noticed(query: str, problem: str) -> None:
    assert wrong(query) == [problem]


def promtool(*words: str | Path, input: str = "") -> subprocess.CompletedProcess[str]:
    """Return the findings of promtool."""
    return subprocess.run(["promtool", *words], check=False, input=input, capture_output=True, text=True)


def test_promtool_has_no_complaint_about_the_configuration_and_the_rules(tmp_path: Path) -> None:
    require(Prometheus)
    for words in (["config", "--syntax-only", OBSERVABILITY / "prometheus.yml"], ["rules", RULES]):
        checked = promtool("check", *words)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "duplicate" not in checked.stdout


def test_the_alerts_cry_when_they_should_and_only_then() -> None:
    require(Prometheus)
    tested = promtool("test", "rules", ALERTS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_seen_to_cry() -> None:
    tests = yaml.safe_load(ALERTS.read_text())["tests"]
    cried = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert cried == {rule["alert"] for rule in written() if "alert" in rule}


@pytest.mark.parametrize("path", sorted((OBSERVABILITY / "dashboards").glob("*.json")), ids=lambda path: path.stem)
def test_a_dashboard_fits_on_the_page_and_asks_the_one_prometheus(path: Path) -> None:
    dashboard = json.loads(path.read_text())
    source = yaml.safe_load((OBSERVABILITY / "grafana/provisioning/datasources/prometheus.yml").read_text())
    (prometheus,) = source["datasources"]
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert not cells & taken, panel["title"]
        taken |= cells
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {prometheus["uid"]}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
