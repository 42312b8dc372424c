"""The end of a load: all its processes end with it, and it exits with 1 where people could not do their actions."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from support.eventually import eventually

from loadtests import load

ROOT = Path(__file__).parents[2]
FEW = {"API_PROCESSES": "1", "REALTIME_PROCESSES": "1", "WORKERS_PROCESSES": "1"}
ACCOUNT = {"id": "1", "user": {"id": "1"}, "access_token": "access", "refresh_token": "refresh"}


class Begun:
    """A load on a cluster of its own, and all processes that it ever started."""

    def __init__(self, folder: Path) -> None:
        words = ["browse", "--users", "2", "--duration", "150s", "--results", str(folder / "results")]
        (folder / "tmp").mkdir()
        self.folder = folder / "tmp"
        self.process = subprocess.Popen(
            [sys.executable, "loadtests/load.py", *words],
            cwd=ROOT,
            env={**os.environ, **FEW, "TMPDIR": str(self.folder)},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started: set[psutil.Process] = set()

    def running(self) -> list[str]:
        """Return the command of each process it started that lives."""
        if self.process.poll() is None:
            self._started |= set(psutil.Process(self.process.pid).children(recursive=True))
        commands = []
        for each in self._started:
            try:
                if each.is_running() and each.status() != psutil.STATUS_ZOMBIE:
                    commands.append(" ".join(each.cmdline()))
            except psutil.NoSuchProcess:
                pass
        return commands

    async def has_started(self, word: str) -> None:
        """Wait until one of its processes has that word in its command."""

        async def started() -> None:
            assert self.process.poll() is None
            assert any(word in each for each in self.running())

        await eventually(started, timeout_s=150)

    async def has_left_nothing(self) -> None:
        """Wait until none of its processes lives."""

        async def ended() -> None:
            assert self.running() == []

        await eventually(ended)

    def end(self) -> None:
        """End the load."""
        self.process.kill()
        self.process.wait()
        for each in self._started:
            if each.is_running():
                each.kill()


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Begun]:
    begun = Begun(tmp_path)
    yield begun
    begun.end()


@pytest.mark.skipif(sys.platform != "linux", reason="the leash is Linux's PR_SET_PDEATHSIG")
async def test_a_load_that_is_killed_takes_its_whole_cluster_along(begun):
    await begun.has_started("locustfile.py")
    assert any("redis-server" in each for each in begun.running())
    assert any("-m realtime" in each for each in begun.running())
    begun.process.kill()
    begun.process.wait()
    await begun.has_left_nothing()


async def test_a_load_that_is_asked_to_end_stops_what_is_only_starting(begun):
    await begun.has_started("redis-server")
    begun.process.send_signal(signal.SIGTERM)
    assert begun.process.wait(200) == 128 + signal.SIGTERM
    await begun.has_left_nothing()
    assert list(begun.folder.iterdir()) == []


def test_a_cluster_that_does_not_end_is_killed(monkeypatch, capsys):
    monkeypatch.setattr(load, "STOP_WITHIN_S", 0.1)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"deaf\n"
        load.stop(process)
        assert process.returncode == -signal.SIGKILL
    assert "is killed" in capsys.readouterr().err


class Broken(BaseHTTPRequestHandler):
    """An API that fails; with `welcoming`, only after an account was registered."""

    welcoming = False

    def do_POST(self) -> None:
        """Answer a registration, or a post."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201 if self.welcoming else 500)

    def do_GET(self) -> None:
        """Answer any other request."""
        self._answer(500)

    def _answer(self, status: int) -> None:
        content = json.dumps(ACCOUNT).encode() if status == 201 else b"<h1>Internal Server Error</h1>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Welcoming(Broken):
    """An API that registers everybody, and fails all other requests."""

    welcoming = True


@pytest.fixture
def broken() -> Iterator[dict[bool, str]]:
    """Run two APIs that fail."""
    servers = {each.welcoming: ThreadingHTTPServer(("127.0.0.1", 0), each) for each in (Broken, Welcoming)}
    threads = [threading.Thread(target=each.serve_forever) for each in servers.values()]
    for thread in threads:
        thread.start()
    yield {welcoming: f"http://127.0.0.1:{each.server_port}" for welcoming, each in servers.items()}
    for server, thread in zip(servers.values(), threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_load_in_which_people_get_nowhere_fails_and_says_why(broken, tmp_path):
    expected = {
        ("browse", False): ("nobody did anything", "2 people never began", "2 requests were refused"),
        ("post", False): ("nobody did anything", "2 people never began", "2 requests were refused"),
        ("browse", True): ("requests were refused",),
    }
    begun = {}
    for scenario, welcoming in expected:
        words = [scenario, "--users", "2", "--duration", "2s", "--pause", "0.1", "--host", broken[welcoming]]
        words += ["--results", str(tmp_path / f"{scenario}-{welcoming}")]
        begun[scenario, welcoming] = subprocess.Popen(
            [sys.executable, "loadtests/load.py", *words],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    for (scenario, welcoming), process in begun.items():
        said, _ = process.communicate(timeout=200)
        assert process.returncode == 1, said
        for words in expected[scenario, welcoming]:
            assert words in said
        assert ("nobody did anything" in said) == (not welcoming)
