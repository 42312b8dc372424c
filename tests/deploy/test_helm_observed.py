"""The Helm chart's alerts, dashboards and scaling ask for metrics that there are, by the names of the code."""

import json
from typing import Any

import pytest
import yaml
from conftest import require
from support.charts import Document, Helm4, documents, name, of_kind, selects
from support.prometheus import OBSERVABILITY, RULES, wrong

from devtools.generate import observability
from social.contracts.events import Group
from social.infra.broker import topology

LEFT_OUT = {"plaza-exporters", "ProcessDown"}


@pytest.fixture(autouse=True)
def needs() -> None:
    require(Helm4)


def test_alerts_are_those_of_compose_but_for_what_only_compose_has() -> None:
    (rules,) = of_kind("full", "PrometheusRule")
    expected = [
        {**group, "rules": [rule for rule in group["rules"] if rule.get("alert") not in LEFT_OUT]}
        for group in yaml.safe_load(RULES.read_text())["groups"]
        if group["name"] not in LEFT_OUT
    ]
    assert rules["spec"]["groups"] == expected
    assert rules["metadata"]["labels"]["release"] == "prometheus"


def test_an_alert_that_knows_processes_by_their_names_is_left_out() -> None:
    """Pods get new names whenever they are replaced, so none of these alerts may remember a name that is gone."""
    (rules,) = of_kind("full", "PrometheusRule")
    asked = [rule["expr"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len(asked) > 15
    assert not [query for query in asked if "last_over_time" in query or "instance=" in query]


def test_dashboards_ask_the_data_source_of_the_values() -> None:
    files = [file for each in of_kind("full", "ConfigMap") for file in each["data"].items()]
    made = {file: json.loads(text) for file, text in files if file.endswith(".json")}
    for path in (OBSERVABILITY / "dashboards").glob("*.json"):
        written = path.read_text().replace('"uid": "prometheus"', '"uid": "thanos"')
        assert made.pop(f"plaza-{path.name}") == json.loads(written)
        assert "thanos" in written
    assert made == {}


@pytest.mark.parametrize("kind", ["PodMonitor", "ServiceMonitor"])
def test_prometheus_finds_every_process_by_the_job_that_alerts_name(kind: str) -> None:
    chosen = ["--set", f"metrics.monitor.kind={kind}"]
    made = documents("full", Helm4, *chosen)
    monitors = [each for each in made if each["kind"] in ("PodMonitor", "ServiceMonitor")]
    jobs = {endpoint(each)["relabelings"][0]["replacement"]: each for each in monitors}
    assert set(jobs) == {"api", "realtime", "workers", "nginx"}
    assert {each["kind"] for job, each in jobs.items() if job != "nginx"} == {kind}
    for job, each in jobs.items():
        there = [port["name"] for port in scraped(each, made)]
        assert endpoint(each)["port"] in there, job
        assert each["metadata"]["labels"]["release"] == "prometheus"


def endpoint(monitor: Document) -> dict[str, Any]:
    """Return the one endpoint of a monitor."""
    (found,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    return dict(found)


def scraped(monitor: Document, made: list[Document]) -> list[dict[str, Any]]:
    """Return the ports of the one Service, or kind of pod, that a monitor selects."""
    selector = monitor["spec"]["selector"]["matchLabels"]
    if monitor["kind"] == "ServiceMonitor":
        services = [each for each in made if each["kind"] == "Service"]
        (service,) = [each for each in services if selects(selector, each["metadata"]["labels"])]
        return list(service["spec"]["ports"])
    pods = [each["spec"]["template"] for each in made if each["kind"] in ("Deployment", "StatefulSet")]
    (pod,) = [each for each in pods if selects(selector, each["metadata"]["labels"])]
    return [port for container in pod["spec"]["containers"] for port in container.get("ports", [])]


def test_gateways_scale_by_a_metric_that_there_is() -> None:
    (gateways,) = [each for each in of_kind("full", "ScaledObject") if name(each).endswith("realtime")]
    (trigger,) = gateways["spec"]["triggers"]
    query = trigger["metadata"]["query"]
    assert query == 'sum(plaza_sockets{namespace="social"})'
    assert wrong(query.replace('{namespace="social"}', "")) == []
    assert "plaza_sockets" in dict(observability.all_metrics())
    horizontal = gateways["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert horizontal["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 120}]


def test_workers_scale_by_the_queues_of_the_code() -> None:
    (workers,) = [each for each in of_kind("full", "ScaledObject") if name(each).endswith("workers")]
    asked = [each["metadata"]["queueName"] for each in workers["spec"]["triggers"]]
    ours = topology.Topology("plaza", 8)
    assert sorted(asked) == sorted(queue for group in Group for queue in ours.queues_of(group))
    (broker,) = of_kind("full", "TriggerAuthentication")
    assert {each["authenticationRef"]["name"] for each in workers["spec"]["triggers"]} == {name(broker)}
    assert broker["spec"]["secretTargetRef"] == [{"parameter": "host", "name": "rabbit", "key": "uri"}]


def test_workers_on_sqs_scale_by_a_metric_that_there_is() -> None:
    queries = {
        name(each): trigger["metadata"]["query"]
        for each in of_kind("split", "ScaledObject")
        for trigger in each["spec"]["triggers"]
    }
    waiting = queries["plaza-workers-counters"]
    assert 'group=~"counters|accounts|activity", state="waiting"' in waiting
    assert wrong(waiting.replace('namespace="social", ', "")) == []
    assert len(queries) == 4


@pytest.mark.parametrize("broker", ["rabbitmq", "sqs"])
def test_roles_without_a_queue_keep_their_number(broker: str) -> None:
    groups = ["mail.roles={mail}", "jobs.roles={relay,sweeper}", "jobs.replicas=3"]
    words = [f"broker.kind={broker}", *(f"workers.groups.{each}" for each in groups)]
    made = documents("split", Helm4, *(word for each in words for word in ("--set", each)))
    scaled = {name(each): each["spec"]["triggers"] for each in made if each["kind"] == "ScaledObject"}
    assert "plaza-workers-jobs" not in scaled
    assert "plaza-workers-mail" in scaled
    assert all(scaled.values())
    (jobs,) = [each for each in made if each["kind"] == "Deployment" and name(each) == "plaza-workers-jobs"]
    assert jobs["spec"]["replicas"] == 3


def test_rabbitmq_is_asked_with_its_url_and_sqs_with_none() -> None:
    assert of_kind("split", "TriggerAuthentication") == []
