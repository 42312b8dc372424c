"""Small disks, which are soon full."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A small disk that is soon full; skips the test where mounting is not allowed."""
    folder.mkdir()
    options = ["-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(["mount", "-t", "tmpfs", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
