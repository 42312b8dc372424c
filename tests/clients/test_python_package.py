"""The Python client as a package: a wheel that works elsewhere, and models that are what the documents say."""

import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from devtools.generate.python_models import MODELS, models

FOLDER = Path(__file__).parents[2] / "clients/python"

# Everything is imported and used without the checkout: the frame of an event, and a client that finds no server.
ELSEWHERE = """
import asyncio, plaza_client, plaza_client.models
from plaza_client.core.packets import decode
print(plaza_client.__file__)
print(decode('42["drain",{"after_ms":5}]').data)

async def main():
    async with plaza_client.Plaza("http://127.0.0.1:9", retrying=plaza_client.Retrying(give_up_s=0)) as plaza:
        try:
            await plaza.login("ada", "a long password")
        except plaza_client.Unreachable as error:
            print(error.code)

asyncio.run(main())
"""


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(each) for each in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_models_are_what_the_documents_say() -> None:
    assert MODELS.read_text() == models(), "the models have drifted: run `make docs`"


def test_the_wheel_works_in_an_environment_of_its_own(tmp_path: Path) -> None:
    """Packages that the client needs are those of this environment; the client itself is the wheel."""
    copied = tmp_path / "source"
    run("cp", "-rL", FOLDER, copied, cwd=tmp_path)
    build = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    wheel = run(sys.executable, "-c", build, tmp_path, cwd=copied).split()[-1]
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv/bin/python"
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--no-index", "--no-deps", tmp_path / wheel, cwd=tmp_path)
    (site / "needed.pth").write_text(str(Path(str(distribution("aiohttp").locate_file("")))))
    printed = run(python, "-I", "-c", ELSEWHERE, cwd=tmp_path).split()
    assert printed[0].startswith(str(site))
    assert printed[-1] == "unreachable"
    assert (site / "plaza_client/py.typed").exists()
    assert (site / "plaza_client/core/stream.py").exists()


def test_the_client_needs_what_it_imports_and_no_more() -> None:
    needs = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {each.partition(">")[0] for each in needs} == {"aiohttp", "pydantic"}
