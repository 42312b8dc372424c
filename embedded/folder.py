"""The folder of all data, which one system at a time may use."""

import fcntl
from pathlib import Path
from typing import IO, Any

from social.infra.settings import StartError

PROBE = bytes(65_536)  # without room for it nothing would start, or live for long


class claim:
    """A lock on the data folder; entering raises StartError when another system has it or it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: IO[Any] | None = None

    def __enter__(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / "lock").open("a+")
            self._probe()
        except OSError as error:
            raise StartError(f"cannot write to {self._folder}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"{self._folder} is in use by another Plaza; stop it, or set PLAZA_VAR") from None

    def _probe(self) -> None:
        probe = self._folder / ".writable"
        try:
            probe.write_bytes(PROBE)
        finally:
            probe.unlink(missing_ok=True)

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()
