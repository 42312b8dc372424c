"""nginx's files: linters accept them, and so does nginx as a container runs it."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import require
from support.nginx import Nginx, before

from devtools.generate import nginx
from devtools.generate.nginx import COMPOSE, MICROSERVICES_CONF, SOURCE, TOPOLOGY_CONF, prepare

GIXY = Path(sys.executable).with_name("gixy")


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """The files as a container has them."""
    return Path(shutil.copytree(SOURCE, tmp_path / "plaza", ignore=shutil.ignore_patterns("tls")))


@pytest.mark.parametrize("topology", [TOPOLOGY_CONF, MICROSERVICES_CONF])
def test_gixy_finds_nothing(mounted: Path, topology: str) -> None:
    (mounted / TOPOLOGY_CONF).write_text((SOURCE / topology).read_text())
    (mounted / "tls").mkdir()
    shutil.copy(mounted / "tls.conf", mounted / "tls")
    done = subprocess.run([GIXY, mounted / "nginx.conf"], capture_output=True, text=True, check=False)
    assert (done.returncode, "No issues found" in done.stdout) == (0, True), done.stdout + done.stderr


def test_gixy_would_find_something(mounted: Path) -> None:
    with (mounted / "server.conf").open("a") as server:
        server.write("location /old { return 302 https://$host$uri; }\n")
    done = subprocess.run([GIXY, mounted / "nginx.conf"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "http_splitting" in done.stdout


@pytest.mark.parametrize("topology", [TOPOLOGY_CONF, MICROSERVICES_CONF])
def test_the_command_of_the_container_takes_the_files(mounted: Path, tmp_path: Path, topology: str) -> None:
    """Debian's nginx is too old for `resolve` and finds no container: that part of each line is left out."""
    require(Nginx)
    text = (SOURCE / topology).read_text()
    assert text.count(" resolve;") == text.count("    server ")
    text = re.sub(r"server [\w-]+:", "server 127.0.0.1:", text.replace(" resolve;", ";"))
    (mounted / TOPOLOGY_CONF).write_text(text)
    (command,) = re.findall(r"`(nginx -p [^`]*)`", (SOURCE / "README.md").read_text())
    command = command.replace("/tmp/", f"{tmp_path}/").replace("/etc/nginx/plaza", str(mounted))
    done = subprocess.run([*_installed(command), "-t"], capture_output=True, text=True, check=False)
    assert (done.returncode, "syntax is ok" in done.stderr) == (0, True), done.stderr


def _installed(command: str) -> list[str]:
    program, *words = shlex.split(command)
    assert program == "nginx"
    return [nginx.program() or program, *words]


def test_a_topology_names_a_server_for_everything(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no server for posts"):
        nginx.render(before({service: ["a:1"] for service in COMPOSE.services if service != "posts"}, {"n": "b:1"}))
    with pytest.raises(ValueError, match="no server for sockets"):
        nginx.render(before(["a:1"], {}))


def test_files_of_an_earlier_topology_are_replaced(tmp_path: Path) -> None:
    require(Nginx)
    for server in ("127.0.0.1:1001", "127.0.0.1:1002"):
        prepare(tmp_path, before([server], {"realtime-1": "127.0.0.1:2001"}))
    text = (tmp_path / "conf" / TOPOLOGY_CONF).read_text()
    assert "127.0.0.1:1002" in text
    assert "127.0.0.1:1001" not in text
