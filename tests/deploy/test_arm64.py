"""Linux on 64-bit ARM: the images build, and the processes run without the native engine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from support.image import ROOT
from support.machine import Machine
from support.people import door_to
from support.sockets import Wire

TARGET = "aarch64-unknown-linux-gnu"
PYTHON = re.compile(r"^ARG PYTHON=python:(\d+\.\d+)", re.M)
OFFLINE = re.compile(
    r"error sending request|dns error|timed out|connection|HTTP status server error|429 Too Many", re.I
)
NATIVE = {"socketify", "setuptools"}  # the native engine, and what packs it


def installed(lock: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Resolve a lock for 64-bit ARM by its hashes, from wheels alone, and install nothing."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed")
    found = PYTHON.search((ROOT / "Dockerfile").read_text())
    assert found is not None
    only = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-platform", TARGET]
    command = [uv, "pip", "install", "--dry-run", "--no-progress", "--target", folder / "packages", *only]
    done = subprocess.run(
        [*command, "--python-version", found[1], "-r", lock], capture_output=True, text=True, check=False
    )
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip("no package index answers")
    return done


@pytest.mark.parametrize("name", ["image", "run"])
def test_every_package_of_an_image_is_a_wheel_for_arm_too(name: str, tmp_path: Path) -> None:
    lock = (ROOT / f"requirements/{name}.txt").read_text()
    wanted = set(re.findall(r"^([a-z0-9.-]+)==", lock, re.M))
    done = installed(ROOT / f"requirements/{name}.txt", tmp_path)
    assert done.returncode == 0, done.stderr
    chosen = set(re.findall(r"^ \+ ([a-z0-9.-]+)==", done.stderr, re.M))
    marked = set(
        re.findall(r"^([a-z0-9.-]+)==\S+ ; platform_machine == 'x86_64' and sys_platform == 'linux'", lock, re.M)
    )
    assert (wanted - chosen, marked) == (NATIVE, NATIVE)


def test_a_package_without_a_wheel_for_arm_is_found(tmp_path: Path) -> None:
    lock = (ROOT / "requirements/run.txt").read_text()
    unmarked = tmp_path / "run.txt"
    unmarked.write_text(re.sub(r"^(socketify==\S+) ;.*", r"\1 \\", lock, flags=re.M))
    done = installed(unmarked, tmp_path)
    assert done.returncode == 1
    assert "socketify==0.0.31 has no usable wheels" in done.stderr


def test_the_dockerfile_names_no_processor() -> None:
    assert not re.search(r"x86|amd64|aarch64|arm64|--platform", (ROOT / "Dockerfile").read_text())


async def test_a_process_without_the_native_library_says_so_once_and_serves(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "socketify"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'socketify'\", name='socketify')\n"
    )
    machine = Machine(tmp_path)
    program = await machine.running(PYTHONPATH=hidden.parent)
    try:
        async with door_to(machine.url) as door, aiohttp.ClientSession() as http:
            ada, bob = await door.register("ada"), await door.register("bob")
            hers = await Wire(machine.realtime_port, http).open({"token": ada.tokens.access_token})
            await bob.like(await ada.publish("hello"))
            await hers.event("notification")
        (line,) = [each for each in (program.out + program.err).splitlines() if "engine" in each]
        assert "the native engine does not load here (No module named 'socketify'): using the portable one" in line
    finally:
        await machine.kill()


MEASURED = {
    "connects per s": "connects per s",
    "bytes per session": "bytes per session",
    "paced broadcast to 5,000, p50": "paced p50 ms",
    "CPU per paced delivery": "cpu us per delivery",
    "CPU per delivery in a burst": "burst cpu us per delivery",
    "idle CPU, 10,000 sockets": "idle cpu percent",
}


def test_the_figures_of_the_portable_engine_are_those_of_the_benchmark() -> None:
    section = (ROOT / "docs/deploying.md").read_text().split("\n## arm64\n", 1)[1]
    shown = {label: figures for label, *figures in rows(section) if label in MEASURED}
    measured = {
        label.split(" (bare")[0]: figures[1:] for label, *figures in rows((ROOT / "loadtests/README.md").read_text())
    }
    assert shown.keys() == MEASURED.keys()
    for label, figures in shown.items():
        for said, found in zip(figures, measured[MEASURED[label]], strict=True):
            number = said.split(" ")[0]
            decimals = len(number.partition(".")[2])
            assert number == f"{float(found.replace(',', '')):,.{decimals}f}", label


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of all tables in a text."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
