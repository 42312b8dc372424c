"""A file whose replacement is noticed while the process runs."""

import time
from pathlib import Path

from social.infra.observe import logs

log = logs.get("tokens")

LOOK_EVERY_S = 1.0


class WatchedFile:
    """A file that is read again after it was replaced; it is checked at most every second unless `now` is set."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _stamp(path)
        self._look_at = time.monotonic() + LOOK_EVERY_S

    def changed(self, *, now: bool = False) -> bytes | None:
        """Return its new content, once; None while it is unchanged or cannot be read."""
        if not now and time.monotonic() < self._look_at:
            return None
        self._look_at = time.monotonic() + LOOK_EVERY_S
        try:
            stamp = _stamp(self._path)
            if stamp == self._seen:
                return None
            content = self._path.read_bytes()
        except OSError as error:
            log.error("a key file cannot be read; the keys stay as they were", path=str(self._path), error=str(error))
            return None
        self._seen = stamp
        return content


def _stamp(path: Path) -> tuple[int, int, int]:
    is_ = path.stat()
    return is_.st_mtime_ns, is_.st_size, is_.st_ino
