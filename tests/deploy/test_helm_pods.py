"""Pods of the Helm chart that differ from the others: nginx while it drains, the operator's, and those of a trial."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import require
from support.charts import Helm4, documents, name, pods

from devtools.generate.helm.chart import CHART


@pytest.fixture(autouse=True)
def needs() -> None:
    require(Helm4)


def test_nginx_keeps_websockets_for_as_long_as_its_pod_has() -> None:
    made = documents("default", Helm4, "--set", "nginx.drainSeconds=600")
    (files,) = [each["data"] for each in made if each["kind"] == "ConfigMap" and name(each) == "plaza-nginx"]
    assert re.findall(r"worker_shutdown_timeout (\w+);", files["nginx.conf"]) == ["600s"]


def test_the_operator_waits_with_what_a_migration_has() -> None:
    migration, operator = (dict(pod["spec"]) for process, pod in pods("full") if process == "migration")
    if migration["containers"][0].get("command"):
        migration, operator = operator, migration
    assert operator["containers"][0]["command"] == ["sleep", "infinity"]
    same = ("image", "env", "resources", "securityContext", "volumeMounts")
    assert all(operator["containers"][0][field] == migration["containers"][0][field] for field in same)
    assert "restartPolicy" not in operator, "Kubernetes refuses a Deployment whose pods may end"
    assert operator["shareProcessNamespace"], "sleep would not end as the first process"


def test_a_trial_takes_its_passwords_from_a_secret_that_exists() -> None:
    made = documents("trial", Helm4, "--set", "trial.existingSecret=mine")
    assert not [each for each in made if each["kind"] == "Secret"]
    named = (CHART / "README.md").read_text().partition("trial.existingSecret`, with the entries ")[2]
    entries = {*re.findall(r"`(\w+)`", named.partition("three URLs")[0]), "MONGO_URL", "REDIS_URL", "BROKER_URL"}
    assert {entry for secret, entry in asked(made) if secret != "plaza-keys"} == entries
    assert {secret for secret, _ in asked(made)} == {"mine", "plaza-keys"}


def asked(part: Any) -> Iterator[tuple[str, str]]:
    """Yield the Secrets, each with an entry, that pods read, wherever they are named."""
    inside = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
    if isinstance(part, dict) and "secretKeyRef" in part:
        yield part["secretKeyRef"]["name"], part["secretKeyRef"]["key"]
    elif isinstance(part, dict) and "items" in part.get("secret", {}):
        secret = part["secret"]
        yield from ((secret.get("name") or secret["secretName"], item["key"]) for item in secret["items"])
    for each in inside:
        yield from asked(each)
