"""Pages whose commands are run: their fenced blocks, and a terminal that executes these one after the other.

The words after the language say what a block is: `sh` runs where the blocks before it ran, `sh server` runs beside
them until Ctrl-C, which comes before the next `sh server` or `sh stopped` and at the end. `sh unrun` needs something
that tests have not, or another test runs it. `js ada.mjs` is saved as a file, `py in <file>` is an excerpt of one. A
`text` block right after one that runs is its output; `…` stands for anything within a line.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.M | re.S)
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "node_modules", "var", ".*_cache", "__pycache__", "keys", ".claude")
SERVES_WITHIN_S = 90.0


class Block(NamedTuple):
    """A fenced block: its language, the words after it, and its lines."""

    language: str
    words: tuple[str, ...]
    text: str


def blocks(page: str, section: str | None = None) -> list[Block]:
    """Return the blocks of a page under the root, or of a section of it."""
    text = (ROOT / page).read_text()
    if section is not None:
        text = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return [Block(language, tuple(words.split()), body) for language, words, body in FENCE.findall(text)]


def excerpts(page: str) -> list[tuple[str, str]]:
    """Return the blocks `py in <file>`: the file that contains them, and their text."""
    return [(words[1], text) for _, words, text in blocks(page) if words[:1] == ("in",)]


def links(page: Path) -> list[tuple[Path, str]]:
    """Return the files a page links to, and the headings in them, or the empty string."""
    found = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text())
    return [(page.parent / file if file else page, heading) for file, heading in found if "://" not in file]


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def names(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield files and names in `code`, each with the files that the row of its table is about."""
    for line in FENCE.sub("", (ROOT / page).read_text()).splitlines():
        first, *cells = line.strip("|").split("|") if line.startswith("|") else ("", line)
        files = [name for name in _coded(first) if "/" in name]
        yield from ((name, []) for name in files)
        yield from ((name, files) for cell in cells for name in _coded(cell))


def _coded(text: str) -> list[str]:
    """Return file names, identifiers, quoted words and words of a log; code with other signs is prose, or a command."""
    name = r'[\w.*/-]+|"[\w.]+"|[a-z]+( [a-z]+)+'
    return [each for each in re.findall(r"`([^`]+)`", text) if re.fullmatch(name, each)]


def shows(expected: str, printed: str) -> str | None:
    """Return the first expected line that is missing from the output at its place; None where all are there."""
    at = 0
    for line in expected.strip().splitlines():
        pattern = ".*?".join(re.escape(part) for part in line.strip().split("…"))
        found = re.compile(pattern).search(printed, at)
        if found is None:
            return line
        at = found.end()
    return None


def checkout(folder: Path) -> Path:
    """Clone this checkout, with the packages that are installed here."""
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT, symlinks=True)
    for installed in (".venv", "node_modules"):
        (folder / installed).symlink_to((ROOT / installed).resolve())
    for words in ("init -q", "add -A", "commit -q -m all"):
        identity = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *words.split()], cwd=folder, check=True)
    return folder


def tools(folder: Path) -> Path:
    """Make a folder to begin the PATH with: this Python's programs, and a make that finds everything installed."""
    folder.mkdir()
    installs = " ".join(f"-o {each}" for each in ("packages-run", "packages-dev", "node-modules"))
    make = folder / "make"
    make.write_text(f'#!/bin/sh\nexec {shutil.which("make")} {installs} "$@"\n')
    make.chmod(0o755)
    return folder


class Terminal:
    """A shell that stays open from block to block, and one beside it in which servers run."""

    def __init__(self, folder: Path, tools: Path, here: Callable[[str], str], settings: Mapping[str, object]) -> None:
        self.folder = folder
        self._here = here
        ours = {name: os.environ[name] for name in ("HOME", "LANG", "TERM", "TMPDIR") if name in os.environ}
        path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
        self._env = {**ours, "PATH": path, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
        self._env |= {name: str(value) for name, value in settings.items()}
        self._shell: asyncio.subprocess.Process | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._log = folder.parent / "server.log"

    async def follow(
        self, page: str, section: str | None = None, once_served: Callable[[Path], Awaitable[None]] | None = None
    ) -> None:
        """Do what a page or a section says, compare what it shows, and do `once_served` when the first server runs."""
        ran: str | None = None
        for language, words, text in blocks(page, section):
            match language, words:
                case "sh", ():
                    ran = await self.run(text)
                case "sh", ("server",):
                    ran = await self.serve(text)
                case "sh", ("stopped",):
                    await self.interrupt()
                    ran = await self.run(text)
                case "js" | "py", (name,):
                    (self.folder / name).write_text(self._here(text))
                case "text", () if ran is not None:
                    ran = await self._shown(self._here(text), ran)
                    if once_served is not None:
                        await once_served(self.folder)
                        once_served = None
                case ("sh", ("unrun",)) | ("py", ("in", _)) | ("mermaid" | "ts", ()):
                    ran = None
                case _:
                    raise AssertionError(f"{page}: no rule for a block of {language} {words}")

    async def run(self, text: str, timeout_s: float = 120) -> str:
        """Return the output of some commands; each of them has to succeed."""
        if self._shell is None:
            self._shell = await asyncio.create_subprocess_exec(
                "bash", "--noprofile", "--norc", cwd=self.folder, env=self._env, start_new_session=True,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        block, printed = self.folder.parent / "block.sh", b""
        block.write_text(self._here(text))
        strict = "set -uEo pipefail; trap 'echo \"failed: $BASH_COMMAND\" >&2; echo 1 >&9' ERR"
        self._shell.stdin.write(f"exec 9>failed; {strict}; . {block} </dev/null; echo; echo '-- over --'\n".encode())
        async with asyncio.timeout(timeout_s):
            while not printed.endswith(b"\n-- over --\n"):
                line = await self._shell.stdout.readline()
                printed += line
                assert line, f"{text}\nended the shell:\n{printed.decode()}{self.log}"
        answer = printed.decode().removesuffix("\n-- over --\n")
        assert not (self.folder / "failed").read_text(), f"{text}\nsaid:\n{answer}\n{self.log}"
        (self.folder / "failed").unlink()
        return answer

    async def serve(self, text: str) -> str:
        """Start a server, after the one before has ended; return its first output."""
        await self.interrupt()
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-euc", self._here(text)], cwd=self.folder, env=self._env,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return ""

    async def _shown(self, expected: str, printed: str) -> str:
        deadline = time.monotonic() + SERVES_WITHIN_S
        while self._server is not None and printed == "" and shows(expected, self.log) is not None:
            assert self._server.poll() is None, self.log
            assert time.monotonic() < deadline, f"{expected}\nis not what it printed:\n{self.log}"
            await asyncio.sleep(0.05)
        missing = shows(expected, printed or self.log)
        assert missing is None, f"{missing}\nis not in:\n{printed}"
        return printed

    @property
    def log(self) -> str:
        """Return the output of the server."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    async def interrupt(self) -> None:
        """Send Ctrl-C to the server, if it runs; wait until it has ended."""
        if self._server is not None:
            await _end(self._server, signal.SIGINT)
            self._server = None

    async def close(self) -> None:
        """End everything that was started here."""
        await self.interrupt()
        if self._shell is not None:
            os.killpg(self._shell.pid, signal.SIGKILL)
            await self._shell.wait()


async def _end(process: subprocess.Popen[bytes], how: signal.Signals, timeout_s: float = 60) -> None:
    """End a process and its children."""
    for each in (how, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, each)
        deadline = time.monotonic() + timeout_s
        while process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
