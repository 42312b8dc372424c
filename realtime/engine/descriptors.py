"""The file descriptors that the process may still open; sockets leave some for everything else it does."""

import contextlib
import errno
import os
import resource

MOST_SPARE = 1024  # uSockets accepts up to 512 connections in one turn, before any of them is refused


def for_sockets() -> int:
    """Let the process open as many descriptors as it may allow itself, and return how many of them sockets may take."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):  # a system may allow less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return _limit() - spare()


def spare() -> int:
    """Return how many descriptors no socket may take."""
    return min(MOST_SPARE, _limit() // 8)


def left() -> int:
    """Return how many more descriptors may be opened, at most: POSIX gives a new one the lowest free number."""
    try:
        lowest = take()
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return 0
        raise
    os.close(lowest)
    return _limit() - lowest


def take() -> int:
    """Return a new descriptor of nothing, which has the lowest free number; raises OSError where none is left."""
    return os.open(os.devnull, os.O_RDONLY)


def _limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
