"""`make run` and `make test` on machines that lack something: a fake python3 stands for the real one."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ["sh", "make", "awk", "cat", "chmod", "cmp", "cp", "dirname", "grep", "id", "ls", "mkdir", "mktemp", "mv", "rm"]
TOOLS += ["od", "sed", "sleep", "tail", "tee", "touch", "tr", "true"]

# The answers of a Python that make runs: FAKE_* name what is wrong with it. The copy in .venv keeps a diary.
PYTHON = Path(__file__).with_name("fake-python.sh").read_text()

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a checkout whose path has spaces."""
    folder = tmp_path / "my own plaza"
    (folder / "tests").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    shutil.copy(ROOT / "package-lock.json", folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    shutil.copy(ROOT / ".env.example", folder)
    (folder / "tests/install-servers.sh").write_text("echo servers\n")
    return folder


@pytest.fixture
def make(folder: Path, tmp_path: Path) -> Make:
    """Return a function that runs make with only a few tools and the fake Python on the PATH."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    executable(tools / "python3", PYTHON)

    def make(*targets: str, **wrong: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": str(tools), "HOME": str(tmp_path)} | wrong
        return subprocess.run(
            [tools / "make", *targets], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
        )

    return make


def test_it_installs_once_and_runs(make: Make, folder: Path) -> None:
    assert "Plaza runs" in make("run").stdout
    assert "installing" not in make("run").stdout
    assert diary(folder) == ["venv", installed("run")]


def test_the_cluster_needs_no_more_packages_and_gets_its_port_and_store(make: Make, folder: Path) -> None:
    make("run")
    assert "Plaza runs as a cluster on 9090 over rs" in make("cluster", "PORT=9090", "STORE=rs").stdout
    assert diary(folder) == ["venv", installed("run")]


def test_tests_need_more_than_running_does_and_then_it_still_runs(make: Make, folder: Path) -> None:
    make("run")
    make("packages-dev")
    make("run")
    assert diary(folder) == ["venv", installed("run"), installed("dev")]


def test_changed_requirements_are_brought_in_line(make: Make, folder: Path) -> None:
    make("run")
    os.utime(folder / "requirements/run.txt")
    make("run")
    assert diary(folder) == ["venv", installed("run")]
    (folder / "requirements/run.txt").write_text("another\n")
    make("run")
    assert diary(folder) == ["venv", installed("run"), installed("run")]


def test_parallel_make_installs_one_after_the_other(make: Make, folder: Path) -> None:
    assert make("-j4", "packages-run", "packages-dev").returncode == 0
    assert diary(folder) == ["venv", installed("run"), installed("dev")]


def test_a_python_without_venv_names_the_package_to_install(make: Make, folder: Path) -> None:
    refused = make("run", FAKE_NO_VENV="1")
    assert refused.returncode != 0
    assert one_line(refused) == "python3 cannot make a virtual environment: apt-get install python3-venv"
    assert "Plaza runs" in make("run").stdout


def test_a_half_made_environment_is_made_anew(make: Make, folder: Path) -> None:
    refused = make("run", FAKE_VENV_FAILS="1")
    assert refused.returncode != 0
    assert (folder / ".venv/bin/python").exists()
    assert "Plaza runs" in make("run").stdout
    assert diary(folder) == ["venv", "venv", installed("run")]


def test_an_environment_whose_python_went_away_is_made_anew(make: Make, folder: Path) -> None:
    make("run")
    (folder / ".venv/bin/python").unlink()
    (folder / ".venv/bin/python").symlink_to("/gone/python3")
    assert "Plaza runs" in make("run").stdout
    assert diary(folder) == ["venv", installed("run")] * 2


def test_an_old_python_is_one_line(make: Make) -> None:
    refused = make("run", FAKE_OLD="1")
    assert refused.returncode != 0
    assert one_line(refused).startswith("Plaza needs Python 3.11, 3.12 or 3.13 and found Python 3.9.2 ")


def test_no_python_is_one_line(make: Make, tmp_path: Path) -> None:
    (tmp_path / "bin/python3").unlink()
    refused = make("run")
    assert refused.returncode != 0
    assert one_line(refused).startswith("Plaza needs Python 3.11, 3.12 or 3.13 and found no Python ")


def test_another_python_can_be_named(make: Make, tmp_path: Path) -> None:
    (tmp_path / "my python").mkdir()
    shutil.move(tmp_path / "bin/python3", tmp_path / "my python/python3")
    assert "Plaza runs" in make("run", f"PYTHON={tmp_path}/my python/python3").stdout


def test_without_network_the_error_is_shown_and_the_next_make_tries_again(make: Make, folder: Path) -> None:
    refused = make("run", FAKE_OFFLINE="1")
    assert refused.returncode != 0
    assert "ERROR: no route to the package index" in refused.stderr
    assert "Plaza runs" not in refused.stdout
    assert "Plaza runs" in make("run").stdout


def test_a_killed_installation_is_done_again_from_the_start(make: Make, folder: Path) -> None:
    assert make("run", FAKE_UV_FAILS="1", FAKE_PIP_KILLED="1").returncode != 0
    assert "Plaza runs" in make("run").stdout
    again = installed("run").replace("--compile", "--reinstall --compile", 1)
    assert diary(folder) == ["venv", installed("run"), installed_by_pip("run"), again]


def test_where_uv_cannot_install_pip_does(make: Make, folder: Path) -> None:
    assert "Plaza runs" in make("run", FAKE_UV_FAILS="1").stdout
    assert diary(folder) == ["venv", installed("run"), installed_by_pip("run")]


def test_an_index_that_only_pip_knows_is_left_to_pip(make: Make, folder: Path) -> None:
    assert "Plaza runs" in make("run", FAKE_INDEX="1").stdout
    assert diary(folder) == ["venv", installed_by_pip("run")]


def test_without_npm_only_the_tests_of_the_javascript_client_are_skipped(make: Make, folder: Path) -> None:
    assert "no npm on this machine" in make("node-modules").stdout
    assert make("node-modules").returncode == 0


def test_npm_that_appears_later_is_used_once(make: Make, folder: Path, tmp_path: Path) -> None:
    make("node-modules")
    executable(tmp_path / "bin/npm", '#!/bin/sh\necho "npm $1" >>diary\nmkdir -p node_modules\n')
    make("node-modules")
    make("node-modules")
    assert diary(folder) == ["npm ci"]


def test_an_npm_that_fails_is_tried_again(make: Make, folder: Path, tmp_path: Path) -> None:
    executable(tmp_path / "bin/npm", '#!/bin/sh\necho "npm $1" >>diary\necho "no network" >&2\nexit 1\n')
    assert "no network" in make("node-modules").stderr
    assert make("node-modules").returncode != 0
    assert diary(folder) == ["npm ci", "npm ci"]


# The answers of docker: FAKE_* name what is wrong with it.
DOCKER = r"""#!/bin/sh
case "$*" in
"compose version") [ -z "$FAKE_NO_COMPOSE" ] ;;
info) [ -z "$FAKE_NO_ENGINE" ] ;;
*) echo "docker $* (${COMPOSE_PROFILES:-as .env says})" >>diary ;;
esac
"""


def test_without_docker_up_says_so_in_one_line(make: Make, folder: Path, tmp_path: Path) -> None:
    for wrong in ({}, {"FAKE_NO_COMPOSE": "1"}, {"FAKE_NO_ENGINE": "1"}):
        for target in ("up", "down", "logs"):
            refused = make(target, **wrong)
            assert refused.returncode != 0
            says = "its engine does not answer" if "FAKE_NO_ENGINE" in wrong else "needs Docker with its compose plugin"
            assert says in one_line(refused)
        executable(tmp_path / "bin/docker", DOCKER)
    assert not (folder / ".env").exists()


def test_up_makes_passwords_once_and_starts_what_is_asked_for(make: Make, folder: Path, tmp_path: Path) -> None:
    executable(tmp_path / "bin/docker", DOCKER)
    assert make("up").returncode == 0
    first = (folder / ".env").read_text()
    assert "REDIS_PASSWORD=\n" not in first
    make("up", "PROFILES=microservices,observability")
    make("logs")
    make("down")
    assert (folder / ".env").read_text() == first
    every = "--profile whole --profile microservices --profile observability"
    assert diary(folder) == [
        "docker compose up --build --detach (as .env says)",
        "docker compose up --build --detach (microservices,observability)",
        f"docker compose {every} logs --follow --tail 100 (as .env says)",
        f"docker compose {every} down (as .env says)",
    ]


def test_a_load_gets_the_options_of_the_command_line_and_no_others(make: Make, folder: Path) -> None:
    printed = make("load", "SCENARIO=viral", "USERS=7", "HOST=http://localhost:1", "ALLOW=x", DURATION="9s").stdout
    assert "python ran loadtests/load.py viral --users 7 --host http://localhost:1 --allow x\n" in printed
    assert "python ran loadtests/load.py post\n" in make("load", HOST="a-machine").stdout
    assert "python ran loadtests/bench.py rest viral --quick\n" in make("bench", "ONLY=rest viral", "QUICK=1").stdout


def test_a_part_of_the_tests_is_named_by_paths_or_by_a_word(make: Make, folder: Path) -> None:
    (folder / "tests/realtime").mkdir()
    for name, test in {"likes": "a_post_is_liked", "connect": "likes_reach_a_socket", "sessions": "logout"}.items():
        (folder / f"tests/realtime/test_{name}.py").write_text(f"def test_{test}(): ...\n")
    likes, connect = "tests/realtime/test_likes.py", "tests/realtime/test_connect.py"

    def ran(only: str) -> str:
        lines = make("test", f"ONLY={only}").stdout.splitlines()
        (line,) = [line for line in lines if line.startswith("python ran")]
        return line.removeprefix("python ran -m pytest ")

    assert ran(connect) == connect
    assert ran(f"{connect}::test_likes_reach_a_socket {likes}") == f"{connect}::test_likes_reach_a_socket {likes}"
    assert ran("tests/realtime") == "tests/realtime"
    assert ran("likes") == f"-k likes {connect} {likes}"
    assert ran("likes and not socket") == "-k likes and not socket"
    assert ran("nothing") == "-k nothing"


def test_tests_get_the_tools_of_the_chart_once(make: Make, folder: Path) -> None:
    make("test")
    make("test", "ONLY=likes")
    assert diary(folder).count("chart tools") == 1
    (folder / "requirements/helm.txt").write_text("another\n")
    make("test")
    assert diary(folder).count("chart tools") == 2


def test_no_test_begins_without_the_packages_of_either_kind(make: Make, folder: Path, tmp_path: Path) -> None:
    npm = '#!/bin/sh\necho "npm $1" >>diary\n[ -z "$FAKE_NO_NETWORK" ] && mkdir -p node_modules\n'
    executable(tmp_path / "bin/npm", npm)
    for wrong in ("FAKE_OFFLINE", "FAKE_NO_NETWORK"):
        refused = make("test", **{wrong: "1"})
        assert refused.returncode != 0
        assert "python ran" not in refused.stdout
    tested = make("test", "ONLY=nothing")
    assert tested.returncode == 0, tested.stderr
    assert "python ran -m pytest -k nothing" in tested.stdout
    assert {"npm ci", "chart tools"} <= set(diary(folder))


def test_the_whole_of_the_tests_says_how_a_part_is_run(make: Make) -> None:
    assert "make test ONLY=likes" in make("test", ONLY="left in the environment").stdout


def test_help_lists_what_make_can_do(make: Make) -> None:
    shown = make().stdout
    assert "make run " in shown
    assert "make cluster " in shown
    assert "make chaos " in shown
    assert "make mutate " in shown
    assert "make kills " in shown
    assert "make simulate " in shown
    assert "make test " in shown
    assert "venv" not in shown


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def diary(folder: Path) -> list[str]:
    """Return the diary: environments made and packages installed, in order."""
    return (folder / "diary").read_text().splitlines()


def installed(what: str) -> str:
    """Return the line of the diary about an installation."""
    options = "--quiet --python .venv/bin/python --compile-bytecode --require-hashes"
    return f"uv pip install {options} -r requirements/{what}.txt"


def installed_by_pip(what: str) -> str:
    """Return the line of the diary that pip writes where uv could not install."""
    options = "--quiet --disable-pip-version-check --no-input"
    return f"pip -m pip {options} install --require-hashes -r requirements/{what}.txt"


def one_line(refused: subprocess.CompletedProcess[str]) -> str:
    """Return all error output but make's own closing line, which must be one line."""
    (line,) = [line for line in refused.stderr.splitlines() if not line.startswith("make")]
    return line


def test_a_soak_runs_every_test_that_waits_for_one():
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (soaked,) = re.findall(r"^SOAKED := (.*)$", makefile, re.MULTILINE)
    waiting = [each for each in (ROOT / "tests").rglob("test_*.py") if "make soak runs it" in each.read_text()]
    places = [ROOT / each for each in soaked.split()]
    waiting.remove(Path(__file__))
    assert len(waiting) > 5
    assert [each for each in waiting if not any(each.is_relative_to(place) for place in places)] == []
