"""Passwords: argon2id by passlib, off the event loop, at most two at once, and never on all cores nor all the time."""

import asyncio
import os
import sys
import threading
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from passlib.hash import argon2

from social.contracts.problems import RateLimited

AT_ONCE = max(1, min(2, len(os.sched_getaffinity(0)) - 1 if sys.platform == "linux" else 2))
MOST_WAITING = 64
# Of the hashing threads, above the process (Linux). On busy cores a thread at 5 has a third of the time of one at 0,
# and at 19, the lowest, a seventieth: beside twelve busy programs on two cores a hash of 30 ms took over ten seconds.
# Reads beside logins are as slow at 5 as at 19 (loadtests/benchmarks/login.py: p99 1.6 times).
NICENESS = 5

_hasher = argon2.using(type="ID", memory_cost=19 * 1024, time_cost=2, parallelism=1)  # OWASP's second choice, 19 MiB
_nobody = "$argon2id$v=19$m=19456,t=2,p=1$ur9ba88ZY2xNCYFQSsn5Hw$wyQTHy6ke4T5RBFKhmhXLzWOVHQXJmxlBnWr8gMgS7o"


class _Rest(threading.local):
    until = 0.0  # by the monotonic clock, per thread


_rest = _Rest()


def _give_way() -> None:
    """Lower the priority of this thread, so that whoever reads and writes goes first (Linux)."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


def _in_turn(work: Callable[..., object], *args: str) -> object:
    """Hash, after a rest as long as the processor time of this thread's last hash.

    A login is work for the rest of the system too: without rests many of them would fill what hashing leaves.
    """
    time.sleep(max(0.0, _rest.until - time.monotonic()))
    started = time.thread_time()
    try:
        return work(*args)
    finally:
        _rest.until = time.monotonic() + time.thread_time() - started


class Passwords:
    """Password hashing in its own threads; a flood of logins is refused before it queues without end."""

    def __init__(self) -> None:
        _hasher.get_backend()  # passlib loads it at first use, which is not thread-safe
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2", initializer=_give_way)
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Return a salted hash of the password in NFC; raises RateLimited when too many wait."""
        return str(await self._run(_hasher.hash, unicodedata.normalize("NFC", password)))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Return whether the password is right; takes equally long for an unknown account. Raises RateLimited.

        Keyboards differ in how they compose an é, so it is compared in NFC, and as it was typed for hashes that an
        older release made of that.
        """
        for spelling in dict.fromkeys((unicodedata.normalize("NFC", password), password)):
            if await self._run(_hasher.verify, spelling, stored or _nobody):
                return stored is not None
        return False

    async def _run(self, work: Callable[..., object], *args: str) -> object:
        if self._waiting >= MOST_WAITING:
            raise RateLimited("Too many sign-ins at the moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _in_turn, work, *args)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
