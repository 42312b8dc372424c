"""The pages of docs/, word for word: every command in them is run, and their statements about files are checked."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pymongo
import pytest
import yaml
from support.documents import ROOT, Terminal, blocks, checkout, excerpts, headings, links, names, shows, tools
from support.image import stages
from support.ports import free_ports

from social.__main__ import parser
from social.contracts.codec import decode, encode
from social.contracts.envelope import Envelope
from social.contracts.events import PostLiked
from social.infra import clock

PAGES = (
    *(
        "architecture",
        "first-hour",
        "adding-a-feature",
        "runbook",
        "deploying",
        *("glossary", "../CONTRIBUTING"),
        "compatibility",
        "updating",
    ),
    *("guide/rest", "guide/sockets", "guide/posts", "guide/timelines", "guide/notifications", "guide/media"),
)

RABBITMQ = {
    "rabbitmqctl": {"set_policy", "await_online_nodes", "forget_cluster_node"},
    "rabbitmq-queues": {"check_if_node_is_quorum_critical", "rebalance", "grow", "shrink"},
    "rabbitmq-upgrade": {"drain"},
}
VERBS = ("build", "exec", "ps", "run", "start", "stop", "up")
DUMPS = {"--uri", "--oplog", "--oplogReplay", "--gzip", "--archive", "--drop"}
SMALL = {"API_PROCESSES": 1, "REALTIME_PROCESSES": 1, "WORKERS_PROCESSES": 1, "DRAIN_S": 0.2}


@pytest.fixture
async def terminal() -> AsyncIterator[Terminal]:
    """Yield a terminal in a fresh clone, whose system gets free ports; in a short path, for the sockets in it."""
    api_port, realtime_port = free_ports(2)

    def here(text: str) -> str:
        text = re.sub(r"\bmake cluster\b", f"make cluster PORT={api_port}", text)
        return text.replace("8080", str(api_port)).replace("8081", str(realtime_port))

    settings = {"API_PORT": api_port, "REALTIME_PORT": realtime_port, **SMALL}
    with TemporaryDirectory(prefix="plaza-") as name:
        folder = Path(name)
        terminal = Terminal(checkout(folder / "plaza"), tools(folder / "bin"), here, settings)
        try:
            yield terminal
        finally:
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


async def test_the_demo_on_one_port_goes_as_it_is_written(terminal: Terminal) -> None:
    await terminal.follow("docs/deploying.md", "Render, Railway: a demo on one port")


async def test_the_runbook_goes_as_it_is_written(terminal: Terminal) -> None:
    for program in ("nginx", "redis-server", "rabbitmq-server"):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None and os.environ.get("CI") != "true":
            pytest.skip(f"{program} is not installed")

    async def park_two(folder: Path) -> None:
        """Park two messages (dead letters): one can be handled by now, and one never can."""
        event, now = PostLiked(post_id=clock.new_id(), author_id=clock.new_id(), by=clock.new_id()), clock.now()
        sent = Envelope(id=clock.new_id(), type="PostLiked", v=1, key=event.key, at=now, data=event.model_dump())
        liked = {
            "_id": f"notifications:{sent.id}",
            "group": "notifications",
            "attempts": 5,
            "raw": encode(sent).decode(),
        }
        other = {"_id": f"outbox:{clock.new_id()}", "group": "outbox", "attempts": 0, "raw": "{}"}
        port = decode((folder / "var/cluster/store.json").read_bytes())["port"]
        with pymongo.MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}/?retryWrites=false") as store:
            for at, row in enumerate((liked, other)):
                said = {"type": "PostLiked", "error": "ValueError()", "at": now + timedelta(seconds=at)}
                store["plaza"]["parked"].insert_one({**row, **said})

    await terminal.follow("docs/runbook.md", once_served=park_two)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_could_be(page: str) -> None:
    """A command that is not run names programs, services, targets and options that exist."""
    services = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]
    targets = made()
    for line in unrun(page).replace(" && ", "\n").splitlines():
        subprocess.run(["bash", "-nc", line], check=True)
        program, *words = [word for word in shlex.split(line, comments=True) if not re.match("[A-Z_]+=", word)]
        if program == "make":
            assert set(words) <= targets, line
            continue
        match words:
            case ["-m", "social", *said]:  # tests/system/test_operator.py runs it
                parser().parse_args(said)
                continue
            case ["-m", "pytest", "-q", *paths, "-k", name]:  # and this runs with all the others
                assert any(name in (ROOT / path).read_text() for path in paths), line
                continue
            case ["-m", "pytest", "-q", *paths]:
                assert all((ROOT / path).exists() for path in paths), line
                continue
            case ["-m", "devtools.cluster", "roll" | "status"] | ["-m", "devtools.generate"]:  # run by others
                continue
            case ["-m", "api" | "realtime" | "workers", *_]:  # tests/system/test_readme.py
                continue
            case ["check" | "format", "."] | []:
                assert program in (".venv/bin/ruff", ".venv/bin/mypy"), line
                continue
            case _ if program in ("helm", "kubectl"):  # tests/deploy/test_helm_pages.py
                continue
            case [verb, *_] if program.startswith("rabbitmq"):  # of RabbitMQ 3.10, as its help says
                assert verb in RABBITMQ[program], line
                continue
            case ["newman", "run", path]:  # tests/api/test_postman.py
                assert (program, (ROOT / path).exists()) == ("npx", True)
                continue
            case ["build" | "run" | "buildx", *_]:
                assert (program, dict(pairwise(words)).get("--target", "demo") in stages()) == ("docker", True), line
                continue
        verb, *rest = [word for word in words if not word.startswith("-")][1:]
        assert ([program, words[0]], verb in VERBS) == (["docker", "compose"], True), line
        named = rest[:1] if verb in ("exec", "run") else rest
        assert set(named) <= set(services), line
        if verb == "run" and services[named[0]]["build"]["target"] == "operator" and "--entrypoint=sh" not in words:
            parser().parse_args(words[words.index(named[0]) + 1 :] or services[named[0]]["command"])
        if "mongo" in named:
            assert set(re.findall(r"--\w+", line)) <= DUMPS, line


def made() -> set[str]:
    """Return the targets of `make`."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def unrun(page: str) -> str:
    """Return the blocks that no test runs."""
    return "".join(block.text for block in blocks(f"docs/{page}.md") if block[:2] == ("sh", ("unrun",)))


@pytest.fixture(scope="module")
def sources() -> str:
    """Return the texts that all names may come from."""
    places = ("api", "realtime", "workers", "social", "embedded", "devtools", "loadtests", "tests", "nginx", "deploy")
    files = [each for place in places for each in (ROOT / place).rglob("*") if each.suffix in (".py", ".toml", ".yml")]
    files += [each for each in ROOT.iterdir() if each.name in ("Makefile", "compose.yml", ".gitignore")]
    files += [*ROOT.glob("*/.env.example"), *(ROOT / "docs").glob("*.json")]
    return "\n".join(each.read_text() for each in files if each.name != "test_documents.py")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_what_is_there(page: str, sources: str) -> None:
    """Files, routes and names in prose exist anywhere; names in the row of a file in a table are in that file."""
    wrong, saved = [], {word for block in blocks(f"docs/{page}.md") for word in block.words}
    for name, files in names(f"docs/{page}.md"):
        if name.startswith("make "):
            there = name.split()[1] in made()
        elif name.startswith(("var/", "keys/", "nginx/tls")) or name in saved:  # made when something runs
            there = True
        elif name.startswith("/"):
            there = name in sources
        elif "/" in name.strip("/"):
            there = bool(list(ROOT.glob(name.rstrip("/"))))
        else:
            there = all(
                name in text for text in [(ROOT / file).read_text() for file in files] or [sources + unrun(page)]
            )
        wrong += [] if there or (ROOT / name).exists() else [(name, files)]
    assert wrong == []


def test_make_makes_what_pages_ask_it_for() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "loadtests/README.md"]:
        for block in blocks(str(page.relative_to(ROOT))):
            asked = re.findall(r"^make ([a-z-]+)", block.text, re.M) if block.language == "sh" else []
            assert set(asked) <= made(), page.name


def test_a_command_of_the_operator_is_one() -> None:
    commands = next(each.choices for each in parser()._actions if isinstance(each.choices, dict))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for word in re.findall(r"python -m social (\w+)", page.read_text()):
            assert word in commands, (page.name, word)


@pytest.mark.parametrize("page", PAGES)
def test_an_excerpt_is_what_the_file_says(page: str) -> None:
    for path, text in excerpts(f"docs/{page}.md"):
        assert text in (ROOT / path).read_text(), path


def test_pages_lead_to_each_other() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for file, heading in links(page):
            assert file.exists(), (page.name, file.name)
            assert not heading or heading in headings(file), (page.name, file.name, heading)
