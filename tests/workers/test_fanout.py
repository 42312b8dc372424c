"""The chunks of a fan-out: each records the next before its own event can be acked; no server takes part."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from support.site import system

from social import feeds
from social.contracts.events import Event, FanOutContinued, PostPublished, PostReposted
from social.contracts.posts import RepostState
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


@pytest.mark.parametrize("reposted", [False, True], ids=["a post", "a repost"])
async def test_followers_see_what_is_published_twice_once_unless_it_is_redelivered(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch, reposted: bool
) -> None:
    """The relay publishes again what the fast path has not forgotten; a redelivery may have died before its push."""
    async with system(mongo_url, mongo_database, roles=()) as site:
        ada, bob, cleo = [await site.door.register(name) for name in ("ada", "bob", "cleo")]
        await bob.follow(ada)
        author = cleo if reposted else ada
        about = {"post_id": (await author.publish("hello")).id, "author_id": author.id}
        event: Event = PostPublished(**about)
        if reposted:
            (await ada.ask("PUT", f"/v1/posts/{about['post_id']}/repost")).ok(RepostState)
            row = await site.plaza.mongo.get("interactions", about["post_id"] + ada.id)
            assert row is not None
            event = PostReposted(**about, by=ada.id, repost_id=row["repost_id"])
        pushed = AsyncMock()
        monkeypatch.setattr(site.plaza.pushes, "hint", pushed)
        monkeypatch.setattr(site.plaza.pushes, "watched", AsyncMock(side_effect=set))
        happened = ReceivedEvent(clock.new_id(), clock.now(), event)
        for each, times in ((happened, 1), (happened, 1), (happened._replace(again=True), 2)):
            await fanout.handle(site.plaza, each, limit=10)
            assert pushed.await_count == times
