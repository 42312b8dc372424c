"""Meters for the processes of the avalanche: processor time, memory, and commands to the store and Redis."""

import asyncio
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, fields
from http.client import HTTPException
from typing import Any

import psutil

STORE_COMMANDS = re.compile(r"^plaza_store_command_duration_seconds_count\{.*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Spent:
    """Amounts so far, or in a while: seconds of processors, and commands."""

    gateways_s: float = 0.0
    store_s: float = 0.0
    redis_s: float = 0.0
    store_commands: float = 0.0
    redis_commands: float = 0.0

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(*(getattr(self, each.name) - getattr(other, each.name) for each in fields(Spent)))

    def __mul__(self, factor: float) -> "Spent":
        return Spent(*(getattr(self, each.name) * factor for each in fields(Spent)))


class Meter:
    """Reads what gateways, store and Redis have spent; a gateway that has ended keeps what was read of it last."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._stores = stores()  # now: of gateways that end later no command line can be read
        self._ports: dict[int, int] = {}  # of gateways, by pid
        self._commands: dict[int, float] = {}  # to the store, by pid
        self._seconds: dict[int, float] = {}

    def add(self, pid: int, port: int) -> None:
        """Add a gateway."""
        self._ports[pid] = port

    async def spent(self) -> Spent:
        """Return what was spent so far."""
        for pid, port in list(self._ports.items()):
            try:
                self._commands[pid] = await store_commands(port)
            except (OSError, HTTPException):
                del self._ports[pid]  # it has ended
            self._seconds[pid] = cpu_s([pid])
        stats = await self._redis.info("commandstats")
        server = await self._redis.info("server")
        return Spent(
            sum(self._seconds.values()),
            cpu_s(self._stores),
            cpu_s([server["process_id"]]),
            sum(self._commands.values()),
            sum(each["calls"] for each in stats.values()),
        )

    def memory(self) -> int:
        """Return the resident bytes of all gateways."""
        return sum(psutil.Process(pid).memory_info().rss for pid in self._ports)

    async def redis_memory(self) -> int:
        """Return the bytes that Redis uses."""
        return int((await self._redis.info("memory"))["used_memory"])


def percentile_ms(ms: Sequence[float], percent: int) -> float | None:
    """Return a percentile of milliseconds; None where there are none."""
    return round(sorted(ms)[min(len(ms) - 1, len(ms) * percent // 100)], 1) if ms else None


def stores() -> list[int]:
    """Return the processes of the embedded store that this process started; none where STORE names another store."""
    return [each.pid for each in psutil.Process().children(recursive=True) if "secantusd" in " ".join(each.cmdline())]


def cpu_s(pids: Sequence[int]) -> float:
    """Return the processor seconds of processes so far."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)


async def store_commands(port: int) -> float:
    """Return how many commands a gateway has sent to the store."""
    return sum(map(float, STORE_COMMANDS.findall(await metrics(port))))


async def metrics(port: int) -> str:
    """Return the metrics of a gateway."""

    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(read)
