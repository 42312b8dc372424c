"""The commands for Kubernetes, in pages and in what Helm says after it installed, name what there is."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from conftest import require
from support.charts import HELMS, Document, Helm3, Helm4, helm, name, selects
from support.documents import blocks

from devtools.generate.helm import values
from devtools.generate.helm.chart import CHART, readme
from social.__main__ import parser

PAGE = "docs/deploying.md"
WORDS = [shlex.split(line) for block in blocks(PAGE, "Kubernetes") for line in block.text.splitlines()]
HELM = [words[1:] for words in WORDS if words[0] == "helm"]
ALONE = ("lint", "template")
KUBECTL = [words[1:] for words in WORDS if words[0] == "kubectl"]
SCALED = {"deployment": "Deployment", "statefulset": "StatefulSet", "service": "Service"}


@pytest.fixture(autouse=True)
def needs() -> None:
    require(Helm4)


@pytest.mark.parametrize("kind", HELMS)
@pytest.mark.parametrize("words", [words for words in HELM if words[0] in ALONE], ids=" ".join)
def test_helm_runs_the_commands_that_need_no_cluster(words: list[str], kind: type[Helm4]) -> None:
    done = helm(kind, *words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [words for words in HELM if words[0] not in ALONE], ids=" ".join)
def test_the_helm_before_has_the_options_too(words: list[str]) -> None:
    """Helm 4 runs these commands in test_helm_release.py."""
    done = helm(Helm3, *words, "--help")
    assert done.returncode == 0, done.stderr


def installed(*words: str) -> tuple[str, list[Document]]:
    """Return what Helm says after an installation, and the objects it made."""
    done = helm(Helm4, "install", "plaza", CHART, "--namespace", "plaza", "--dry-run=client", *words)
    assert done.returncode == 0, done.stderr
    manifest, _, notes = done.stdout.partition("\nNOTES:\n")
    made = list(yaml.load_all(manifest.partition("\nMANIFEST:\n")[2], Loader=yaml.CSafeLoader))
    return notes, [each for each in made if each]


def exists(words: list[str], made: list[Document]) -> bool:
    """Return whether a command of kubectl names objects that there are, in the namespace of the page."""
    assert words[:2] == ["--namespace", "plaza"] or words[0] == "create"
    there = {(each["kind"], name(each)) for each in made}
    named = [word.partition("/")[::2] for word in words if word.partition("/")[0] in SCALED]
    if "job" in words or "logs" in words:
        selector = dict(each.split("=", 1) for each in words[words.index("--selector") + 1].split(","))
        jobs = [each for each in made if each["kind"] == "Job"]
        labels = [(each if "job" in words else each["spec"]["template"])["metadata"]["labels"] for each in jobs]
        return [selects(selector, each) for each in labels].count(True) == 1
    return all((SCALED[kind], one) in there for kind, one in named)


def test_kubectl_is_told_of_what_there_is() -> None:
    _, made = installed("--set", "operator.enabled=true")
    assert len(KUBECTL) > 8
    for words in KUBECTL:
        assert exists(words, made), words
        if "social" in words:
            parser().parse_args(words[words.index("social") + 1 :])
    secrets = [words[words.index("generic") + 1] for words in KUBECTL if "generic" in words]
    assert sorted(secrets) == ["plaza-keys", "plaza-servers"]
    asked = set(wanted(made))
    assert asked == set(secrets)


def wanted(node: Any) -> Iterator[str]:
    """Yield the name of each Secret that pods use."""
    for each in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        yield from wanted(each)
    if isinstance(node, dict):
        yield from ([node["secretName"]] if "secretName" in node else [])
        yield from (node[key]["name"] for key in ("secret", "secretKeyRef") if "name" in node.get(key, {}))


def test_no_process_runs_while_a_release_is_restored() -> None:
    """The runbook says so; only the operator's pod, which no `scale` names, has commands to run."""
    steps = [each[2] for each in KUBECTL]
    (restored,) = [at for at, words in enumerate(KUBECTL) if "restored" in words]
    scaled = [at for at, step in enumerate(steps) if step == "scale"]
    down, up = KUBECTL[scaled[0]], KUBECTL[scaled[-1]]
    assert (down[-1], up[-1], len(scaled)) == ("--replicas=0", "--replicas=2", 2)
    assert down[3:-1] == up[3:-1] == ["deployment/plaza-api", "deployment/plaza-workers", "statefulset/plaza-realtime"]
    assert scaled[0] < steps.index("wait") < restored < scaled[1]
    assert {KUBECTL[at][3] for at in range(scaled[0], scaled[1]) if steps[at] == "exec"} == {
        "deployment/plaza-operator"
    }


@pytest.mark.parametrize("chosen", ["minimal", "trial", "full", "split"])
def test_what_helm_says_next_names_what_there_is(chosen: str) -> None:
    notes, made = installed("--values", f"deploy/helm/plaza/ci/{chosen}.yaml")
    lines = notes.replace("\\\n", " ").splitlines()
    lines = [shlex.split(line) for line in lines if line.strip().startswith("kubectl")]
    assert len(lines) >= 4
    for words in lines:
        assert exists(words[1:], made), words
    for said in re.findall(r"python -m social (.+)", notes):
        parser().parse_args(shlex.split(said))
    made_by_hand = {words[words.index("generic") + 1] for words in lines if "generic" in words}
    own = {name(each) for each in made if each["kind"] == "Secret"}
    assert {"plaza-keys", "from-vault"} & made_by_hand
    assert len(made_by_hand) == {"minimal": 2, "trial": 1, "full": 4, "split": 2}[chosen]
    assert not made_by_hand & own
    assert ("for a trial" in notes) == (chosen == "trial")
    assert ("python -m social queues" in notes) == (chosen == "split")
    assert ("BROKER_URL='sqs://" in notes) == (chosen == "split")
    assert "<" not in notes
    assert "\n\n\n" not in notes


def test_the_readme_names_every_template_and_value() -> None:
    text = (CHART / "README.md").read_text()
    for path in (CHART / "templates").iterdir():
        assert f"`{path.name}`" in text or path.name in ("NOTES.txt", "_deployment.tpl", "_trial.tpl")
    named = set(re.findall(r"`([a-z]\w+(?:\.\w+)+)`", text.split("## Values")[0]))
    paths = {each.path for top in values.read((CHART / values.NAME).read_text()) for each in top.walk()}
    settings = {f"{process}.settings.{host}" for process, host in HOSTS.items()}
    files = {path.name for path in [*(CHART / "templates").iterdir(), *CHART.iterdir()]} | {"jwt.pem", "jwks.json"}
    assert named - files - settings <= paths | {"realtime.priorityClassName"}
    assert "realtime.priorityClassName".partition(".")[2] in {each.removeprefix("pod.") for each in paths}


HOSTS = {"api": "API_HOST", "realtime": "REALTIME_HOST", "workers": "WORKERS_HOST"}


def test_every_value_has_a_description() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (.*?) \| (.*) \|$", readme((CHART / "README.md").read_text()), re.M)
    assert len(rows) > 150
    assert [path for path, _, said in rows if not said] == []


def test_the_table_of_values_is_made_of_comments() -> None:
    text = "# how many\ncopies: 2\n# where\nplace:\n  # its name\n  name: a\n  # its parts\n  parts:\n    one: 1\n"
    assert values.tables(text) == (
        "### Everything\n\n| value | default | description |\n|---|---|---|\n| `copies` | `2` | how many |\n\n"
        "### `place`\n\nwhere\n\n| value | default | description |\n|---|---|---|\n"
        '| `place.name` | `a` | its name |\n| `place.parts` | `{"one":1}` | its parts |\n'
    )
