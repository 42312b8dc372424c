"""Counts that repair themselves after any damage, also while events are under way."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from support.eventually import LONG_S, eventually
from support.people import Person
from support.site import Site, system

from social import commands
from social.__main__ import parser
from social.contracts.codec import decode
from social.contracts.envelope import Envelope
from social.contracts.posts import Post
from social.contracts.pushes import Push, channel, post_room
from social.infra.broker.inbox import ReceivedEvent
from social.infra.store.mongo import Document
from social.ops import recount
from workers import counters

pytestmark = pytest.mark.parametrize("broker", ["local"])


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recount, "COUNTS_SETTLE", timedelta(seconds=0.4))


@pytest.fixture
async def held(mongo_url: str, mongo_database: str) -> AsyncIterator[Site]:
    """A Plaza whose events stay in the outbox until a test folds them."""
    async with system(mongo_url, mongo_database, roles=()) as site:
        site.plaza.publisher.offer = lambda envelopes: None  # type: ignore[method-assign]
        yield site


async def fold(site: Site, some: Callable[[list[Document]], list[Document]] = lambda rows: rows) -> None:
    """Apply the counters to all waiting events, or to some."""
    rows = some(await site.plaza.mongo.many("outbox", {}, sort=[("_id", 1)]))
    ids = [row["_id"] for row in rows]
    envelopes = [Envelope(id=row.pop("_id"), **row) for row in rows]
    events = [ReceivedEvent(each.id, each.at, each.event()) for each in envelopes if "counters" in each.groups()]
    if events:
        await counters.handle(site.plaza, events)
    await site.plaza.mongo.delete("outbox", {"_id": {"$in": ids}})


async def look(site: Site, post: Post) -> list[recount.Doubt]:
    return await recount.doubts(site.plaza.mongo, "posts", [post.id])


async def settle() -> None:
    await asyncio.sleep(recount.COUNTS_SETTLE.total_seconds())


def drift(collection: str, counter: str) -> float:
    """Return the drift of counts found so far by all tests of this process."""
    labels = {"collection": collection, "counter": counter}
    return REGISTRY.get_sample_value("plaza_counts_drift_total", labels) or 0.0


async def test_broken_counts_are_repaired_and_pushed_to_watchers(
    site: Site, ada: Person, bob: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    post = await ada.publish("hello")
    comment = await bob.comment(post, "first")
    await ada.reply(comment, "yes")
    await bob.like(post)
    await bob.like_comment(comment)
    await bob.follow(ada)

    async def counted() -> None:
        seen, said, me = await bob.see(post), await bob.read_comment(comment), await ada.me()
        assert (seen.likes, seen.comments, said.likes, said.replies) == (1, 2, 1, 1)
        assert (me.followers, me.following, me.posts) == (1, 0, 1)

    await eventually(counted)
    mongo = site.plaza.mongo
    await mongo.update("posts", {"_id": post.id}, {"$set": {"likes": -3, "comments": 7}})
    await mongo.update("comments", {"_id": comment.id}, {"$set": {"likes": 9, "replies": 0}})
    await mongo.update("users", {"_id": ada.id}, {"$set": {"followers": 99, "following": 4, "posts": 0}})
    assert (await bob.see(post)).likes == 0, "never negative"
    listener = site.plaza.redis.pubsub()
    await listener.subscribe(channel(post_room(post.id)))
    before, drifted = await bob.see(post), drift("posts", "likes")
    await operator(site, "recount", "--all")
    await counted()
    said = capsys.readouterr().out
    assert f"posts {post.id}: likes -3 -> 1" in said
    assert f"comments {comment.id}: replies 0 -> 1" in said
    assert "3 mended; 0 changed meanwhile" in said
    stats = await heard(listener, "post.stats")
    assert (stats["likes"], stats["comments"]) == (1, 2)
    assert stats["version"] > before.version
    await listener.aclose()
    assert drift("posts", "likes") - drifted == 4


async def test_what_is_right_is_left_alone(site: Site, ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await bob.like(post)

    async def counted() -> None:
        assert (await bob.see(post)).likes == 1

    await eventually(counted)
    await operator(site, "recount", post.id, ada.id)
    assert (await bob.see(post)).version == 1


async def test_an_event_that_comes_after_the_recount_is_not_counted_twice(held: Site) -> None:
    """The event waits in a queue for longer than a recount looks back."""
    ada, bob, eve = [await held.door.register(name) for name in ("ada", "bob", "eve")]
    post = await ada.publish("hello")
    await bob.like(post)
    (doubt,) = await look(held, post)
    await settle()
    assert await recount.repair(held.plaza.mongo, doubt) == {"likes": -1}
    assert (await bob.see(post)).likes == 1
    await eve.like(post)
    await asyncio.sleep(recount.COUNTS_SETTLE.total_seconds())  # old enough to be looked up by the fold
    await fold(held)
    assert (await bob.see(post)).likes == 2
    await bob.unlike(post)
    await fold(held)
    assert (await bob.see(post)).likes == 1
    assert await look(held, post) == []


async def test_a_count_that_is_only_late_is_left_to_its_events(held: Site) -> None:
    ada, bob = [await held.door.register(name) for name in ("ada", "bob")]
    post = await ada.publish("hello")
    await bob.like(post)
    (doubt,) = await look(held, post)
    await fold(held)
    await settle()
    assert await recount.repair(held.plaza.mongo, doubt) == {}
    assert (await bob.see(post)).likes == 1


async def test_what_changes_meanwhile_is_looked_at_another_time(held: Site) -> None:
    ada, bob, eve = [await held.door.register(name) for name in ("ada", "bob", "eve")]
    post = await ada.publish("hello")
    await held.plaza.mongo.update("posts", {"_id": post.id}, {"$set": {"likes": 5}})
    (doubt,) = await look(held, post)
    await bob.like(post)
    await settle()
    assert await recount.repair(held.plaza.mongo, doubt) is None, "its event may be folded or not"
    (doubt,) = await look(held, post)
    await fold(held)
    await settle()
    assert await recount.repair(held.plaza.mongo, doubt) is None
    (doubt,) = await look(held, post)
    await settle()
    assert await recount.repair(held.plaza.mongo, doubt) == {"likes": 5}
    assert (await eve.see(post)).likes == 1


async def test_what_changes_while_a_repair_commits_is_looked_at_another_time(
    held: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = [await held.door.register(name) for name in ("ada", "bob")]
    post, mongo = await ada.publish("hello"), held.plaza.mongo
    await mongo.update("posts", {"_id": post.id}, {"$set": {"likes": 5}})
    (doubt,) = await look(held, post)
    await settle()
    commit = mongo.commits.commit

    async def meanwhile(*args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(mongo.commits, "commit", commit)
        await mongo.update("posts", {"_id": post.id}, {"$inc": {"likes": 1, "version": 1}})
        await commit(*args, **kwargs)

    monkeypatch.setattr(mongo.commits, "commit", meanwhile)
    assert await recount.repair(mongo, doubt) is None
    assert (await bob.see(post)).likes == 6


@pytest.mark.parametrize("seed", range(3))
async def test_however_late_and_in_whatever_order_events_come_each_is_counted_once(held: Site, seed: int) -> None:
    """Recounts run in between, on counts that differ by events under way or by damage."""
    lots = random.Random(seed)
    ada, *crowd = [await held.door.register(name) for name in ("ada", "bob", "eve", "zoe", "kim", "lea", "max")]
    posts = [await ada.publish(str(n)) for n in range(3)]
    left = [(person, post) for person in crowd for post in posts]
    lots.shuffle(left)
    mended = 0
    while left:
        for _ in range(lots.randint(1, 4)):
            if left:
                person, post = left.pop()
                await person.like(post)
        await fold(held, lambda rows: lots.sample(rows, lots.randint(0, len(rows))))
        if lots.random() < 0.3:
            await held.plaza.mongo.update("posts", {"_id": lots.choice(posts).id}, {"$inc": {"likes": 2, "version": 1}})
        found = [doubt for post in posts for doubt in await look(held, post)]
        await settle()
        if left and lots.random() < 0.5:
            person, post = left.pop()
            await person.like(post)
        for doubt in found:
            mended += bool(await recount.repair(held.plaza.mongo, doubt))
    await fold(held)
    assert mended
    for post in posts:
        for doubt in await look(held, post):  # the last damage
            await settle()
            assert await recount.repair(held.plaza.mongo, doubt) in [{"likes": 2 * n} for n in range(1, 9)]
        assert (await ada.see(post)).likes == len(crowd)


async def test_the_sweeper_finds_wrong_counts_by_itself(held: Site) -> None:
    ada = await held.door.register("ada")
    posts = [await ada.publish(f"{n}") for n in range(3)]
    await fold(held)
    sampler = recount.Sampler()
    assert await sampler.sweep(held.plaza) == 0
    for post in posts:
        await held.plaza.mongo.update("posts", {"_id": post.id}, {"$set": {"comments": 2}})
    assert await sampler.sweep(held.plaza) == 0, "nobody is believed at first sight"
    await settle()
    assert await sampler.sweep(held.plaza) == 3
    assert {(await ada.see(post)).comments for post in posts} == {0}


async def operator(site: Site, *words: str) -> None:
    """Run `python -m social` over the connection of the test."""
    await commands.repair_counts(site.plaza.mongo, parser().parse_args(words))


async def heard(listener: Any, event: str) -> Any:
    async with asyncio.timeout(LONG_S):
        while True:
            message = await listener.get_message(ignore_subscribe_messages=True, timeout=1)
            if message is None:
                continue
            name, data = decode(Push.parse(message["data"]).frame[2:])
            if name == event:
                return data
