"""The file descriptors that the process may still open; sockets leave some for everything else it does."""

import errno
import os
import resource

MOST_SPARE = 1024  # uSockets accepts up to 512 connections in one turn, before any of them is refused


def left() -> int:
    """Return how many more descriptors may be opened, at most: POSIX gives a new one the lowest free number."""
    try:
        lowest = os.open(os.devnull, os.O_RDONLY)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return 0
        raise
    os.close(lowest)
    return _limit() - lowest


def spare() -> int:
    """Return how many descriptors no websocket may take."""
    return min(MOST_SPARE, _limit() // 8)


def raise_limit() -> None:
    """Let the process open as many descriptors as it may allow itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
