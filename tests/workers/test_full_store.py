"""A store whose disk is full, or that refuses for an unknown reason: 503 meanwhile, and then all works again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.eventually import eventually
from support.failing_store import FULL, NO_SPACE, UNHEARD_OF, WRITES, FailingStore, failing_store
from support.site import Site, system

from workers import runner

pytestmark = pytest.mark.parametrize("broker", ["local"])

ALL = (*WRITES, "find", "aggregate", "count", "hello")


@pytest.fixture
async def store(mongo_url: str) -> AsyncIterator[FailingStore]:
    """The store of these tests, which can be made to refuse."""
    async with failing_store(mongo_url) as store:
        yield store


@pytest.fixture
async def site(
    store: FailingStore, mongo_database: str, monkeypatch: pytest.MonkeyPatch, quick_sweeps: None
) -> AsyncIterator[Site]:
    """A whole Plaza over this store, with shorter pauses."""
    monkeypatch.setattr(runner, "PAUSE_S", 0.2)
    monkeypatch.setattr("social.infra.process.process.LONGEST_PAUSE_S", 0.5)
    async with system(store.url, mongo_database) as running:
        yield running


@pytest.mark.parametrize("error", [FULL, NO_SPACE, UNHEARD_OF], ids=["14031", "no space left", "an unknown code"])
async def test_a_store_that_refuses_writes_is_a_503_and_everything_goes_on_when_it_takes_them_again(
    site: Site, store: FailingStore, error: dict[str, Any]
) -> None:
    ada, bob = [await site.door.register(name) for name in ("ada", "bob")]
    post = await ada.publish("hello")
    await bob.like(post)  # what follows from it meets the full disk
    store.refuse(error)
    asks: list[tuple[str, str, Any]] = [
        ("POST", "/v1/posts", {"text": "more"}),
        ("PUT", f"/v1/posts/{post.id}/like", None),
        ("POST", f"/v1/posts/{post.id}/comments", {"text": "well"}),
        ("POST", "/v1/auth/logout-all", None),
        ("POST", "/v1/auth/refresh-token", {"refresh_token": ada.tokens.refresh_token}),
        ("POST", "/v1/notifications/read", {"all_until": "2020-01-01T00:00:00Z"}),
    ]
    for _ in range(3):
        answers = await asyncio.gather(*(ada.ask(*each) for each in asks))
        assert {answer.status for answer in answers} <= {200, 503}
        assert [answer.status for answer in answers[:4]] == [503] * 4
    assert (await ada.ask("GET", f"/v1/posts/{post.id}")).status == 200, "what is there can be read"
    await asyncio.sleep(2)  # each loop has met it
    assert not site.tasks.failed
    store.refuse({})
    await ada.publish("there is room")
    await bob.comment(post, "nice")

    async def notified() -> None:
        assert {each.type for each in await ada.notifications()} == {"like", "comment"}
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0
        assert await site.plaza.mongo.count("parked", {}, limit=1) == 0

    await eventually(notified)
    assert not site.tasks.failed
    site.tasks.restarts.clear()


async def test_no_loop_ends_with_a_store_that_refuses_all(site: Site, store: FailingStore) -> None:
    ada = await site.door.register("ada")
    store.refuse(UNHEARD_OF, ALL)
    await asyncio.sleep(3)
    answer = await ada.ask("GET", "/v1/feed")
    assert answer.status == 503
    assert not site.tasks.failed
    store.refuse({})
    await eventually(lambda: ada.publish("still here"))
    site.tasks.restarts.clear()


async def test_a_store_that_refuses_the_user_while_it_runs_ends_nothing(site: Site, store: FailingStore) -> None:
    """The store may refuse for a moment while its users are changed; only a start ends for it."""
    ada = await site.door.register("ada")
    store.refuse({"code": 13, "codeName": "Unauthorized", "errmsg": "not authorized"}, ALL)
    await asyncio.sleep(2)
    assert (await ada.ask("GET", "/v1/feed")).status == 503
    assert (await ada.ask("POST", "/v1/posts", {"text": "more"})).status == 503
    assert not site.tasks.failed
    store.refuse({})
    await ada.publish("still here")
    site.tasks.restarts.clear()
