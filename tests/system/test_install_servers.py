"""Installing the servers that tests need; apt-get and the system's folders are fakes."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "install-servers.sh"
TOOLS = ["sh", "cat", "chmod", "env", "grep", "mktemp", "rm", "tail", "tee"]
APT = """#!/bin/sh
echo "apt-get $*" >>"$INSTALL_ROOT/diary"
cat "$INSTALL_ROOT/usr/sbin/policy-rc.d" >"$INSTALL_ROOT/policy-seen"
case "$*" in *$APT_FAILS*) echo "E: no such thing" >&2; exit 100 ;; esac
"""

Install = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a Debian on which everything is installed."""
    servers = ("usr/bin/redis-server", "usr/lib/rabbitmq/bin/rabbitmq-server", "usr/sbin/nginx", "usr/sbin/nft")
    for file in (*servers, "usr/lib/some-arch/libuv.so.1", "usr/bin/promtool", "usr/bin/chromium-headless-shell"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


@pytest.fixture
def install(root: Path) -> Install:
    """Return a function that runs the script as root of that Debian."""
    tools = root / "tools"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(shutil.which(tool) or "/nowhere")
    for name, text in {
        "apt-get": APT,
        "id": '#!/bin/sh\necho "${FAKE_ID:-0}"\n',
        "systemctl": '#!/bin/sh\necho "systemctl $*" >>"$INSTALL_ROOT/diary"\n',
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)

    def install(**env: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": str(tools), "INSTALL_ROOT": str(root), "APT_FAILS": "nothing"} | env
        return subprocess.run([tools / "sh", SCRIPT], env=env, capture_output=True, text=True, timeout=120, check=True)

    return install


def test_nothing_happens_when_all_is_there(install: Install, root: Path) -> None:
    said = install(APT_FAILS="").stdout
    names = ("redis-server", "rabbitmq-server", "nginx", "libuv1", "nftables", "prometheus", "chromium-headless-shell")
    assert said.splitlines() == [f"{each}: installed" for each in names]
    assert not (root / "diary").exists()


def test_only_what_is_missing_is_installed_and_neither_started_nor_enabled(install: Install, root: Path) -> None:
    (root / "usr/bin/redis-server").unlink()
    assert "redis-server: installed now" in install().stdout
    apt, *services = diary(root)
    assert apt.endswith("install --no-install-recommends redis-server")
    assert services == ["systemctl disable redis-server", "systemctl stop redis-server"]
    assert "exit 101" in (root / "policy-seen").read_text()
    assert not (root / "usr/sbin/policy-rc.d").exists()


def test_somebody_s_own_policy_stays(install: Install, root: Path) -> None:
    (root / "usr/bin/redis-server").unlink()
    (root / "usr/sbin/policy-rc.d").write_text("exit 0 # mine\n")
    install()
    assert (root / "usr/sbin/policy-rc.d").read_text() == "exit 0 # mine\n"


def test_a_policy_left_by_a_killed_run_is_taken_away(install: Install, root: Path) -> None:
    (root / "usr/bin/redis-server").unlink()
    install()
    shutil.copy(root / "policy-seen", root / "usr/sbin/policy-rc.d")
    install()
    assert not (root / "usr/sbin/policy-rc.d").exists()


def test_the_package_lists_are_fetched_only_when_the_first_try_fails(install: Install, root: Path) -> None:
    (root / "usr/lib/some-arch/libuv.so.1").unlink()
    refused = install(APT_FAILS="install")
    assert [line.split()[-1] for line in diary(root)] == ["libuv1", "update", "libuv1"]
    assert "E: no such thing" in refused.stderr
    assert "apt-get failed: the tests that need libuv1 will be skipped" in refused.stdout
    assert not (root / "usr/sbin/policy-rc.d").exists()


def test_where_the_shell_is_no_package_the_whole_browser_is_installed(install: Install, root: Path) -> None:
    for file in ("usr/bin/chromium-headless-shell", "usr/bin/promtool"):
        (root / file).unlink()
    said = install(APT_FAILS="headless").stdout
    tries = [line.split("--no-install-recommends ")[-1] for line in diary(root) if "install" in line]
    assert tries == [*["prometheus chromium-headless-shell"] * 2, "prometheus chromium"]
    assert "chromium: installed now" in said.splitlines()


def test_without_root_and_sudo_it_is_one_line(install: Install, root: Path) -> None:
    (root / "usr/bin/redis-server").unlink()
    said = install(FAKE_ID="1000").stdout.splitlines()
    assert said[-1] == "neither root nor sudo without a password: the tests that need redis-server will be skipped"
    assert not (root / "diary").exists()


def test_without_apt_it_is_one_line(install: Install, root: Path) -> None:
    (root / "usr/bin/redis-server").unlink()
    os.unlink(root / "tools/apt-get")
    assert "no apt-get on this machine: the tests that need redis-server will be skipped" in install().stdout


def diary(root: Path) -> list[str]:
    """Return the commands that changed the system, in order."""
    return (root / "diary").read_text().splitlines()
