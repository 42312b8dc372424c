"""The look for ended sessions that each process does every second."""

import pytest

from social.infra.security.revocations import POLL_S, Revocations
from support.eventually import eventually


async def polled(revocations: Revocations, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until a process has begun and ended a look for ended sessions, which it does each second."""
    assert POLL_S <= 1
    polls, poll = 0, revocations.poll

    async def counted() -> None:
        nonlocal polls
        await poll()
        polls += 1

    monkeypatch.setattr(revocations, "poll", counted)

    async def look() -> None:
        assert polls

    await eventually(look)
