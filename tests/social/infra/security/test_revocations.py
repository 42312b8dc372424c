"""The list of ended sessions is trusted while it is fresh; no server takes part."""

from typing import Any
from unittest.mock import AsyncMock

import pytest

from social.contracts.problems import SessionRevoked, Unavailable
from social.infra import clock
from social.infra.security import revocations
from social.infra.security.revocations import Revocations
from social.infra.security.tokens import Access

ENDED, OPEN = (Access("a" * 24, each * 24, 0) for each in "bc")


async def test_a_list_that_is_too_old_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    mongo: Any = AsyncMock(now=AsyncMock(return_value=clock.now()), many=AsyncMock(return_value=[]))
    known = Revocations(mongo)
    with pytest.raises(Unavailable):
        known.check(OPEN)
    await known.poll()
    known.add(ENDED.session_id)
    known.check(OPEN)
    monkeypatch.setattr(revocations, "FAIL_CLOSED_S", -1.0)
    with pytest.raises(Unavailable):
        known.check(OPEN)
    with pytest.raises(SessionRevoked):
        known.check(ENDED)
