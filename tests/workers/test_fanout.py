"""The chunks of a fan-out: each records the next before its own event can be acked; no server takes part."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from social import feeds
from social.contracts.events import FanOutContinued, PostPublished
from social.contracts.problems import Unavailable
from social.feeds import FannedOut
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent
from social.infra.process.background import BestEffortTasks
from workers import fanout

pytestmark = pytest.mark.parametrize("broker", ["local"])

PLAZA: Any = SimpleNamespace(
    mongo=SimpleNamespace(get=AsyncMock(return_value={"_id": "a" * 24})),
    lines=SimpleNamespace(forget=AsyncMock()),
    best_effort=BestEffortTasks(),
)
EVENTS = (
    PostPublished(post_id="a" * 24, author_id="b" * 24),
    FanOutContinued(post_id="a" * 24, author_id="b" * 24, after="c" * 24),
)


@pytest.mark.parametrize("event", EVENTS, ids=["the first chunk", "a later one"])
async def test_a_chunk_whose_next_one_is_not_recorded_has_failed(
    event: PostPublished | FanOutContinued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "fan_out", AsyncMock(return_value=FannedOut(["d" * 24], "d" * 24)))
    monkeypatch.setattr(fanout, "is_merged", AsyncMock(return_value=False))
    monkeypatch.setattr(fanout, "push_live", AsyncMock())
    monkeypatch.setattr(fanout, "once", AsyncMock(side_effect=Unavailable))
    with pytest.raises(Unavailable):
        await fanout.handle(PLAZA, ReceivedEvent(clock.new_id(), clock.now(), event), limit=10)
