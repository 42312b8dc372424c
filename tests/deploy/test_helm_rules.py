"""Promises of the Helm chart, in every set of values: what its pods get, may do, and may reach."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import require
from pydantic_settings import BaseSettings
from support.charts import (
    OURS,
    RELEASE,
    ROOT,
    VALUES,
    Document,
    Helm4,
    containers,
    documents,
    name,
    of_kind,
    pods,
    selects,
    setting,
    template,
    text,
)

from api.settings import SERVICES, ApiSettings
from devtools.generate.helm.schema import DECIDED
from devtools.generate.nginx import SOURCE
from devtools.generate.settings import AWS, names_of
from realtime.settings import Settings as RealtimeSettings
from social.infra.security.keyfiles import make_keys
from social.infra.settings import Connections, StoreSettings, load
from workers.settings import ROLES, WorkerSettings

SETTINGS: dict[str, type[BaseSettings]] = {
    "api": ApiSettings,
    "realtime": RealtimeSettings,
    "workers": WorkerSettings,
    "migration": StoreSettings,
}
KNOWN = {process: names_of(process) for process in ("api", "realtime", "workers")}
KNOWN["migration"] = {field.upper() for field in Connections.model_fields} | {"MONGO_URL_FILE"}
# What is no setting: the number in NODE_NAME, and what the AWS tools read.
BESIDE = {"POD_INDEX", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SSL_CERT_DIR"}
PORTS = {"api": 8080, "realtime": 8081, "workers": 8082, "nginx": 8080}
COMPOSE = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]

every = pytest.mark.parametrize("values", VALUES)


@pytest.fixture(autouse=True)
def needs() -> None:
    require(Helm4)


def ours(values: str) -> list[tuple[str, Document]]:
    """Return the containers of Plaza's processes."""
    return [(process, each) for process, each in containers(values) if process in OURS]


def variables(container: Document) -> set[str]:
    """Return the names of a container's environment."""
    return {each["name"] for each in container["env"]}


@every
def test_a_container_may_do_little_and_take_no_more_than_its_share(values: str) -> None:
    for process, pod in pods(values):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False, "a variable like API_PORT of a Service would be taken for a setting"
        assert not any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")), process
    for process, each in containers(values):
        context = each["securityContext"]
        assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)
        assert context["capabilities"] == {"drop": ["ALL"]}
        for bound in ("requests", "limits"):
            assert set(each["resources"][bound]) == {"cpu", "memory"}, process
        assert {"name": "tmp", "mountPath": "/tmp"} in each.get("volumeMounts", []) or each["name"] == "exporter"


@every
def test_an_image_is_one_exact_version(values: str) -> None:
    images = {each["image"] for _, each in containers(values)}
    others = {image for image in images if "plaza-" not in image}
    assert others <= {each.get("image") for each in COMPOSE.values()}, "compose.yml runs another version"
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert version
    tag = "0.2.0-rc.1" if values == "full" else version[1]
    assert all(image.endswith(f":{tag}") for image in images - others), "appVersion in Chart.yaml is another"


@every
def test_a_process_gets_all_settings_it_needs_and_none_it_does_not_know(
    values: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    make_keys(tmp_path)
    for server, url in URLS.items():
        (tmp_path / server).write_text(url)
    for process, each in ours(values):
        assert len(variables(each)) == len(each["env"]), "a variable is there twice"
        assert variables(each) - BESIDE <= KNOWN[process]
        for variable in set().union(*KNOWN.values()):
            monkeypatch.delenv(variable, raising=False)
        for one in each["env"]:
            value = one.get("value") or "7"
            monkeypatch.setenv(one["name"], re.sub("^/data/(keys|urls)", str(tmp_path), value))
        monkeypatch.setenv("NODE_NAME", "realtime-7")
        loaded: Any = load(SETTINGS[process], process)  # names what is missing or wrong
        if process == "realtime":
            assert setting(each, "NODE_NAME") == "realtime-$(POD_INDEX)"
            assert "metadata.labels['apps.kubernetes.io/pod-index']" in str(each["env"])
        if process != "migration":
            assert each["ports"] == [{"name": "http", "containerPort": getattr(loaded, f"{process}_port")}]
            assert PORTS[process] == each["ports"][0]["containerPort"]


URLS = {"mongodb": "mongodb://mongo", "redis": "redis://redis", "broker": "amqp://rabbitmq", "mail": "smtp://mail"}


def test_settings_that_the_chart_decides_are_no_values() -> None:
    """None can be set twice, and the list names none that the chart forgot."""
    given = {variable for values in VALUES for process, each in ours(values) for variable in variables(each)}
    allowed = set().union(*KNOWN.values()) - DECIDED - BESIDE
    examples = "\n".join(path.read_text() for path in VALUES.values() if path)
    assert {variable for variable in given & allowed if f"{variable}: " not in examples} == set()
    other_spellings = {"AMQP_URL", "JWKS", "JWT_PRIVATE_KEY", "REFRESH_KEY", "PID_KEY", "PORT"}
    assert DECIDED - given == other_spellings | {f"{each}_URL" for each in ("MONGO", "REDIS", "BROKER")}
    assert not {variable for variable in allowed if variable.endswith("_FILE")} - {"LOG_FILE"} - set(AWS)


def test_numbers_arrive_as_they_were_written() -> None:
    (realtime,) = [each for process, each in containers("full") if process == "realtime"]
    assert setting(realtime, "MAX_BUFFERED_BYTES") == "1000000"
    assert setting(realtime, "LOG_FILE_BYTES") == "20000000"
    assert setting(realtime, "TRACES_SAMPLED") == "0.05"


@every
def test_services_and_roles_are_served_once_each(values: str) -> None:
    served: dict[str, list[str]] = defaultdict(list)
    for process, each in containers(values):
        if process == "api":
            served[process] += (setting(each, "API_SERVICES") or ",".join(SERVICES)).split(",")
        if process == "workers":
            served[process] += (setting(each, "WORKER_ROLES") or ",".join(ROLES)).split(",")
    assert sorted(served["api"]) == sorted(SERVICES)
    assert sorted(served["workers"]) == sorted(ROLES)


@every
def test_no_secret_is_in_a_pod_and_only_who_signs_sees_what_signs(values: str) -> None:
    secrets = of_kind(values, "Secret")
    assert [name(each) for each in secrets] == ([f"{RELEASE}-trial"] if values == "trial" else [])
    private = [value for each in secrets for key, value in each["stringData"].items() if key.endswith("PASSWORD")]
    assert [len(each) for each in private] == [40] * (5 if secrets else 0)
    elsewhere = str([each for each in documents(values) if each["kind"] != "Secret"])
    assert not any(password in elsewhere for password in private)
    assert not re.search(r"://[^/\s\"']+:[^$/\s\"']+@", elsewhere), "a password in a URL"
    for process, pod in pods(values):
        mails = process == "workers" and "MAILER_URL_FILE" in str(pod)
        signs = process == "api" and "JWT_PRIVATE_KEY_FILE" in str(pod)
        keys = {"api": {"jwks.json"}, "realtime": {"jwks.json", "pid.key"}}.get(process, set())
        keys |= {"jwt.pem", "refresh.key"} if signs else set()
        urls = {"migration": {"mongodb"}}.get(process, {"mongodb", "redis", "broker"} if process in OURS else set())
        assert files(pod, "keys") == keys
        assert files(pod, "urls") == urls | ({"mail"} if mails else set())
        for one in (one for each in pod["spec"]["containers"] for one in each.get("env", []) if "value" in one):
            assert not re.search(r"PASS|SECRET|(MONGO|REDIS|BROKER)_URL$", one["name"])


def files(pod: Document, name: str) -> set[str]:
    """Return the files of Secrets in a volume."""
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == name] or [{}]
    sources = [each["secret"] for each in [*volume.get("projected", {}).get("sources", []), volume] if "secret" in each]
    return {item["path"] for each in sources for item in each["items"]}


@every
def test_every_socket_and_request_gets_its_time(values: str) -> None:
    cut = re.search(r"worker_shutdown_timeout (\d+)s", (SOURCE / "nginx.conf").read_text())
    assert cut
    for process, pod in pods(values):
        if process not in PORTS:
            continue
        (container,) = [each for each in pod["spec"]["containers"] if each["name"] == process]
        waits = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drains = {"nginx": int(cut[1]), "workers": 15}.get(process) or float(setting(container, "DRAIN_S") or 0)
        assert pod["spec"]["terminationGracePeriodSeconds"] == waits + drains + 15
        if process != "nginx":
            probes = {
                kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")
            }
            assert probes == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


@every
def test_what_an_object_points_to_is_there(values: str) -> None:
    running = of_kind(values, "Deployment", "StatefulSet")
    labels = {(each["kind"], name(each)): each["spec"]["template"]["metadata"]["labels"] for each in running}
    services = [each["metadata"]["labels"] for each in of_kind(values, "Service")]
    for each in of_kind(values, "Service", "PodDisruptionBudget", "PodMonitor", "ServiceMonitor"):
        selector = each["spec"]["selector"]
        among = services if each["kind"] == "ServiceMonitor" else labels.values()
        assert len([one for one in among if selects(selector.get("matchLabels", selector), one)]) == 1, name(each)
    for each in of_kind(values, "HorizontalPodAutoscaler", "ScaledObject"):
        target = each["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in labels
    for each in running:
        scaled = [one for one in of_kind(values, "HorizontalPodAutoscaler", "ScaledObject") if name(one) == name(each)]
        assert len(scaled) <= 1
        for one in scaled:
            least = one["spec"].get("minReplicas") or one["spec"]["minReplicaCount"]
            assert each["spec"]["replicas"] == least, "one pod alone would be left where scaling is switched on"
    for _, pod in pods(values):
        volumes = {each["name"] for each in pod["spec"]["volumes"]} | {"data"}
        for each in pod["spec"]["containers"]:
            assert {mount["name"] for mount in each.get("volumeMounts", [])} <= volumes
    claims = {name(each) for each in of_kind(values, "PersistentVolumeClaim")}
    assert claims == set(re.findall(r"claimName: (\S+)", text(values)))


def test_what_is_set_for_all_pods_reaches_every_pod() -> None:
    for process, pod in pods("full"):
        spec = pod["spec"]
        assert spec["nodeSelector"] == {"kubernetes.io/arch": "arm64"}, process
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert spec["priorityClassName"] == "important"
        assert spec["serviceAccountName"] == "social"
        assert (pod["metadata"]["labels"]["tier"], pod["metadata"]["labels"]["team"]) == ("social", "social")
        assert "authorities" in {each["name"] for each in spec["volumes"]}
    for each in of_kind("full", "Service"):
        assert (each["spec"]["ipFamilyPolicy"], each["spec"]["ipFamilies"]) == ("PreferDualStack", ["IPv6", "IPv4"])
    assert all(each["metadata"]["labels"]["team"] == "social" for each in documents("full"))


def test_a_group_wins_over_its_process_with_an_empty_value_too() -> None:
    api = {name(each): each["spec"]["template"]["spec"] for each in of_kind("split", "Deployment")}
    posts, media = api["plaza-api-posts"], api["plaza-api-media"]
    assert "lifecycle" not in posts["containers"][0]
    assert media["nodeSelector"] == {"pool": "pictures"}
    assert "nodeSelector" not in posts


def test_no_name_is_longer_than_kubernetes_takes() -> None:
    """Names of Services and Jobs, and labels, have up to 63 characters."""
    longest = ["fullnameOverride=" + "a" * 80, "image.tag=" + "9" * 60, "nameOverride=" + "b" * 80]
    longest += [f"workers.groups.{'c' * 16}.roles={{{','.join(ROLES)}}}"]
    longest += [f"api.groups.{'d' * 16}.services={{{','.join(SERVICES)}}}"]
    for each in documents("trial", Helm4, *(word for value in longest for word in ("--set-string", value))):
        assert len(name(each)) <= 63, name(each)
        labels = [each, each["spec"].get("template", each)] if "spec" in each else [each]
        assert not [value for one in labels for value in one["metadata"]["labels"].values() if len(value) > 63]


def test_a_value_may_be_taken_away() -> None:
    """OpenShift chooses users itself, so none of the chart may be left where they are set to null."""
    fields = ("podSecurityContext.runAsUser=null", "podSecurityContext.fsGroup=null")
    users = [f"{where}.{field}" for where in ("pod", "nginx") for field in fields]
    made = documents("default", Helm4, *(word for each in users for word in ("--set", each)))
    pods = [each["spec"]["template"] for each in made if "template" in each.get("spec", {})]
    contexts = [each["spec"]["securityContext"] for each in pods]
    assert len(contexts) == 5
    assert all(each["runAsNonRoot"] and not {"runAsUser", "fsGroup"} & each.keys() for each in contexts)


def test_the_chart_may_be_a_part_of_another() -> None:
    done = template(Helm4, "--set", "enabled=true", "--set", "global.imageRegistry=registry.example.org")
    assert done.returncode == 0, done.stderr
