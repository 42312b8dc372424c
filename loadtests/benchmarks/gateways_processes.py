"""Processes of the gateway benchmark: each is kept on a core, and ends with the measurement."""

import asyncio
import os
import socket
import subprocess
import time
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path

from devtools.cluster.ports import free_ports
from devtools.cluster.server import die_with_parent

HERE = Path(__file__).parent
GATEWAY_CORE, OTHER_CORE = 0, 1
ALL_CORES = os.sched_getaffinity(0)
STARTS_WITHIN_S = 120


def child(
    stack: AsyncExitStack, core: int | None, *command: str, env: dict[str, str] | None = None, log: Path | None = None
) -> subprocess.Popen[str]:
    """Start a process on one core; it ends with the stack."""
    output = stack.enter_context(log.open("a")) if log else subprocess.PIPE
    started = subprocess.Popen(
        [*die_with_parent(), *command], stdin=subprocess.PIPE, stdout=output, text=True, bufsize=1,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), **(env or {})}, cwd=HERE.parents[1],
    )  # fmt: skip
    stack.callback(started.wait)
    stack.callback(started.kill)
    on_core(started.pid, core)
    return started


def on_core(pid: int, core: int | None) -> None:
    """Keep a process, with all its threads, on one core; None lets it run on any core."""
    cores = sorted(ALL_CORES)
    allowed = set(cores) if core is None else {cores[core % len(cores)]}
    for thread in os.listdir(f"/proc/{pid or os.getpid()}/task"):
        os.sched_setaffinity(int(thread), allowed)


async def command(process: subprocess.Popen[str], line: str = "") -> list[str]:
    """Send a line to a process, if any, and return the words of the next line it prints."""
    assert process.stdin
    assert process.stdout
    if line:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    answer = await asyncio.to_thread(process.stdout.readline)
    if not answer:
        raise RuntimeError(f"{process.args} ended")
    return answer.split()


async def ready(url: str) -> None:
    """Wait until a URL answers."""
    async with asyncio.timeout(STARTS_WITHIN_S):
        while True:
            try:
                await asyncio.to_thread(urllib.request.urlopen, url, timeout=2)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return


def redis_server(stack: AsyncExitStack, folder: Path) -> str:
    """Start a private Redis, in memory only; return its URL."""
    (port,) = free_ports(1)
    options = {"bind": "127.0.0.1", "port": str(port), "dir": str(folder), "save": "", "appendonly": "no"}
    words = [word for k, v in options.items() for word in (f"--{k}", v)]
    child(stack, OTHER_CORE, "redis-server", *words, log=folder / "log")
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"redis://127.0.0.1:{port}/0"
        time.sleep(0.05)
    raise RuntimeError("redis-server does not start")
