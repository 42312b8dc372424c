"""The pipeline: notifications, counters and timelines follow from acts.

Consumers do not see which broker brought an event, so most tests run on the embedded broker alone. Tests in which much
comes at once, comes again, or leads to further events also run on RabbitMQ, and some on SQS.
"""

import asyncio
from typing import Any

import pytest
from support.eventually import eventually
from support.people import Door, Person, texts
from support.site import Site, system

import workers.notifications
from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.contracts.notifications import Notification
from social.infra.broker.inbox import ReceivedEvent
from social.notifications import streams

on_all = pytest.mark.parametrize("broker", ["local", "rabbit", "sqs"])
on_both = pytest.mark.parametrize("broker", ["local", "rabbit"])


@pytest.fixture
def broker() -> str:
    """The broker that carries the events."""
    return "local"


async def notified(person: Person, *expected: tuple[str, int]) -> list[Notification]:
    """Wait until the groups have these types and counts, newest first."""

    async def look() -> list[Notification]:
        found = await person.notifications()
        assert [(each.type, each.count) for each in found] == list(expected)
        return found

    return await eventually(look)


async def stream(person: Person, site: Site) -> list[dict[str, Any]]:
    row = await site.plaza.mongo.one("streams", {"_id": person.id})
    assert row is not None
    return [item._asdict() for item in streams.items_of(row)]


async def crowd(door: Door, size: int) -> list[Person]:
    return [await door.register(f"fan{n}") for n in range(size)]


@on_all
async def test_a_like_travels_to_its_author_and_into_the_count(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    (like,) = await notified(ada, ("like", 1))
    assert [actor.username for actor in like.actors] == ["bob"]

    async def counted() -> None:
        assert (await ada.see(post)).likes == 1

    await eventually(counted)


async def test_a_person_who_likes_unlikes_and_likes_again_is_one_fact(ada: Person, bob: Person, site: Site) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    await notified(ada, ("like", 1))
    for _ in range(3):
        await bob.unlike(post)
        await bob.like(post)
    await bob.comment(post, "so?")
    await notified(ada, ("comment", 1), ("like", 1))

    async def counted() -> None:
        seen = await ada.see(post)
        assert (seen.likes, seen.comments) == (1, 1)

    await eventually(counted)

    async def streamed() -> None:
        items = await stream(ada, site)
        assert [item["s"] for item in items] == list(range(1, len(items) + 1))
        new = [item["k"] for item in items if item["e"] == "notification"]
        assert len(new) == len(set(new)) == 2  # like and comment, each news once
        assert {item["k"] for item in items} == set(new)

    await eventually(streamed)  # people who get many notifications get the next ones a little later


async def test_nobody_is_notified_of_their_own_acts(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await ada.like(post)
    await ada.comment(post, "first!")
    await bob.like(post)  # a later event shows that the others were handled
    (like,) = await notified(ada, ("like", 1))
    assert [actor.username for actor in like.actors] == ["bob"]


async def test_unread_acts_are_grouped(door: Door, ada: Person, site: Site) -> None:
    fans = await crowd(door, 10)
    post = await ada.publish("hello")
    for fan in fans[:-1]:
        await fan.like(post)
    await notified(ada, ("like", 9))
    await fans[-1].like(post)
    (like,) = await notified(ada, ("like", 10))
    assert len(like.actors) == 8
    assert like.actors[0].username == "fan9"
    assert len({actor.id for actor in like.actors}) == 8
    assert await ada.unread() == 1

    async def streamed() -> list[dict[str, Any]]:
        items = await stream(ada, site)
        assert items[-1]["rev"] == like.rev
        return items

    items = await eventually(streamed)
    assert [item["s"] for item in items] == list(range(1, len(items) + 1))
    assert [item["k"] for item in items] == [like.id] * len(items)
    assert [item["e"] for item in items] == ["notification"] + ["notification.updated"] * (len(items) - 1)


async def test_each_comment_of_the_same_person_counts_and_names_them_once(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    for text in ("one", "two", "three"):
        await bob.comment(post, text)
    (comments,) = await notified(ada, ("comment", 3))
    assert [actor.username for actor in comments.actors] == ["bob"]


async def test_after_it_was_read_the_next_like_opens_a_new_group(ada: Person, bob: Person, eve: Person) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    (first,) = await notified(ada, ("like", 1))
    await ada.read(first)
    await eve.like(post)
    second, old = await notified(ada, ("like", 1), ("like", 1))
    assert (old.id, second.id != first.id) == (first.id, True)
    assert [actor.username for actor in second.actors] == ["eve"]
    assert await ada.unread() == 1


async def test_a_block_takes_back_notifications_and_counts(ada: Person, bob: Person, eve: Person) -> None:
    post = await ada.publish("hello")
    for each in (bob, eve):
        await each.follow(ada)
    await notified(ada, ("follow", 2))
    for each in (bob, eve):
        await each.like(post)
    await notified(ada, ("like", 2), ("follow", 2))
    await ada.block(bob)
    await bob.ask("PUT", f"/v1/posts/{post.id}/like")
    like, follow = await notified(ada, ("like", 1), ("follow", 1))
    assert [actor.username for each in (like, follow) for actor in each.actors] == ["eve", "eve"]

    async def counted() -> None:
        assert (await ada.me()).followers == 1
        assert texts(await bob.feed()) == []
        assert texts(await eve.feed()) == ["hello"]

    await eventually(counted)


async def test_a_request_travels_there_and_its_acceptance_back(ada: Person, bob: Person) -> None:
    await ada.publish("hello")
    await ada.edit(private=True)
    await bob.follow(ada)
    await notified(ada, ("follow_request", 1))
    await ada.accept(bob)
    await notified(bob, ("follow_accepted", 1))
    await notified(ada)

    async def follows() -> None:
        assert texts(await bob.feed()) == ["hello"]
        assert (await ada.me()).followers == 1

    await eventually(follows)


@on_both
async def test_acts_undone_at_once_may_notify_but_never_twice(ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    await bob.unfollow(ada)
    await bob.follow(ada)
    (follow,) = await notified(ada, ("follow", 1))
    assert follow.target.kind == "user"


async def test_a_deleted_post_takes_back_its_notifications(ada: Person, bob: Person, site: Site) -> None:
    post, other = await ada.publish("hello"), await ada.publish("other")
    await bob.like(post)
    await bob.comment(post, "nice")
    await notified(ada, ("comment", 1), ("like", 1))  # notifications of another post may come before or after
    await bob.like(other)
    await notified(ada, ("like", 1), ("comment", 1), ("like", 1))
    await ada.delete(post)
    (left,) = await notified(ada, ("like", 1))
    assert left.post_id == other.id
    assert await ada.unread() == 1

    async def removed() -> None:
        events = [item["e"] for item in await stream(ada, site)]
        assert events.count("notification.removed") == 2

    await eventually(removed)


async def test_a_follow_brings_the_newest_posts_and_an_unfollow_takes_them_out(ada: Person, bob: Person) -> None:
    for n in range(3):
        await bob.publish(str(n))
    await ada.follow(bob)
    await shows(ada, "2", "1", "0")
    await bob.publish("3")
    await shows(ada, "3", "2", "1", "0")
    await ada.unfollow(bob)
    await shows(ada)


async def shows(person: Person, *expected: str) -> None:
    async def look() -> None:
        assert texts(await person.feed()) == list(expected)

    await eventually(look)


@on_both
async def test_a_post_reaches_every_follower_chunk_by_chunk(
    door: Door, ada: Person, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.feeds.followers.CHUNK", 3)
    fans = await crowd(door, 9)
    await asyncio.gather(*(fan.follow(ada) for fan in fans))
    await notified(ada, ("follow", 9))
    for text in ("one", "two"):
        await ada.publish(text)
    for fan in fans:
        await shows(fan, "two", "one")
    rows = await site.plaza.mongo.many("feed_entries", {})
    assert len(rows) == 2 * (9 + 1)


@on_both
async def test_counts_are_folded_to_the_same_sum_however_many_write_at_once(door: Door, ada: Person) -> None:
    fans = await crowd(door, 8)
    post = await ada.publish("hello")
    await asyncio.gather(*(fan.like(post) for fan in fans), *(fan.comment(post, "x") for fan in fans))
    await asyncio.gather(*(fan.unlike(post) for fan in fans[:3]))

    async def counted() -> None:
        seen = await ada.see(post)
        assert (seen.likes, seen.comments) == (5, 8)
        assert {each.type: each.count for each in await ada.notifications()}.get("comment") == 8

    await eventually(counted)


@on_all
async def test_an_event_that_comes_again_changes_nothing(ada: Person, bob: Person, site: Site) -> None:
    """A relay may fail to delete its rows, or a broker lose an ack."""
    seen: list[Any] = []
    publish = site.plaza.broker.publish

    async def remember(envelopes: Any) -> None:
        seen.extend(envelopes)
        await publish(envelopes)

    site.plaza.publisher._broker = type("Twice", (), {"publish": staticmethod(remember)})()  # type: ignore[assignment]
    post = await ada.publish("hello")
    await bob.follow(ada)
    await notified(ada, ("follow", 1))
    await bob.like(post)
    await bob.comment(post, "nice")
    await notified(ada, ("comment", 1), ("like", 1), ("follow", 1))

    async def gone() -> None:
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(gone)
    for _ in range(2):
        await site.plaza.mongo.insert_missing(
            "outbox", [{"_id": each.id, **each.model_dump(exclude={"id"})} for each in seen]
        )
        await publish(seen)
        await eventually(gone)
    await bob.comment(post, "again")
    found = await notified(ada, ("comment", 2), ("like", 1), ("follow", 1))
    assert len(found) == 3

    async def counted() -> None:
        now = await ada.see(post)
        assert (now.likes, now.comments) == (1, 2)
        assert (await ada.me()).followers == 1
        assert (await ada.me()).posts == 1

        assert [item["s"] for item in await stream(ada, site)] == [1, 2, 3, 4]

    await eventually(counted)


async def test_a_like_that_arrives_after_its_post_was_deleted_notifies_nobody(
    mongo_url: str, mongo_database: str, broker: str
) -> None:
    """Order is not promised: the like itself may still exist then."""
    async with system(mongo_url, mongo_database, roles=()) as site:
        ada, bob = await site.door.register("ada"), await site.door.register("bob")
        post = await ada.publish("hello")
        await bob.like(post)
        await bob.comment(post, "nice")
        await ada.delete(post)
        rows = await site.plaza.mongo.many("outbox", {}, sort=[("_id", -1)])
        for row in rows:
            envelope = Envelope(id=row.pop("_id"), **row)
            if Group.NOTIFICATIONS in envelope.groups():
                happened = ReceivedEvent(envelope.id, envelope.at, envelope.event())
                await workers.notifications.handle(site.plaza, [happened])
        assert await ada.notifications() == []
        assert await ada.unread() == 0
