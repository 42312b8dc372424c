"""The pages of docs/, word for word: every command in them is run, and what they say of files is looked up."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.documents import ROOT, Terminal, checkout, excerpts, links, names, shows, tools
from support.ports import free_ports

from social.__main__ import parser

PAGES = ("architecture", "first-hour", "adding-a-feature")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    """In a fresh clone, whose system gets free ports."""
    api_port, realtime_port = free_ports(2)

    def here(text: str) -> str:
        return text.replace("8080", str(api_port)).replace("8081", str(realtime_port))

    settings = {"API_PORT": api_port, "REALTIME_PORT": realtime_port}
    terminal = Terminal(checkout(tmp_path / "plaza"), tools(tmp_path / "bin"), here, settings)
    yield terminal
    await terminal.close()


async def test_a_page_that_is_wrong_is_found_out(terminal: Terminal) -> None:
    assert shows("one…three\n  four", "one two three\nfour\n") is None
    assert shows("four\none", "one two three\nfour\n") == "one"
    with pytest.raises(AssertionError, match="failed: false"):
        await terminal.run("false\necho and on")


async def test_the_first_hour_goes_as_it_is_written(terminal: Terminal) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    await terminal.follow("docs/first-hour.md")


async def test_the_commands_of_a_feature_go_as_they_are_written(terminal: Terminal) -> None:
    await terminal.follow("docs/adding-a-feature.md")


@pytest.fixture(scope="module")
def sources() -> str:
    """All that names may come from."""
    places = ("api", "realtime", "workers", "social", "embedded", "tests", "nginx", "deploy")
    files = [each for place in places for each in (ROOT / place).rglob("*") if each.suffix in (".py", ".toml", ".yml")]
    files += [each for each in ROOT.iterdir() if each.name in ("Makefile", "compose.yml", ".gitignore")]
    files += [*ROOT.glob("*/.env.example"), *(ROOT / "docs").glob("*.json")]
    return "\n".join(each.read_text() for each in files if each.name != "test_documents.py")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_what_is_there(page: str, sources: str) -> None:
    """Files and names in prose are anywhere; in a table, what is said of a file is in that file."""
    wrong = []
    for name, files in names(f"docs/{page}.md"):
        if "/" in name.strip("/"):
            there = bool(list(ROOT.glob(name.rstrip("/"))))
        else:
            there = all(name in text for text in [(ROOT / file).read_text() for file in files] or [sources])
        wrong += [] if there or (ROOT / name).exists() else [(name, files)]
    assert wrong == []


def test_a_command_of_the_operator_is_one() -> None:
    commands = next(each.choices for each in parser()._actions if isinstance(each.choices, dict))
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for word in re.findall(r"python -m social (\w+)", page.read_text()):
            assert word in commands, (page.name, word)


@pytest.mark.parametrize("page", PAGES)
def test_an_excerpt_is_what_the_file_says(page: str) -> None:
    for path, text in excerpts(f"docs/{page}.md"):
        assert text in (ROOT / path).read_text(), path


def test_pages_lead_to_each_other() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in links(page.read_text()):
            assert (page.parent / link).exists(), (page.name, link)
