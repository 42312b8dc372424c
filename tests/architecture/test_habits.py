"""Editors, hooks and containers are configured for this repository as it is."""

import configparser
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOOKS = [
    hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repository["hooks"]
]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_runs_a_tool_that_is_installed(hook: dict[str, str]) -> None:
    if hook["language"] == "pygrep":
        assert re.compile(hook["entry"])
        return
    program = Path(shlex.split(hook["entry"])[0])
    assert (hook["language"], str(program.parent)) == ("system", ".venv/bin")
    assert Path(sys.executable).with_name(program.name).exists()


def test_the_hook_of_a_subject_refuses_more_than_72_characters() -> None:
    (pattern,) = [re.compile(hook["entry"], re.M | re.S) for hook in HOOKS if hook["id"] == "subject"]
    assert pattern.search("x" * 73)
    assert not pattern.search("x" * 72 + "\n\n" + "A body may have longer lines, for example with a URL. " * 3)


def test_types_are_checked_by_a_hook_in_every_package_that_mypy_checks() -> None:
    (files,) = [hook["files"] for hook in HOOKS if hook["id"] == "mypy"]
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["packages"]
    assert all(re.search(files, f"{package}/app.py") for package in packages)
    assert not re.search(files, "tests/conftest.py")


def test_editors_are_told_what_ruff_and_make_need() -> None:
    parser = configparser.ConfigParser()
    parser.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    line_length = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["line-length"]
    assert parser["*.{py,sh,c}"]["max_line_length"] == str(line_length)
    assert parser["Makefile"]["indent_style"] == "tab"


def test_the_development_container_has_what_make_test_needs() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    (python,) = re.findall(r"^ARG PYTHON=(python:[\d.]+)-", (ROOT / "Dockerfile").read_text(), re.M)
    assert container["image"].startswith(python), "the same Python as the image, looked after once"
    assert [options for name, options in container["features"].items() if "/node:" in name] == [{"version": "20"}]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    _, _, made = container["postCreateCommand"].partition("make ")
    assert set(made.split()) <= set(targets)


def test_the_newest_version_of_the_changelog_is_that_of_the_package() -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (ROOT / "CHANGELOG.md").read_text().count("\n## [Unreleased]\n") == 1


def test_decisions_are_listed_by_number_and_title() -> None:
    folder, rows = ROOT / "docs/decisions", ""
    for page in sorted(folder.glob("0*.md")):
        number, title = page.read_text().split("\n", 1)[0].removeprefix("# ").split(". ", 1)
        assert page.name.startswith(f"{int(number):04}-"), page.name
        rows += f"| {number} | [{title}]({page.name}) |\n"
    assert f"|---|---|\n{rows}\n" in (folder / "README.md").read_text()
