"""The programs that can be the embedded document store, and the commands that start them."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator

from social.infra.settings import StartError

RUST = "secantusd-rs"
CACHE_MB = 1024


class StoreProgram(NamedTuple):
    """A store program: the function that finds it, and the error where it is missing."""

    find: Callable[[], str | None]
    missing: str


PROGRAMS = {
    "py": StoreProgram(
        lambda: str(beside) if (beside := Path(sys.executable).with_name("secantusd-py")).exists() else None,
        "the embedded document store is not installed: `make run` installs it, or set MONGO_URL",
    ),
    "rs": StoreProgram(
        lambda: shutil.which(RUST),
        f"{RUST} is not on the PATH: docs/decisions/0026-stores.md says how to get it",
    ),
}


def command(name: str, data: Path, config: Path, port: int, cache_mb: int = CACHE_MB) -> list[str]:
    """Return the command of a program with its documents in `data`; raises StartError when it is not installed."""
    program = PROGRAMS[name]
    if (found := program.find()) is None:
        raise StartError(program.missing)
    where = ["--host", "127.0.0.1", "--port", str(port), "--storage-path", str(data), "--config", str(config)]
    # Without --sync-on-commit a kill -9 loses the last commits, whatever write concern a client asks for.
    return [found, *where, "--log-level", "ERROR", "--sync-on-commit", "--cache-size", f"{cache_mb}M"]


def url(port: int) -> str:
    """Return the URL that clients of either program connect to."""
    # retryWrites: both programs keep retryable writes in memory alone, so that a retry after their restart would write
    # twice; and at each write the Python program scans those of the last 30 minutes.
    return f"mongodb://127.0.0.1:{port}/?retryWrites=false"


def _installed(name: str) -> str:
    """Return the name, or raise ValueError where that program is not installed; the default is checked at its start."""
    if name != "py" and PROGRAMS[name].find() is None:
        raise ValueError(PROGRAMS[name].missing)
    return name


def _possible(choice: str) -> str:
    if choice in PROGRAMS:
        return _installed(choice)
    if not choice.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError(f"the store is neither {' nor '.join(PROGRAMS)} nor a mongodb:// URL")
    return choice


EmbeddedStore = Annotated[Literal["py", "rs"], AfterValidator(_installed)]
StoreChoice = Annotated[str, AfterValidator(_possible)]
