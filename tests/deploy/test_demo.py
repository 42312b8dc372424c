"""The demo's image, and the files by which Render and Railway build and run it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from support.disks import small_disk
from support.image import ROOT, environment, lineage, stages

from api.settings import RestSettings
from embedded.settings import EmbeddedSettings
from realtime.settings import GatewaySettings
from social.infra.files.blobs import MediaSettings
from social.infra.files.mailer import MailSettings

DISK = "/data"
SETTINGS = {
    name.upper()
    for kind in (EmbeddedSettings, RestSettings, GatewaySettings, MediaSettings, MailSettings)
    for name in kind.model_fields
}
PYTHONS = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}

# Fields and values that Render documents for a web service of a Blueprint, as far as ours has any.
RENDER: dict[str, Any] = {
    "type": "web|pserv|worker|cron|keyvalue",
    "name": r"[a-z0-9-]{1,63}",
    "runtime": "docker|image|python|node|go|ruby|rust|elixir|static",
    "dockerfilePath": r"\./[\w./-]+",
    "dockerContext": r"[\w./-]+",
    "plan": "free|starter|standard|pro|pro plus|pro max|pro ultra",
    "region": "oregon|ohio|virginia|frankfurt|singapore",
    "numInstances": range(1, 101),
    "healthCheckPath": r"/[\w/]*",
    "maxShutdownDelaySeconds": range(1, 301),
    "autoDeployTrigger": "commit|checksPass|off",
    "disk": {"name": r"[a-z0-9-]+", "mountPath": r"/[\w/]+", "sizeGB": range(1, 1_001)},
    "envVars": [{"key": r"[A-Z][A-Z0-9_]*", "value": r".+"}],
}
# The same of Railway's configuration of a service.
RAILWAY: dict[str, Any] = {
    "$schema": r"https://railway\.com/railway\.schema\.json",
    "build": {"builder": "RAILPACK|DOCKERFILE", "dockerfilePath": r"[\w./-]+", "watchPatterns": [r".+"]},
    "deploy": {
        "numReplicas": range(1, 201),
        "requiredMountPath": r"/[\w/]+",
        "healthcheckPath": r"/[\w/]*",
        "healthcheckTimeout": range(1, 3_601),
        "restartPolicyType": "ON_FAILURE|ALWAYS|NEVER",
        "restartPolicyMaxRetries": range(0, 1_001),
        "overlapSeconds": range(0, 3_601),
        "drainingSeconds": range(0, 3_601),
    },
}


def wrong(said: Any, allowed: Any, path: str = "") -> list[str]:
    """Return the paths of values that a platform does not document."""
    match allowed:
        case dict() if isinstance(said, dict):
            unknown = [f"{path}/{name}: unknown" for name in said.keys() - allowed.keys()]
            known = [wrong(said[name], allowed[name], f"{path}/{name}") for name in said.keys() & allowed.keys()]
            return sum(known, unknown)
        case list() if isinstance(said, list):
            return [found for at, each in enumerate(said) for found in wrong(each, allowed[0], f"{path}/{at}")]
        case range() if type(said) is int and said in allowed:
            return []
        case str() if isinstance(said, str) and re.fullmatch(allowed, said):
            return []
    return [f"{path}: {said!r}"]


def service() -> dict[str, Any]:
    """Return the service of render.yaml."""
    blueprint = yaml.safe_load((ROOT / "render.yaml").read_text())
    assert list(blueprint) == ["services"]
    (only,) = blueprint["services"]
    return dict(only)


def railway() -> dict[str, Any]:
    """Return railway.json."""
    return dict(json.loads((ROOT / "railway.json").read_text()))


def test_render_and_railway_are_told_only_what_they_document() -> None:
    assert wrong(service(), RENDER) == []
    assert wrong(railway(), RAILWAY) == []
    broken = {**service(), "plan": "huge", "numInstances": "1", "disk": {"mountPath": "data"}, "dockerTarget": "demo"}
    assert len(wrong(broken, RENDER)) == 4


def test_both_platforms_build_the_demo_which_is_the_last_stage() -> None:
    assert list(stages())[-1] == "demo"
    assert (ROOT / service()["dockerfilePath"]).samefile(ROOT / "Dockerfile")
    assert (ROOT / railway()["build"]["dockerfilePath"]).samefile(ROOT / "Dockerfile")


def test_every_variable_of_the_demo_is_a_setting() -> None:
    given = set(environment("demo")) | {each["key"] for each in service()["envVars"]}
    assert given - PYTHONS <= SETTINGS


def test_its_data_are_on_the_disk_that_one_instance_at_a_time_may_use() -> None:
    assert environment("demo")["PLAZA_VAR"] == DISK
    assert service()["disk"]["mountPath"] == railway()["deploy"]["requiredMountPath"] == DISK
    assert service()["numInstances"] == railway()["deploy"]["numReplicas"] == 1
    assert railway()["deploy"]["overlapSeconds"] == 0


def test_a_stop_takes_less_than_platforms_wait_for() -> None:
    longest = EmbeddedSettings.model_fields["drain_s"].default + 5  # tests/embedded/test_process.py holds it to five
    assert longest < min(service()["maxShutdownDelaySeconds"], railway()["deploy"]["drainingSeconds"])


def test_the_image_says_that_it_holds_a_program_under_the_gpl() -> None:
    (stage,) = lineage("demo")
    (labels,) = stage.all("LABEL")
    assert 'licenses="Apache-2.0 AND GPL-2.0-only"' in labels
    assert "SecantusDB (GPL-2.0) as its own process" in labels
    assert stage.all("EXPOSE") == [environment("demo")["PORT"]]
    assert not stage.all("USER"), "deploy/demo.sh leaves root"


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder as platforms mount a disk: root's, at a path that everybody may enter."""
    if os.geteuid() or not shutil.which("setpriv") or not shutil.which("mountpoint"):
        pytest.skip("this takes root, setpriv and mountpoint, which the image has")
    with TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def entered(disk: Path, script: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Run a script by the entry of the image, with this disk."""
    environment = {"PATH": os.environ["PATH"], "PLAZA_VAR": str(disk)}
    entry = (ROOT / "deploy/demo.sh").read_text()  # as words: nobody else may be allowed into the folder of a checkout
    command = [*before, "sh", "-c", entry, "demo.sh", "sh", "-c", script]
    return subprocess.run(command, env=environment, cwd=disk, capture_output=True, text=True, check=False)


def test_the_process_is_nobody_and_the_disk_is_its_own(disk: Path) -> None:
    done = entered(
        disk, 'id -u; id -g; grep -hE "^(NoNewPrivs|Cap(Inh|Prm|Eff))" /proc/self/status; touch "$PLAZA_VAR/x"'
    )
    user, group, *privileges = done.stdout.split("\n")[:-1]
    assert (user, group) == ("10001", "10001")
    assert {line.partition("\t")[::2] for line in privileges} == {
        ("NoNewPrivs:", "1"),
        *((f"Cap{kind}:", "0" * 16) for kind in ("Inh", "Prm", "Eff")),
    }
    assert ((disk / "x").stat().st_uid, done.returncode) == (10001, 0)
    assert done.stderr == f"plaza: no disk is mounted at {disk}: what people write ends with this container\n"


def test_a_mounted_disk_is_worth_no_line(disk: Path) -> None:
    with small_disk(disk / "data", 1) as mounted:
        assert entered(mounted, 'touch "$PLAZA_VAR/x"').stderr == ""


def test_the_image_can_be_started_as_nobody_too(disk: Path) -> None:
    os.chown(disk, 10001, 10001)
    done = entered(disk, 'id -u; touch "$PLAZA_VAR/x"', "setpriv", "--reuid=10001", "--regid=10001", "--clear-groups")
    assert (done.returncode, done.stdout) == (0, "10001\n")


def test_the_command_gets_its_signals_itself() -> None:
    script = (ROOT / "deploy/demo.sh").read_text()
    assert [line for line in script.splitlines() if '"$@"' in line and not line.strip().startswith("exec ")] == []
    (stage,) = lineage("demo")
    assert stage.words("ENTRYPOINT") == ["sh", "deploy/demo.sh", "python", "-m", "embedded"]
