"""The origin of figures: the machine, and the commit of this repository."""

import os
import platform
import subprocess
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]


def machine() -> str:
    """Return a description of the machine."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = psutil.virtual_memory().total / 2**30
    name = f"{platform.system()} {platform.release()}, {os.cpu_count()} × {model or platform.machine()}"
    return f"{name}, {memory:.0f} GiB, Python {platform.python_version()}"


def commit() -> str:
    """Return a short hash, with a + where code was changed since the commit; empty where this is no clone."""
    git = ["git", "-C", str(ROOT)]
    figures = [":!README.md", ":!loadtests/README.md", ":!loadtests/figures"]  # benchmarks write these files themselves
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
        changed = [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", *figures]
        return head.strip() + "+" * bool(subprocess.run(changed, capture_output=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError):
        return ""
