"""Passwords, hashed off the loop."""

import subprocess
import sys
from pathlib import Path

from social.infra.passwords import Passwords

FIRST_HASHES = """
import asyncio
from social.infra.passwords import Passwords

async def main():
    passwords = Passwords()
    hashes = await asyncio.gather(*(passwords.hash("correct horse") for _ in range(8)))
    assert len(set(hashes)) == 8

asyncio.run(main())
"""


def test_the_first_sign_ups_of_a_process_may_come_all_at_once():
    for _ in range(3):
        script = [sys.executable, "-c", FIRST_HASHES]
        shown = subprocess.run(script, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr


async def test_a_password_is_verified_and_nobodys_never_is():
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", stored)
    assert not await passwords.verify("battery staple", stored)
    assert not await passwords.verify("battery staple", None)
    passwords.close()
