"""No version that is known to be bad is deployed: images, packages, and minimum versions."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LIST = json.loads((ROOT / "deploy/known-bad.json").read_text())
BAD = {each["name"]: each for each in LIST["versions"]}
VALUES = "deploy/helm/plaza/values.yaml"
FILES = (
    *("compose.yml", "Dockerfile", "deploy/aws/nginx/Dockerfile", VALUES),
    *("deploy/known-bad.json", "deploy/digests.sh"),
)
DIGEST = "sha256:" + "5" * 64


def numbers(version: str) -> tuple[int, ...]:
    found = [int(each) for each in re.findall(r"\d+", version.partition("-")[0])]
    return tuple([*found, 0, 0][: max(3, len(found))])


def is_bad(name: str, version: str) -> bool:
    if name not in BAD:
        return False
    at, fixed = numbers(version), sorted(map(numbers, BAD[name]["fixed"]))
    same_series = [each for each in fixed if each[:2] == at[:2]]
    return at < (same_series or fixed)[-1]


def images() -> Iterator[str]:
    for service in yaml.safe_load((ROOT / "compose.yml").read_text())["services"].values():
        if not service["image"].startswith("plaza-"):
            yield service["image"]
    yield from re.findall(r"^ +image: (\S+:\S+)$", (ROOT / VALUES).read_text(), re.M)
    base = re.search(r"^ARG PYTHON=(\S+)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert base
    yield base[1]


def packages() -> Iterator[tuple[str, str, str]]:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        for name, version in re.findall(r"^([a-z0-9._-]+)(?:\[\S+\])?==([^ ;\\]+)", lock.read_text(), re.M):
            yield lock.name, name, version


def least() -> Iterator[tuple[str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for group in (project["dependencies"], *project["optional-dependencies"].values()):
        for each in group:
            if found := re.match(r"([a-z0-9._-]+)(?:\[\S+\])?[>=]=([0-9.]+)", each):
                yield found[1], found[2].removesuffix(".")


def test_the_list_distinguishes_good_from_bad() -> None:
    """The bad versions of an earlier release, which were attacked."""
    assert all(is_bad(*each) for each in [("nginx", "1.28.0-alpine"), ("mongo", "8.0.20"), ("python", "3.11.15-slim")])
    assert all(
        is_bad(*each) for each in [("nginx", "1.30.6"), ("nginx", "1.31.8"), ("pillow", "12.3"), ("mongo", "7.0.9")]
    )
    good = [
        ("nginx", "1.30.7-alpine"),
        ("nginx", "1.31.9"),
        ("nginx", "1.32.0"),
        ("mongo", "8.0.37"),
        ("python", "3.13.1"),
    ]
    assert not any(is_bad(*each) for each in [*good, ("pillow", "13.0.0"), ("redis", "7.4.11")])


def test_no_image_is_of_a_version_that_is_known_to_be_bad() -> None:
    named = [image.partition("@")[0].rpartition(":") for image in images()]
    assert {name for name, _, _ in named} >= {"nginx", "mongo", "redis", "rabbitmq", "python"}
    assert [f"{name}:{tag}" for name, _, tag in named if is_bad(name, tag)] == []


def test_no_locked_package_is_of_a_version_that_is_known_to_be_bad() -> None:
    found = list(packages())
    assert {name for _, name, _ in found} >= BAD.keys() - {"nginx", "mongo", "python"}
    assert [each for each in found if is_bad(*each[1:])] == []


def test_no_version_that_is_known_to_be_bad_is_allowed() -> None:
    found = dict(least())
    assert {"pillow", "aiohttp", "pyjwt"} <= found.keys()
    assert [(name, version) for name, version in found.items() if is_bad(name, version)] == []


def test_what_has_no_digest_is_listed_with_the_reason() -> None:
    without = {image for image in images() if "@" not in image}
    assert without == LIST["without_digest"].keys(), "make digests writes digests and takes them from the list"


def test_make_digests_pins_every_image_and_empties_the_list(tmp_path: Path) -> None:
    """A fake Docker stands in: no registry is contacted."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\n[ "$1 $2 $3" = "buildx imagetools inspect" ] && echo {DIGEST}\n')
    docker.chmod(0o755)
    path = f"{docker.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "deploy/digests.sh"], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    before = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]
    for name, service in yaml.safe_load((tmp_path / "compose.yml").read_text())["services"].items():
        image = before[name]["image"]
        expected = image if image.startswith("plaza-") else f"{image.partition('@')[0]}@{DIGEST}"
        assert service["image"] == expected
    charted = re.findall(r"^ +image: (\S+:\S+)$", (tmp_path / VALUES).read_text(), re.M)
    assert [image.endswith(f"@{DIGEST}") for image in charted] == [True] * 5
    assert f"-slim-bookworm@{DIGEST}\n" in (tmp_path / "Dockerfile").read_text()
    assert f"-alpine@{DIGEST}\n" in (tmp_path / "deploy/aws/nginx/Dockerfile").read_text()
    assert json.loads((tmp_path / "deploy/known-bad.json").read_text())["without_digest"] == {}


@pytest.mark.parametrize("said", ["", "sha256:short", "error: no such tag"])
def test_what_is_no_digest_is_not_written(tmp_path: Path, said: str) -> None:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\necho "{said}"\n')
    docker.chmod(0o755)
    path = f"{docker.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "deploy/digests.sh"], cwd=tmp_path, env={"PATH": path}, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert (tmp_path / "compose.yml").read_text() == (ROOT / "compose.yml").read_text()
