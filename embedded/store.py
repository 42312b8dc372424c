"""The document store of a laptop: SecantusDB, in Python or Rust, as a child process; its data are in this folder."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from embedded import store_programs
from embedded.store_check import answers_errors, frees_unique_values
from social.contracts.codec import decode, encode
from social.contracts.problems import Unavailable
from social.infra.observe import logs
from social.infra.process.settings import StartError
from social.infra.store.mongo import Mongo

log = logs.get("store")

NOTE = "store.json"  # the process and the port of what runs
READY_WITHIN_S = 20.0
STOP_WITHIN_S = 2.0
TRIES = 3
WATCH_EVERY_S = 0.5
LONGEST_PAUSE_S = 15.0
PROBE_EVERY_S = 2.0
MOST_REFUSED = 3  # probes in a row
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Store:
    """A store child that dies with us, and is ended by the next start if it did not."""

    def __init__(self, folder: Path, program: str = "py") -> None:
        self._folder = folder
        self._program = program  # of store_programs.PROGRAMS
        self._note = folder / NOTE
        self._child: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.url = ""

    async def start(self) -> str:
        """Start it and wait until it answers; its URL. Raises StartError."""
        await self._stop_leftover()
        why = ""
        for _ in range(TRIES):  # the free port may be taken by somebody else before the store has it
            self._port = _free_port()
            self.url = store_programs.url(self._port)
            try:
                self._spawn()
            except OSError as error:
                raise StartError(f"cannot start the document store: {error}") from None
            why = await self._ready()
            if not why:
                await self._check()
                return self.url
            self.stop()
        raise StartError(f"the document store did not start: {why}")

    async def _check(self) -> None:
        if self._program == "py":  # whose pinned version is tested
            return
        with suppress(Unavailable):
            if not await frees_unique_values(self.url):
                log.warning(
                    "this store refuses values that are free again, as addresses of deleted accounts and groups of"
                    " notifications that were closed: good for measurements alone (docs/decisions/0026-stores.md)",
                    program=self._program,
                )

    def stop(self) -> None:
        """End it, gently first; it is the last to go, while its client is still open."""
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        with suppress(OSError):
            self._note.unlink()

    async def keep(self) -> None:
        """Start it again, on the same port, whenever it died: at first at once, then more and more seldom.

        Nothing ends for it: where its disk is full it dies until there is room, and then all goes on.
        """
        pause_s = WATCH_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            if self._child is None or self.alive():  # None: it is being stopped
                pause_s = WATCH_EVERY_S
                continue
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            log.error("the document store ended; starting it again", why=self.last_words())
            try:
                await self.revive()
            except (StartError, OSError) as error:
                log.error("the document store does not start", why=str(error), again_in_s=pause_s)

    async def watch(self) -> None:
        """Kill it where it answers every read with an error, so that whoever keeps it starts it again.

        After a write that found no room it lives on, answers pings, and refuses all else for ever. One that is slow, or
        silent, is left alone.
        """
        refused = 0
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            child = self._child
            if child is None or not self.alive():
                refused = 0
                continue
            refused = refused + 1 if await asyncio.to_thread(answers_errors, self._port) else 0
            if refused == MOST_REFUSED:
                log.error("the document store refuses everything and is killed", why=self.last_words())
                child.kill()

    async def revive(self) -> None:
        """Start it again, on the same port, and wait until it answers; raises StartError."""
        self._spawn()
        if why := await self._ready():
            raise StartError(f"the document store did not start: {why}")

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._child.pid if self._child else None

    def alive(self) -> bool:
        """Whether the child runs."""
        return self._child is not None and self._child.poll() is None

    def _spawn(self) -> None:
        config = self._folder / "store.toml"  # empty, and named: else it would look for one elsewhere
        config.touch()
        command = store_programs.command(self._program, self._data, config, self._port)
        with (self._folder / "store.log").open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 - our own program and folder
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # else Ctrl-C ends the database before the drain
                preexec_fn=partial(_die_with_parent, os.getpid()) if LIBC else None,  # noqa: PLW1509 - it loads nothing
                cwd=self._folder,
            )
        self._note.write_bytes(encode({"pid": self._child.pid, "port": self._port}))

    @property
    def _data(self) -> Path:
        return self._folder / "store"

    async def _ready(self) -> str:
        """Empty when it answers, else why it does not."""
        mongo = Mongo(self.url, "admin", timeout_s=1)
        deadline = time.monotonic() + READY_WITHIN_S
        try:
            while time.monotonic() < deadline:
                if not self.alive():
                    return self.last_words()
                with suppress(Unavailable):
                    if _listens(self._port):  # a driver that was refused asks again only half a second later
                        await mongo.ping()
                        return ""
                await asyncio.sleep(0.02)
        finally:
            mongo.close()
        return f"no answer within {READY_WITHIN_S:.0f} s"

    def last_words(self) -> str:
        """What it said last."""
        with suppress(OSError):
            lines = (self._folder / "store.log").read_text(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return "it ended at once"

    async def _stop_leftover(self) -> None:
        """End a store that a killed process left behind: only one that serves this very folder."""
        try:
            note = decode(self._note.read_bytes())
            pid = int(note["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        if not _serves(pid, self._data):
            return
        log.info("ending the store of an earlier run", pid=pid)
        for each, within_s in ((signal.SIGTERM, STOP_WITHIN_S), (signal.SIGKILL, STOP_WITHIN_S)):
            with suppress(ProcessLookupError):
                os.kill(pid, each)
            deadline = time.monotonic() + within_s
            while time.monotonic() < deadline:
                if not _serves(pid, self._data):
                    return
                await asyncio.sleep(0.02)


def noted_url(folder: Path) -> str:
    """The URL of the store that runs with its data in this folder; raises OSError where none does."""
    return store_programs.url(decode((folder / NOTE).read_bytes())["port"])


def _serves(pid: int, data: Path) -> bool:
    """Whether that process lives and is a store of this folder, and not a stranger that got the pid."""
    proc = Path("/proc") / str(pid)
    try:
        if sys.platform == "linux":
            alive = b") Z" not in (proc / "stat").read_bytes()
            arguments = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        else:
            command = ["ps", "-ww", "-o", "stat=,args=", "-p", str(pid)]
            shown = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
            state, _, arguments = shown.stdout.strip().partition(" ")
            alive = not state.startswith("Z")
    except OSError:
        return False
    return alive and "secantusd" in arguments and str(data) in arguments


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _die_with_parent(parent: int) -> None:
    assert LIBC is not None
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # its gentle end hangs now and then; what it committed is on disk
    if os.getppid() != parent:  # it died before
        os._exit(1)
