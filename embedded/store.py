"""The embedded document store: SecantusDB, in Python or Rust, as a child process with its data in a folder."""

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
from social.infra import clock
from social.infra.observe import logs
from social.infra.settings import StartError
from social.infra.store.mongo import Mongo

log = logs.get("store")

NOTE = "store.json"  # process id, port and URL of the running store
READY_WITHIN_S = 120.0  # as long as a busy machine may take
STOP_WITHIN_S = 2.0
TRIES = 3
WATCH_EVERY_S = 0.5
LONGEST_PAUSE_S = 15.0
PROBE_EVERY_S = 2.0
MOST_REFUSED = 3  # probes in a row
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Store:
    """A store as a child process that dies with this process; else the next start ends it."""

    def __init__(self, folder: Path, program: str = "py", cache_mb: int = store_programs.CACHE_MB) -> None:
        self._folder = folder
        self._program = program  # of store_programs.PROGRAMS
        self._cache_mb = cache_mb
        self._note = folder / NOTE
        self._child: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.url = ""

    async def start(self) -> str:
        """Start the store, wait until it answers, and return its URL; raises StartError."""
        await self._stop_leftover()
        try:
            self._begin_anew_if_unfinished()
        except OSError as error:
            raise StartError(f"cannot make the folder of the document store: {error}") from None
        why = ""
        for _ in range(TRIES):  # another process may take the free port first
            self._port = _free_port()
            self.url = store_programs.url(self._port)
            try:
                self._spawn()
            except OSError as error:
                raise StartError(f"cannot start the document store: {error}") from None
            why = await self._ready()
            if not why:
                self._finish()
                await self._check()
                return self.url
            self.stop()
        raise StartError(f"the document store did not start: {why}")

    async def _check(self) -> None:
        if self._program == "py":  # its version is pinned and tested
            return
        with suppress(Unavailable):
            if not await frees_unique_values(self.url):
                log.warning(
                    "this store refuses unique values that are free again, as addresses of deleted accounts and groups"
                    " of closed notifications: use it for measurements alone (docs/decisions/0026-stores.md)",
                    program=self._program,
                )

    def stop(self) -> None:
        """Terminate the store, and kill it after 2 s; stop it last, while its client is still open."""
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
        """Start the store again on its port whenever it has died, with pauses that double up to 15 s.

        The system never ends for it: a store whose disk is full dies until there is room, and then works again.
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
        """Kill a store that answers every read with an error, so that `keep` starts it again.

        After a write that found no room the store lives on, answers pings, and refuses all else for ever. A slow or
        silent store is left alone.
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
        """Start the store again on its port, and wait until it answers; raises StartError."""
        self._spawn()
        if why := await self._ready():
            raise StartError(f"the document store did not start: {why}")

    @property
    def pid(self) -> int | None:
        """The id of the child process."""
        return self._child.pid if self._child else None

    def alive(self) -> bool:
        """Return whether the child runs."""
        return self._child is not None and self._child.poll() is None

    def _spawn(self) -> None:
        config = self._folder / "store.toml"  # empty, and named, else the program looks for a file elsewhere
        config.touch()
        command = store_programs.command(self._program, self._data, config, self._port, self._cache_mb)
        with (self._folder / "store.log").open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 - a known program and folder
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # else Ctrl-C ends the database before the drain
                preexec_fn=partial(_die_with_parent, os.getpid()) if LIBC else None,  # noqa: PLW1509 - the function imports nothing
                cwd=self._folder,
            )
        self._note.write_bytes(encode({"pid": self._child.pid, "port": self._port, "url": self.url}))

    @property
    def _data(self) -> Path:
        return self._folder / "store"

    @property
    def _unfinished(self) -> Path:
        """A mark in the data of a store that never answered yet."""
        return self._data / "unfinished"

    def _begin_anew_if_unfinished(self) -> None:
        """Set aside what a store left that ended while it made its files, and cannot open them.

        Nothing is deleted: somebody may have copied a backup over them.
        """
        if self._unfinished.exists():
            aside = self._data.with_name(f"{self._data.name}.unfinished-{clock.new_id()}")
            self._data.rename(aside)
            log.warning("the store had ended before it first answered, and begins anew", set_aside=str(aside))
        if not self._data.exists():
            self._data.mkdir()
        if self._data.is_dir() and not any(self._data.iterdir()):
            self._unfinished.touch()

    def _finish(self) -> None:
        """Take the mark away for good, before anybody writes: a power cut must not bring it back."""
        if not self._unfinished.exists():
            return
        self._unfinished.unlink()
        folder = os.open(self._data, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def _ready(self) -> str:
        """Return an empty string once the store answers, else the reason why it does not."""
        mongo = Mongo(self.url, "admin", timeout_s=1)
        deadline = time.monotonic() + READY_WITHIN_S
        try:
            while time.monotonic() < deadline:
                if not self.alive():
                    return self.last_words()
                with suppress(Unavailable):
                    if _listens(self._port):  # after a refusal the driver would retry only half a second later
                        await mongo.ping()
                        return ""
                await asyncio.sleep(0.02)
        finally:
            mongo.close()
        return f"no answer within {READY_WITHIN_S:.0f} s"

    def last_words(self) -> str:
        """Return the last line of the store's log."""
        with suppress(OSError):
            lines = (self._folder / "store.log").read_text(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return "it ended at once"

    async def _stop_leftover(self) -> None:
        """End a store that a killed process left behind, if it serves this folder."""
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
    """Return the URL of the store that runs on this folder; raises OSError where none runs."""
    return store_programs.url(decode((folder / NOTE).read_bytes())["port"])


def _serves(pid: int, data: Path) -> bool:
    """Return whether the process lives and is a store of this folder, and not another that got its id."""
    proc = Path("/proc") / str(pid)
    try:
        if sys.platform == "linux":
            alive = b") Z" not in (proc / "stat").read_bytes()
            arguments = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        else:
            command = ["ps", "-ww", "-o", "stat=,args=", "-p", str(pid)]
            shown = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
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
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # SIGTERM hangs now and then; its commits are on disk
    if os.getppid() != parent:  # the parent died before prctl
        os._exit(1)
