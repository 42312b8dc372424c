"""The Helm chart as Helm renders it, each set of values once for each Helm."""

import os
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from shutil import which
from typing import Any

import yaml
from conftest import require

from devtools.cluster.server import Server
from devtools.generate.helm.chart import CHART
from devtools.generate.nginx import HERE as ROOT

TOOLS = ROOT / ".venv" / "tools"
VALUES = {"default": None, **{path.stem: path for path in sorted((CHART / "ci").glob("*.yaml"))}}
OURS = ("api", "realtime", "workers", "migration")  # processes of Plaza
RELEASE, NAMESPACE = "plaza", "social"

Document = dict[str, Any]


class Helm4(Server):
    """A Helm, that `make chart-tools` installed or the PATH leads to."""

    major = 4

    @classmethod
    def program(cls) -> str | None:
        """Return its path, or None where there is none of this major version."""
        if (installed := TOOLS / f"helm{cls.major}").exists():
            return str(installed)
        other = which("helm")
        said = (
            subprocess.run([other, "version", "--short"], capture_output=True, text=True, check=False).stdout
            if other
            else ""
        )
        return other if said.startswith(f"v{cls.major}.") else None

    @classmethod
    def missing(cls) -> str | None:
        return None if cls.program() else f"Helm {cls.major} is not installed: make chart-tools"


class Helm3(Helm4):
    """The Helm before."""

    major = 3


HELMS = (Helm4, Helm3)


class Schemas(Server):
    """The schemas of Kubernetes, that `make chart-tools` installed."""

    @classmethod
    def missing(cls) -> str | None:
        return (
            None if (TOOLS / "kubernetes.whl").exists() else "the schemas of Kubernetes are missing: make chart-tools"
        )


# Helm runs for a moment: to collect its garbage takes as long as its work.
FAST = {**os.environ, "GOGC": "off", "GOMEMLIMIT": "1GiB"}


def helm(kind: type[Helm4], *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Helm in the folder of the project."""
    require(kind)
    program = kind.program()
    assert program is not None
    return subprocess.run([program, *words], cwd=ROOT, env=FAST, capture_output=True, text=True, check=False)


def template(kind: type[Helm4], *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Render the chart as a release of these values."""
    return helm(kind, "template", RELEASE, CHART, "--namespace", NAMESPACE, *words)


@lru_cache
def text(values: str, kind: type[Helm4] = Helm4, *words: str) -> str:
    """Return what the chart is with these values, as Helm writes it."""
    path = VALUES[values]
    done = template(kind, *(["--values", path] if path else []), *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@lru_cache
def documents(values: str, kind: type[Helm4] = Helm4, *words: str) -> list[Document]:
    """Return the objects of the chart with these values; nobody may change them."""
    return [each for each in yaml.load_all(text(values, kind, *words), Loader=yaml.CSafeLoader) if each]


def of_kind(values: str, *kinds: str) -> list[Document]:
    """Return the objects of these kinds."""
    return [each for each in documents(values) if each["kind"] in kinds]


def name(document: Document) -> str:
    """Return the name of an object."""
    return str(document["metadata"]["name"])


def pods(values: str) -> Iterator[tuple[str, Document]]:
    """Yield the pod of each Deployment, StatefulSet and Job, with the process it runs."""
    for each in of_kind(values, "Deployment", "StatefulSet", "Job"):
        template = each["spec"]["template"]
        yield template["metadata"]["labels"]["plaza/process"], template


def containers(values: str) -> Iterator[tuple[str, Document]]:
    """Yield each container of the chart itself, with the process of its pod."""
    for process, pod in pods(values):
        added = {"shell", "before"}  # ci/full.yaml
        yield from ((process, each) for each in pod["spec"]["containers"] if each["name"] not in added)


def selects(selector: Document, labels: dict[str, str]) -> bool:
    """Return whether a selector of labels takes these."""
    return all(labels.get(key) == value for key, value in selector.items())


def setting(container: Document, variable: str) -> str | None:
    """Return a variable that the container has as a value."""
    found = [each.get("value") for each in container["env"] if each["name"] == variable]
    return found[0] if found else None


def in_pages(page: Path, program: str) -> list[str]:
    """Return the commands of this program in a page's blocks of shell, one a line."""
    blocks = re.findall(r"^```sh.*?\n(.*?)^```", page.read_text(), re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip().startswith(f"{program} ")]
