"""A release of the Helm chart, from its installation to its end, by the commands of the page on an imitated cluster."""

import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.charts import ROOT, Helm4, helm
from support.documents import blocks
from support.kubernetes import Kubernetes, imitated

Run = Callable[..., subprocess.CompletedProcess[str]]

LINES = [shlex.split(line) for block in blocks("docs/deploying.md", "Kubernetes") for line in block.text.splitlines()]
COMMANDS = [words[1:] for words in LINES if words[0] == "helm" and words[1] not in ("lint", "template")]
CHART, TRIAL = "deploy/helm/plaza", ["--values", "deploy/helm/plaza/ci/trial.yaml"]
OURS = ("api", "realtime", "workers")
EARLIER = sorted((ROOT / "tests/deploy/charts").glob("values-*.yaml"))


@pytest.fixture
def cluster() -> Iterator[Kubernetes]:
    with imitated() as cluster:
        yield cluster


@pytest.fixture
def run(cluster: Kubernetes, tmp_path: Path) -> Run:
    """Return a function that runs Helm on the cluster."""
    configuration = cluster.configuration(tmp_path)

    def run(verb: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        schemas = ["--disable-openapi-validation"] if verb in ("install", "upgrade") else []  # test_helm.py has them
        return helm(Helm4, verb, *words, *schemas, "--kubeconfig", configuration)

    return run


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def images(cluster: Kubernetes) -> dict[str, str]:
    """Return the image of each process that runs all the time."""
    running = [*cluster.objects["Deployment"].values(), *cluster.objects["StatefulSet"].values()]
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"]["containers"][0]["image"] for each in running}


def tags(cluster: Kubernetes) -> dict[str, str]:
    """Return the registry and tag of each of Plaza's own processes."""
    ours = {name.removeprefix("plaza-"): image for name, image in images(cluster).items() if "/plaza-" in image}
    return {name: image.replace(f"/plaza-{name}:", ":") for name, image in ours.items()}


def migrations(cluster: Kubernetes) -> set[str]:
    return {name for name in cluster.names("Job") if "-migration-" in name}


def passwords(cluster: Kubernetes) -> dict[str, Any]:
    return dict(cluster.objects["Secret"]["plaza-trial"]["data"])


def test_the_commands_of_the_page_lead_from_nothing_to_nothing(cluster: Kubernetes, run: Run) -> None:
    assert [words[0] for words in COMMANDS] == [
        "install",
        "status",
        *["upgrade"] * 3,
        "rollback",
        *["upgrade"] * 2,
        "uninstall",
    ]
    install, status, upgrade, workers_first, others, rollback, operator, no_operator, uninstall = COMMANDS
    assert "port-forward service/plaza-nginx" in good(run(*install))
    first, (migration,) = images(cluster), migrations(cluster)
    assert set(first) == {"plaza-api", "plaza-workers", "plaza-realtime", "plaza-nginx"}
    assert "STATUS: deployed" in good(run(*status))

    assert "exec deployment/plaza-api -- python -m social migrate --last" in good(run(*upgrade))
    assert tags(cluster) == dict.fromkeys(OURS, "registry.example.org/plaza:0.2.1"), "or the values before are lost"
    assert len(migrations(cluster)) == 1
    assert migration not in migrations(cluster)
    good(run(*workers_first))
    newer = "registry.example.org/plaza:0.2.2"
    assert tags(cluster) == dict.fromkeys(OURS, "registry.example.org/plaza:0.2.1") | {"workers": newer}
    good(run(*others))
    assert tags(cluster) == dict.fromkeys(OURS, newer)

    good(run(*rollback))
    assert tags(cluster)["api"] == "registry.example.org/plaza:0.2.1"
    good(run(*operator))
    assert tags(cluster)["operator"] == tags(cluster)["api"]
    good(run(*no_operator))
    assert set(images(cluster)) == set(first)
    good(run(*uninstall))
    assert {kind for kind, objects in cluster.objects.items() if objects} == set()
    assert cluster.unknown == []


def test_a_trial_keeps_its_passwords_and_pictures(cluster: Kubernetes, run: Run) -> None:
    good(run("install", "plaza", CHART, *TRIAL))
    made = passwords(cluster)
    assert len(set(made.values())) == 8
    good(run("upgrade", "plaza", CHART, *TRIAL, "--set", "partitions=8"))
    assert passwords(cluster) == made
    good(run("uninstall", "plaza"))
    assert {kind: set(objects) for kind, objects in cluster.objects.items() if objects} == {
        "Secret": {"plaza-trial"},
        "PersistentVolumeClaim": {"plaza-media"},
    }
    good(run("install", "plaza", CHART, *TRIAL))
    assert passwords(cluster) == made, "the volumes know the passwords of the first installation"


@pytest.mark.parametrize("earlier", EARLIER, ids=lambda path: path.stem)
def test_a_release_with_the_values_of_an_earlier_chart_is_upgraded_or_stays(
    cluster: Kubernetes, run: Run, earlier: Path
) -> None:
    good(run("install", "plaza", CHART, "--values", earlier))
    before = {kind: dict(objects) for kind, objects in cluster.objects.items()}
    refused = run("upgrade", "plaza", CHART, "--reuse-values", "--set", "ingress.enabled=true")
    assert (refused.returncode, "nginx.trustedProxies" in refused.stderr) == (1, True)
    assert {kind: dict(objects) for kind, objects in cluster.objects.items()} == before

    good(run("upgrade", "plaza", CHART, "--reuse-values", "--set", "api.replicas=3"))
    assert cluster.objects["Deployment"]["plaza-api"]["spec"]["replicas"] == 3
    # The cluster is an imitation: a change that Kubernetes refuses shows that it notices one.
    fixed = run("upgrade", "plaza", CHART, "--reuse-values", "--set", "media.persistence.storageClass=fast")
    assert (fixed.returncode, "storageClassName is immutable" in fixed.stderr) == (1, True)


def test_a_failed_migration_is_tried_again_by_an_upgrade_that_changes_nothing(cluster: Kubernetes, run: Run) -> None:
    good(run("install", "plaza", CHART, *TRIAL))
    failed = cluster.names("Job")
    assert len(failed) == 2  # the other makes MongoDB's replica set
    good(run("upgrade", "plaza", CHART, *TRIAL))
    assert len(cluster.names("Job")) == 2
    assert not failed & cluster.names("Job")


def test_scaling_begins_and_goes_on_with_the_pods_that_there_are(cluster: Kubernetes, run: Run) -> None:
    many = {"plaza-api": 5, "plaza-realtime": 7, "plaza-workers": 4, "plaza-nginx": 3}
    counts = [f"{name.removeprefix('plaza-')}.replicas={count}" for name, count in many.items()]
    good(run("install", "plaza", CHART, *sets(READS, *counts)))
    assert replicas(cluster) == many
    on = [f"{name.removeprefix('plaza-')}.autoscaling.enabled=true" for name in many]
    good(run("upgrade", "plaza", CHART, "--reuse-values", *sets(*on)))
    assert replicas(cluster) == many
    cluster.objects["StatefulSet"]["plaza-realtime"]["spec"]["replicas"] = 9
    good(run("upgrade", "plaza", CHART, "--reuse-values", *sets("keda.enabled=true")))
    assert replicas(cluster) == many | {"plaza-realtime": 9}
    assert cluster.names("ScaledObject") == {"plaza-realtime", "plaza-workers"}


READS = "networkPolicy.metrics[0].podSelector.matchLabels.app=prometheus"


def sets(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


def replicas(cluster: Kubernetes) -> dict[str, int]:
    running = {**cluster.objects["Deployment"], **cluster.objects["StatefulSet"]}
    return {name: each["spec"]["replicas"] for name, each in running.items()}


FIXED = {
    "trial.mongodb.size=16Gi": "trial.mongodb.size: was 8Gi",
    "media.persistence.accessModes={ReadWriteMany}": "media.persistence.accessModes: the claim plaza-media has",
    "media.persistence.storageClass=slow": "media.persistence.storageClass: the claim plaza-media has fast",
    "media.persistence.size=19Gi": "media.persistence.size: the claim plaza-media has 20480Mi",
}


def test_what_nobody_can_change_is_refused_with_the_reason(cluster: Kubernetes, run: Run) -> None:
    good(run("install", "plaza", CHART, *TRIAL, *sets("media.persistence.storageClass=fast")))
    claim = cluster.objects["PersistentVolumeClaim"]["plaza-media"]["spec"]
    claim["resources"]["requests"]["storage"] = "20480Mi"  # as Kubernetes may write 20Gi
    for change, reason in FIXED.items():
        refused = run("upgrade", "plaza", CHART, "--reuse-values", *sets(change))
        assert (refused.returncode, reason in refused.stderr) == (1, True), refused.stderr
    good(run("upgrade", "plaza", CHART, "--reuse-values", *sets("media.persistence.size=30Gi")))
