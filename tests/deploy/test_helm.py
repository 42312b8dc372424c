"""The Helm chart: both Helms take it, every Kubernetes takes what it renders, and it refuses what would not work."""

import json
import re
import subprocess
import zipfile
from functools import lru_cache
from pathlib import Path

import jsonschema_rs
import pytest
from conftest import require
from support.browser import require_node
from support.charts import (
    HELMS,
    RELEASE,
    ROOT,
    TOOLS,
    VALUES,
    Document,
    Helm3,
    Helm4,
    Schemas,
    documents,
    helm,
    name,
    of_kind,
    template,
    text,
)
from support.kubernetes import FIXED

from devtools.generate.helm.chart import CHART
from devtools.generate.helm.values import read

KUBERNETES = [f"1.{minor}" for minor in range(30, 38)]
CUSTOM = re.compile(r"^(keda\.sh|monitoring\.coreos\.com|gateway\.networking\.k8s\.io)/")
BASE = "kubernetes:/api/"


@pytest.mark.parametrize("kind", HELMS)
@pytest.mark.parametrize("values", VALUES)
def test_helm_has_no_complaint(values: str, kind: type[Helm4]) -> None:
    path = VALUES[values]
    done = helm(kind, "lint", "--strict", CHART, *(["--values", path] if path else []))
    assert (done.returncode, "[WARNING]" in done.stdout) == (0, False), done.stdout + done.stderr


@pytest.mark.parametrize("values", VALUES)
def test_both_helms_render_the_same(values: str) -> None:
    def by_name(kind: type[Helm4]) -> dict[tuple[str, str], Document]:
        found = {(each["kind"], name(each)): each for each in documents(values, kind)}
        found.pop(("Secret", f"{RELEASE}-trial"), None)  # its passwords are random
        return found

    assert by_name(Helm3) == by_name(Helm4)
    assert len(by_name(Helm4)) > 10


@lru_cache
def validator(version: str, document_kind: str, group_version: str) -> jsonschema_rs.Draft202012Validator:
    group, _, api = group_version.rpartition("/")
    kind = "-".join([document_kind.lower(), *([group.split(".")[0]] if group else []), api])
    schema = published(version, kind) | {"$id": f"{BASE}{kind}.json"}
    return jsonschema_rs.Draft202012Validator(schema, registry=definitions(version))


@lru_cache
def definitions(version: str) -> jsonschema_rs.Registry:
    found = published(version, "_definitions")
    return jsonschema_rs.Registry([(f"{BASE}_definitions.json", found)], draft=jsonschema_rs.Draft202012)


def published(version: str, name: str) -> Document:
    """Return a file of the schemas of this version of Kubernetes, in which unknown fields are errors."""
    folder = f"kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict"
    return dict(json.loads(schemas().read(f"{folder}/{name}.json")))


@lru_cache
def schemas() -> zipfile.ZipFile:
    return zipfile.ZipFile(TOOLS / "kubernetes.whl")


def complaints(version: str, document: Document) -> list[str]:
    """Return where a Kubernetes of this version would refuse the object, or know a field that it does not."""
    errors = validator(version, document["kind"], document["apiVersion"]).iter_errors(document)
    return [f"{name(document)} {list(each.instance_path)}: {each.message}" for each in errors]


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(version: str) -> None:
    require(Helm4)
    require(Schemas)
    checked = [each for values in VALUES for each in documents(values) if not CUSTOM.match(each["apiVersion"])]
    assert len(checked) > 100
    assert [said for each in checked for said in complaints(version, each)] == []


@pytest.mark.parametrize("version", [KUBERNETES[0], KUBERNETES[-1]])
def test_a_field_that_kubernetes_does_not_know_is_noticed(version: str) -> None:
    require(Helm4)
    require(Schemas)
    (found,) = of_kind("minimal", "StatefulSet")
    wrong = json.loads(json.dumps(found).replace('"replicas"', '"replica"').replace('"seconds": 10', '"seconds": "10"'))
    assert len(complaints(version, wrong)) == 2


def test_prometheus_keda_and_gateways_take_their_objects(tmp_path: Path) -> None:
    """The types of their authors know every field, and their own rules hold."""
    require(Helm4)
    require_node("@kubernetes-models/keda")
    ours = [each for each in documents("full") if CUSTOM.match(each["apiVersion"])]
    pod_monitors = documents(
        "split", Helm4, "--set", "metrics.monitor.enabled=true", "--set", "nginx.exporter.enabled=true"
    )
    ours += [each for each in pod_monitors if each["kind"] == "PodMonitor"]
    assert {each["kind"] for each in ours} == {
        *("ScaledObject", "TriggerAuthentication", "PrometheusRule", "ServiceMonitor", "PodMonitor", "HTTPRoute")
    }
    script = tmp_path / "objects.ts"
    script.write_text(typed(ours))
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    options = ["--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]
    for command in (["node_modules/typescript/bin/tsc", *options, script.name], [script.with_suffix(".js").name]):
        done = subprocess.run(["node", *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def typed(objects: list[Document]) -> str:
    """Return a program that validates these objects of Kubernetes' extensions, and one that has a field too many."""
    packages = {"keda.sh": "keda", "monitoring.coreos.com": "prometheus-operator"}
    lines = {
        f'import {{ {each["kind"]} }} from "@kubernetes-models/'
        f'{packages.get(each["apiVersion"].split("/")[0], "gateway-api")}/{each["apiVersion"]}/{each["kind"]}";'
        for each in objects
    }
    program = [*sorted(lines)]
    for each in objects:
        said = {"metadata": each["metadata"], "spec": each["spec"]}
        program.append(f"new {each['kind']}({json.dumps(said)}).validate();")
    wrong = {"metadata": objects[0]["metadata"], "spec": objects[0]["spec"] | {"nothing": 1}}
    program += ["// @ts-expect-error", f"() => new {objects[0]['kind']}({json.dumps(wrong)});"]
    return "\n".join(program)


WRONG = [
    ("api.replica=3", "api"),
    ("replicas=3", "(root)"),
    ("api.groups.all.servicess={auth}", "api.groups.all"),
    ("api.groups.all.services={auths}", "api.groups.all.services.0"),
    ("workers.groups.all.roles={}", "workers.groups.all.roles.0"),
    ("api.settings.RATE_LOGINS=9/60", "api.settings"),
    ("api.settings.DRAIN_S=9", "api.settings"),
    ("settings.MONGO_URL=mongodb://plaza:secret@mongo", "settings"),
    ("realtime.settings.SOCKETS_PER_USER=many", "realtime.settings.SOCKETS_PER_USER"),
    ("realtime.settings.PING_INTERVAL_S=0", "realtime.settings.PING_INTERVAL_S"),
    ("url=plaza.example.org", "url"),
    ("url=https://plaza.example.org/social", "url"),
    ("keys.existingSecret=", "keys.existingSecret"),
    ("api.resources.limits=null", "api.resources"),
    ("nginx.service.type=Ingress", "nginx.service.type"),
    ("nginx.trustedProxies={10.0.0.1}", "nginx.trustedProxies.0"),
    ("media.url=file:/data", "media.url"),
    ("metrics.monitor.kind=Monitor", "metrics.monitor.kind"),
    ("partitions=65", "partitions"),
    ("pod.extraEnv=A", "pod.extraEnv"),
    ("trial.mongodb.size=8", "trial.mongodb.size"),
    (r"commonLabels.app\.kubernetes\.io/name=x", "commonLabels.app.kubernetes.io.name"),
    (r"api.podLabels.plaza/process=x", "api.podLabels.plaza.process"),
    ("broker.kind=kafka", "broker.kind"),
]


@lru_cache
def refusal(kind: type[Helm4]) -> str:
    """Return what Helm says to all wrong values, in the spelling of Helm 3."""
    done = template(kind, *(word for value, _ in WRONG for word in ("--set", value)))
    assert done.returncode == 1
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip().startswith("- ")]
    said = [line.removeprefix("- ").replace("at ''", "(root)").removeprefix("at '/") for line in lines]
    return "\n".join(line.replace("~1", "/").replace("/", ".").replace("'", "") for line in said)


@pytest.mark.parametrize("kind", HELMS)
@pytest.mark.parametrize(("value", "path"), WRONG)
def test_a_wrong_value_is_refused_with_its_path(kind: type[Helm4], value: str, path: str) -> None:
    said = [line for line in refusal(kind).splitlines() if line.startswith(f"{path}: ")]
    name = value.partition("=")[0].rpartition(".")[2]
    assert said
    assert path.endswith(name) or len(said) == 1 or any(name in line for line in said), "another value is refused"


READS = "networkPolicy.metrics[0].podSelector.matchLabels.app=prometheus"
ONE = "api.groups.one.services={auth,users,search,follows,posts,comments,likes,feeds,notifications,media}"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([ONE], "api.groups: no group serves reports"),
        ([ONE, "api.groups.two.services={reports,auth}"], "api.groups.two.services: another group serves auth too"),
        (["workers.groups.all.roles={relay}"], "workers.groups: no group has the role notifications"),
        (["ingress.enabled=true", "ingress.hosts={a}"], "nginx.trustedProxies: is needed with ingress or httpRoute"),
        (["ingress.enabled=true", "nginx.trustedProxies={10.0.0.0/8}"], "ingress.hosts: names no host"),
        (["httpRoute.enabled=true", "nginx.trustedProxies={10.0.0.0/8}"], "httpRoute.parentRefs: names no Gateway"),
        (["api.autoscaling.minReplicas=9"], "api.autoscaling.minReplicas: is more than maxReplicas"),
        (["image.tag=latest"], "latest is no version"),
        (["metrics.monitor.enabled=true"], "networkPolicy.metrics: names nobody, so Prometheus could not read"),
        (["keda.enabled=true"], "networkPolicy.metrics: names nobody, so Prometheus could not read"),
        (["trial.enabled=true", "broker.kind=sqs"], "broker.kind: a trial runs RabbitMQ"),
        (["trial.enabled=true", "keda.enabled=true", READS], "keda.enabled: no policy lets KEDA ask"),
        (["nginx.image=nginx:latest"], "nginx.image: latest is no version"),
    ],
)
def test_values_that_would_not_work_together_are_refused_with_the_reason(values: list[str], reason: str) -> None:
    done = template(Helm4, *(word for value in values for word in ("--set", value)))
    assert (done.returncode, reason in done.stderr) == (1, True), done.stderr


EARLIER = sorted((Path(__file__).parent / "charts").glob("values-*.yaml"))


@pytest.mark.parametrize("earlier", EARLIER, ids=lambda path: path.stem)
def test_the_values_of_an_earlier_chart_still_work(earlier: Path) -> None:
    """All of them are given, as somebody may have set any; a later chart may refuse one only with its reason."""
    done = template(Helm4, "--values", earlier)
    assert done.returncode == 0, done.stderr


def test_each_chart_leaves_its_values_for_its_successors() -> None:
    version = re.search(r"^version: (\S+)$", (CHART / "Chart.yaml").read_text(), re.M)
    assert version
    kept = Path(__file__).parent / "charts" / f"values-{version[1]}.yaml"
    now, then = (paths(path.read_text()) for path in (CHART / "values.yaml", kept))
    assert now == then, f"copy values.yaml to {kept.name}, or raise the chart's version and keep both"


def paths(text: str) -> set[str]:
    return {each.path for top in read(text) for each in top.walk()}


@pytest.mark.parametrize("values", VALUES)
def test_an_upgrade_changes_nothing_that_kubernetes_keeps(values: str) -> None:
    changes = ["image.tag=9.9.9", "partitions=16", "settings.LOG_LEVEL=error", "pod.podLabels.new=label"]
    changes += ["migration.resources.limits.memory=1Gi", "pod.priorityClassName=other"]
    later = documents(values, Helm4, *(word for each in changes for word in ("--set", each)))
    before = {(each["kind"], name(each)): each for each in documents(values)}
    same = [each for each in later if (each["kind"], name(each)) in before]
    assert len(same) > len(later) * 0.8
    for each in same:
        for field in FIXED.get(each["kind"], []):
            assert each["spec"].get(field) == before[each["kind"], name(each)]["spec"].get(field), (name(each), field)
    migrations = [{name(job) for job in some if job["kind"] == "Job"} for some in (before.values(), later)]
    assert not migrations[0] & migrations[1], "a Job that Kubernetes does not let change has its old name"


def test_the_chart_is_packed_with_all_it_reads(tmp_path: Path) -> None:
    assert helm(Helm4, "package", CHART, "--destination", tmp_path).returncode == 0
    (packed,) = tmp_path.iterdir()
    assert packed.stat().st_size < 200_000  # Kubernetes keeps it in a Secret of at most 1 MiB, with all it rendered
    done = helm(Helm4, "template", RELEASE, packed, "--namespace", "social", "--values", CHART / "ci/full.yaml")
    assert done.stdout == text("full")
