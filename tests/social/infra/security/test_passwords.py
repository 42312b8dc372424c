"""Passwords, hashed off the loop."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from social.contracts.problems import RateLimited
from social.infra.security import passwords as infra
from social.infra.security.passwords import AT_ONCE, MOST_WAITING, Passwords

FIRST_HASHES = """
import asyncio
from social.infra.security.passwords import Passwords

async def main():
    passwords = Passwords()
    hashes = await asyncio.gather(*(passwords.hash("correct horse") for _ in range(8)))
    assert len(set(hashes)) == 8

asyncio.run(main())
"""


def test_the_first_sign_ups_of_a_process_may_come_all_at_once():
    for _ in range(3):
        script = [sys.executable, "-c", FIRST_HASHES]
        shown = subprocess.run(script, cwd=Path(__file__).parents[4], capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr


async def test_a_password_is_verified_and_nobodys_never_is():
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", stored)
    assert not await passwords.verify("battery staple", stored)
    assert not await passwords.verify("battery staple", None)
    passwords.close()


async def test_a_password_is_one_however_a_keyboard_composes_it():
    passwords = Passwords()
    composed, apart = "caf\u00e9 au lait", "cafe\u0301 au lait"
    for typed in (composed, apart):
        stored = await passwords.hash(typed)
        assert await passwords.verify(composed, stored)
        assert await passwords.verify(apart, stored)
        assert not await passwords.verify("cafe au lait", stored)
        assert not await passwords.verify(apart, None)
    passwords.close()


async def test_a_hash_that_an_older_release_made_of_what_was_typed_still_opens():
    passwords, apart = Passwords(), "cafe\u0301 au lait"
    stored = str(infra._hasher.hash(apart))
    assert await passwords.verify(apart, stored)
    assert not await passwords.verify("cafe au lait", stored)
    passwords.close()


class Slow:
    """A hash that takes as long as the test wants."""

    def __init__(self):
        self.go = threading.Event()
        self.now = self.most = self.done = 0
        self._lock = threading.Lock()

    def hash(self, password):
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.go.wait(60)
        with self._lock:
            self.now -= 1
            self.done += 1
        return password


async def test_two_are_hashed_at_once_and_a_flood_is_refused_before_it_queues_without_end(monkeypatch):
    passwords, slow = Passwords(), Slow()
    monkeypatch.setattr(infra, "_hasher", slow)
    waiting = [asyncio.create_task(passwords.hash(f"{n}")) for n in range(MOST_WAITING)]
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(RateLimited):
            await passwords.hash("one too many")
    assert slow.done == 0
    slow.go.set()
    assert await asyncio.gather(*waiting) == [f"{n}" for n in range(MOST_WAITING)]
    assert slow.most == AT_ONCE <= 2
    assert await passwords.hash("there is room again") == "there is room again"
    passwords.close()


async def test_who_gives_up_makes_room_for_another(monkeypatch):
    passwords, slow = Passwords(), Slow()
    monkeypatch.setattr(infra, "_hasher", slow)
    waiting = [asyncio.create_task(passwords.hash(f"{n}")) for n in range(MOST_WAITING)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    again = asyncio.create_task(passwords.hash("again"))
    slow.go.set()
    assert await again == "again"
    assert slow.done <= AT_ONCE + 1, "those who gave up are not hashed"
    passwords.close()


async def test_the_loop_goes_on_while_passwords_are_hashed(monkeypatch):
    passwords, slow = Passwords(), Slow()
    monkeypatch.setattr(infra, "_hasher", slow)
    waiting = asyncio.create_task(passwords.hash("x"))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    slow.go.set()
    assert await waiting == "x"
    passwords.close()


async def test_a_thread_rests_between_two_hashes_for_as_long_as_it_worked(monkeypatch):
    begun, ended = [], []

    class Busy:
        def hash(self, password):
            begun.append(time.monotonic())
            until = time.thread_time() + 0.02
            while time.thread_time() < until:
                pass
            ended.append(time.monotonic())
            return password

    passwords = Passwords()
    monkeypatch.setattr(infra, "_hasher", Busy())
    monkeypatch.setattr(passwords, "_pool", ThreadPoolExecutor(1))
    await asyncio.gather(*(passwords.hash("x") for _ in range(4)))
    rests = [later - before for before, later in zip(ended, begun[1:], strict=False)]
    assert min(rests) >= 0.019
    passwords.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
async def test_hashing_gives_way_and_is_not_starved():
    passwords = Passwords()
    await passwords.hash("x")
    loop = asyncio.get_running_loop()
    niceness = await loop.run_in_executor(passwords._pool, lambda: os.getpriority(os.PRIO_PROCESS, 0))
    here = os.getpriority(os.PRIO_PROCESS, 0)
    assert niceness == min(here + infra.NICENESS, 19)
    assert 0 < infra.NICENESS <= 5, "at 19 a login beside busy programs takes longer than a request may"
    passwords.close()
