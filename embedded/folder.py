"""The folder of all data, which one system at a time may use."""

import fcntl
from pathlib import Path
from typing import IO, Any

from social.infra.settings import StartError


class claim:
    """A lock on the data folder; entering raises StartError when another system has it or it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: IO[Any] | None = None

    def __enter__(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / "lock").open("a+")
            probe = self._folder / ".writable"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise StartError(f"cannot write to {self._folder}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"{self._folder} is in use by another Plaza; stop it, or set PLAZA_VAR") from None

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()
