"""Forks Plaza's programs from a process that has imported them, as `python -m` would start them.

To import a program costs 0.9 s of computing, most of what it does in a test, and the tests start 200 programs. The
forking process has one thread and starts nothing but forks, each with its own arguments, environment and output.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[2]
PROGRAMS = ("api", "realtime", "workers", "embedded", "social", "devtools.cluster")
STATUS = struct.Struct("i")
MOST_BYTES = 1 << 17  # of a request, most of which is the environment
FILES = 4_096  # a fork closes all that is open below this number


def start_new(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], out: IO[bytes], err: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start `python -m` with these words, or a script with its arguments, in a new Python."""
    python = [sys.executable, "-P" if words[0].endswith(".py") else "-m"]
    return subprocess.Popen([*python, *words], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)


class Forked:
    """A forked program; has the methods of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, ends: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ends = ends

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the program runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code; raises subprocess.TimeoutExpired."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ends], [], [], timeout)[0]:
            told = self._ends.recv(STATUS.size)
            assert told, "the process that forked this program has ended"
            self.returncode = os.waitstatus_to_exitcode(STATUS.unpack(told)[0])
            self._ends.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if the program still runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Forks:
    """A forking process of a test session, with some modules or else all of Plaza imported; started when needed."""

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def start(
        self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], out: IO[bytes], err: IO[bytes]
    ) -> Forked | subprocess.Popen[bytes]:
        """Fork `python -m` with these words, or a script with its arguments; outside Linux, start a new Python."""
        if sys.platform != "linux":
            return start_new(words, cwd=cwd, env=env, out=out, err=err)
        requests = self._ready()
        ends, ended = socket.socketpair()
        with ended:
            request = json.dumps({"words": list(words), "cwd": str(cwd), "env": dict(env)}).encode()
            assert len(request) < MOST_BYTES
            socket.send_fds(requests, [request], [out.fileno(), err.fileno(), ended.fileno()])
        return Forked(STATUS.unpack(requests.recv(STATUS.size))[0], ends)

    def _ready(self) -> socket.socket:
        if self._requests is None:
            self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-u", "-P", __file__, str(theirs.fileno()), *self._modules],
                    cwd=ROOT,
                    env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""},
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                )
            atexit.register(self.end)
        return self._requests

    def end(self) -> None:
        """End the forking process, and with it what it forked."""
        if self._requests is not None and self._process is not None:
            self._requests.close()
            self._process.wait()
            self._requests = self._process = None


class Request(NamedTuple):
    """Words, folder and environment of a program that is to be forked, and its standard output and error."""

    words: list[str]
    cwd: str
    env: dict[str, str]
    out: int
    err: int


def serve(requests: socket.socket) -> Request | None:
    """Fork until the tests end; return the request in each fork, and None in the forking process."""
    waker, woken = socket.socketpair()
    for each in (waker, woken):
        each.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the tests, which end this process
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(MOST_BYTES)
            reap(running)
        if requests not in ready:
            continue
        message, files, _, _ = socket.recv_fds(requests, MOST_BYTES, 3)
        if not message:
            break
        out, err, ended = files
        if (pid := os.fork()) == 0:
            return Request(**json.loads(message), out=out, err=err)
        running[pid] = socket.socket(fileno=ended)
        os.close(out)
        os.close(err)
        requests.send(STATUS.pack(pid))
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return None


def reap(running: dict[int, socket.socket]) -> None:
    """Report each fork that has ended to its test."""
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with running.pop(pid) as told, suppress(OSError):  # the test may not listen any more
                told.send(STATUS.pack(status))


def become(request: Request) -> None:
    """Be the program of a request, with none of the forking process's files and signal handlers."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(request.out, 1)
    os.dup2(request.err, 2)
    os.closerange(3, FILES)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    time.tzset()
    sys.path[0] = request.cwd
    name, *arguments = request.words
    sys.argv = [name, *arguments]
    if name.endswith(".py"):
        runpy.run_path(name, run_name="__main__")
    else:
        runpy.run_module(name, run_name="__main__", alter_sys=True)


def quick_hashes() -> None:
    """Let passwords be hashed quickly, as site.py does: the tests register hundreds of people."""
    passwords = import_module("social.infra.security.passwords")
    passwords._hasher = passwords.argon2.using(type="ID", memory_cost=64, time_cost=1, parallelism=1)


def import_plaza() -> None:
    """Import all programs, and leave it to the forks to run them."""
    for program in PROGRAMS:
        import_module(f"{program}.__main__")
        del sys.modules[f"{program}.__main__"]
    import_module("devtools.cluster.app")  # which its program imports late
    quick_hashes()


if __name__ == "__main__":
    descriptor, *modules = sys.argv[1:]
    for module in modules:
        import_module(module)
    if not modules:
        import_plaza()
    gc.freeze()
    if (asked := serve(socket.socket(fileno=int(descriptor)))) is not None:
        become(asked)
