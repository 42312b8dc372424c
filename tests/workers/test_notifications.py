"""Notifications: which acts notify whom, once, and which acts take them back."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from support.events import Scene
from support.eventually import LONG_S, eventually
from support.people import Door, Person
from support.site import system

import workers.notifications
from social.accounts import lifecycle
from social.contracts.events import UserBlocked
from social.contracts.pushes import Push, user_room
from social.infra import clock
from social.infra.store import cached
from social.infra.store.mongo import Document
from social.notifications import group_state, policy, reading, streams
from social.people import requests
from social.posts import interactions

# A single broker: handlers are called with the rows of the outbox, and no broker takes part.
pytestmark = pytest.mark.parametrize("broker", ["local"])


@pytest.fixture
async def scene(mongo_url: str, mongo_database: str) -> AsyncIterator[Scene]:
    async with system(mongo_url, mongo_database, roles=()) as site:
        yield Scene(site)


@pytest.fixture
def site(scene: Scene) -> Any:
    return scene.site


@pytest.fixture
async def zoe(door: Door) -> Person:
    return await door.register("zoe")


async def consistent(scene: Scene) -> None:
    """Assert that groups count their facts and name their people, streams are contiguous, and no group is due."""
    facts: dict[str, list[Document]] = {}
    for fact in await scene.plaza.mongo.many("notification_facts", {"withdrawn_at": None}):
        facts.setdefault(fact["group"], []).append(fact)
    for group in await scene.plaza.mongo.many("notifications", {}):
        if group["removed_at"] is None:
            mine = facts[group["_id"]]
            assert group["count"] == len(mine)
            assert set(group["actors"]) <= {fact["actor"] for fact in mine}
            assert group["actors"]
        assert group.get("due_at") is None
        assert group["told"] == group["rev"]
    for row in await scene.plaza.mongo.many("streams", {}):
        assert [item.s for item in streams.items_of(row)] == list(range(1, row["seq"] + 1))
        revisions: dict[str, int] = {}
        for item in streams.items_of(row):
            assert item.rev > revisions.get(item.k, 0)
            revisions[item.k] = item.rev


async def test_every_type_names_its_target(scene: Scene, ada: Person, bob: Person, eve: Person) -> None:
    post = await scene.post(ada)
    first = await scene.comment(post, ada, author=ada)
    await scene.like(post, bob, author=ada)
    await scene.like_comment(post, first, bob, author=ada, of=ada)
    await scene.repost(post, bob, author=ada)
    await scene.comment(post, bob, author=ada)
    await scene.comment(post, bob, author=ada, to=(first, ada))
    named = await scene.post(bob, ada)
    await bob.follow(ada)
    await scene.work()
    found = {(each.type, each.target.kind, each.target.id, each.post_id) for each in await ada.notifications()}
    assert found == {
        ("like", "post", post, post),
        ("like", "comment", first, post),
        ("repost", "post", post, post),
        ("comment", "post", post, post),
        ("reply", "comment", first, post),
        ("mention", "post", named, named),
        ("follow", "user", ada.id, None),
    }
    assert await ada.unread() == 7
    assert set(await scene.events(ada)) == {"notification"}
    assert await scene.notified(eve) == await scene.notified(bob) == []
    await consistent(scene)


async def test_of_one_comment_everybody_hears_once(scene: Scene, ada: Person, bob: Person, eve: Person) -> None:
    post = await scene.post(ada)
    hers = await scene.comment(post, ada, author=ada)
    bobs = await scene.comment(post, bob, author=ada)
    await scene.comment(post, eve, ada, author=ada, to=(hers, ada))  # all three for Ada
    await scene.comment(post, eve, ada, bob, author=ada, to=(bobs, bob))  # mention and comment; reply and mention
    await scene.work()
    assert await scene.notified(ada) == [
        ("comment", ["bob"], 1),
        ("mention", ["eve"], 1),
        ("reply", ["eve"], 1),
    ]
    assert await scene.notified(bob) == [("reply", ["eve"], 1)]
    await consistent(scene)


async def test_nobody_hears_of_what_they_did_themselves(scene: Scene, ada: Person) -> None:
    post = await scene.post(ada, ada)
    comment = await scene.comment(post, ada, ada, author=ada)
    await scene.comment(post, ada, ada, author=ada, to=(comment, ada))
    await scene.like(post, ada, author=ada)
    await scene.like_comment(post, comment, ada, author=ada, of=ada)
    await scene.repost(post, ada, author=ada)
    await scene.work()
    assert await scene.notified(ada) == []


async def test_nobody_hears_of_whom_they_muted_or_are_apart_from(
    scene: Scene, ada: Person, bob: Person, eve: Person, zoe: Person
) -> None:
    await ada.mute(bob)
    await eve.block(ada)
    await scene.work()
    post, others = await scene.post(ada), await scene.post(zoe)
    comment = await scene.comment(others, ada, author=zoe)
    for each in (bob, eve):
        await scene.like(post, each, author=ada)
        await scene.repost(post, each, author=ada)
        await scene.comment(post, each, author=ada)
        await scene.post(each, ada)
        await scene.comment(others, each, ada, author=zoe, to=(comment, ada))
        await scene.like_comment(others, comment, each, author=zoe, of=ada)
    await scene.work()
    assert await scene.notified(ada) == []
    assert len(await scene.notified(zoe)) == 1  # who hears of all the comments


async def test_nobody_hears_of_what_they_may_not_see(scene: Scene, ada: Person, bob: Person, eve: Person) -> None:
    await bob.follow(ada)
    await scene.work()
    for_followers = await scene.post(ada, bob, eve, visibility="followers")
    await scene.comment(for_followers, ada, bob, eve, author=ada)
    await scene.work()
    assert await scene.notified(bob) == [("mention", ["ada"], 1)] * 2
    assert await scene.notified(eve) == []
    await ada.edit(private=True)
    await scene.post(ada, bob, eve)
    await scene.work()
    assert len(await scene.notified(bob)) == 3
    assert await scene.notified(eve) == []


async def test_an_edit_takes_mentions_back_and_makes_new_ones(
    scene: Scene, ada: Person, bob: Person, eve: Person
) -> None:
    post = await scene.post(ada, bob)
    await scene.work()
    await scene.edit_post(post, ada, eve)
    await scene.work()
    assert await scene.notified(bob) == []
    assert await scene.notified(eve) == [("mention", ["ada"], 1)]
    assert await scene.events(bob) == ["notification.removed"] * 2  # replayed as it is now
    await scene.edit_post(post, ada, bob)
    await scene.work()
    assert await scene.notified(bob) == [("mention", ["ada"], 1)]
    assert await scene.notified(eve) == []
    assert len({item["k"] for item in await items(scene, bob)}) == 1  # that notification came back
    assert [item["e"] for item in await items(scene, bob)].count("notification") == 1
    await consistent(scene)


async def items(scene: Scene, person: Person) -> list[Document]:
    row = await scene.plaza.mongo.one("streams", {"_id": person.id})
    assert row
    return [item._asdict() for item in streams.items_of(row)]


async def test_people_notified_of_a_comment_stay_notified_once(
    scene: Scene, ada: Person, bob: Person, eve: Person
) -> None:
    post = await scene.post(ada)
    comment = await scene.comment(post, bob, author=ada)
    await scene.work()
    await scene.edit_comment(post, comment, bob, ada, eve, author=ada)  # a mention now: Ada was notified already
    await scene.work()
    assert await scene.notified(ada) == [("comment", ["bob"], 1)]
    assert await scene.notified(eve) == [("mention", ["bob"], 1)]
    other = await scene.comment(post, bob, ada, author=ada)
    await scene.work()
    assert await scene.notified(ada) == [("comment", ["bob"], 1), ("mention", ["bob"], 1)]
    await scene.edit_comment(post, other, bob, author=ada)  # no mention any more, but a comment of hers still
    await scene.work()
    assert await scene.notified(ada) == [("comment", ["bob"], 2)]
    await consistent(scene)


async def test_a_deleted_comment_takes_back_all_its_notifications(
    scene: Scene, ada: Person, bob: Person, eve: Person, zoe: Person
) -> None:
    post = await scene.post(ada)
    bobs = await scene.comment(post, bob, zoe, author=ada)
    other = await scene.comment(post, bob, author=ada)
    reply = await scene.comment(post, eve, author=ada, to=(bobs, bob))
    await scene.like_comment(post, bobs, eve, author=ada, of=bob)
    await scene.like_comment(post, reply, bob, author=ada, of=eve)
    await scene.work()
    assert [len(await scene.notified(each)) for each in (ada, bob, eve, zoe)] == [1, 2, 1, 1]
    await scene.delete_comment(post, reply, eve, author=ada, to=(bobs, bob))
    await scene.delete_comment(post, bobs, bob, author=ada)
    await scene.work()
    assert await scene.notified(ada) == [("comment", ["bob"], 1)]  # still of the other post
    assert [await scene.notified(each) for each in (bob, eve, zoe)] == [[], [], []]
    await scene.delete_comment(post, other, bob, author=ada)
    await scene.work()
    assert await scene.notified(ada) == []
    assert [await each.unread() for each in (ada, bob, eve, zoe)] == [0] * 4
    await consistent(scene)


async def test_what_is_undone_is_taken_back_and_the_others_stay(
    scene: Scene, ada: Person, bob: Person, eve: Person
) -> None:
    post = await scene.post(ada)
    comment = await scene.comment(post, ada, author=ada)
    both = (bob, eve)
    for each in both:
        await scene.like(post, each, author=ada)
        await scene.like_comment(post, comment, each, author=ada, of=ada)
        await scene.repost(post, each, author=ada)
        await each.follow(ada)
    await scene.work()
    assert [(kind, count) for kind, _, count in await scene.notified(ada)] == [
        ("follow", 2),
        ("like", 2),
        ("like", 2),
        ("repost", 2),
    ]
    for left in (["eve"], []):
        each = both[len(left) == 0]
        await scene.unlike(post, each, author=ada)
        await scene.unlike_comment(post, comment, each, author=ada, of=ada)
        await scene.unrepost(post, each, author=ada)
        await each.unfollow(ada)
        await scene.work()
        assert [names for _, names, _ in await scene.notified(ada)] == [left] * 4 * len(left)
    said = Counter(item["e"] for item in await items(scene, ada))
    assert said == {"notification": 4, "notification.updated": 4, "notification.removed": 4}
    assert await ada.unread() == 0
    await consistent(scene)


async def test_a_follow_that_was_held_back_leaves_only_its_request(scene: Scene, ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    await scene.work()
    await ada.edit(private=True)
    before = {"private_since": clock.now() - timedelta(hours=1)}
    await scene.plaza.mongo.update("users", {"_id": ada.id}, {"$set": before})
    await scene.plaza.commit(requests.hold_back, bob.id, ada.id, clock.now())
    await scene.work()
    assert await scene.notified(ada) == [("follow_request", ["bob"], 1)]
    await ada.accept(bob)
    await scene.work()
    assert await scene.notified(bob) == [("follow_accepted", ["ada"], 1)]
    assert await scene.notified(ada) == []
    await bob.unfollow(ada)
    await scene.work()
    assert await scene.notified(bob) == []
    await bob.follow(ada)
    await ada.accept(bob)
    await scene.work()
    assert await scene.notified(bob) == [("follow_accepted", ["ada"], 1)]
    await consistent(scene)


async def test_a_request_that_became_a_follow_leaves_only_the_follow(scene: Scene, ada: Person, bob: Person) -> None:
    await ada.edit(private=True)
    await bob.follow(ada)
    await scene.work()
    await ada.edit(private=False)
    await bob.follow(ada)  # before the request is accepted, as all are
    await scene.work()
    assert await scene.notified(ada) == [("follow", ["bob"], 1)]
    assert await scene.notified(bob) == []
    await consistent(scene)


@pytest.mark.parametrize("blocks_first", [True, False])
async def test_a_request_that_a_short_block_ended_is_not_shown(
    scene: Scene, ada: Person, bob: Person, blocks_first: bool
) -> None:
    await ada.edit(private=True)
    await bob.follow(ada)
    await scene.work()
    one, other = (ada, bob) if blocks_first else (bob, ada)
    await one.block(other)
    await one.unblock(other)
    await scene.work()
    assert await scene.notified(ada) == []
    await consistent(scene)


async def test_a_repeated_act_after_reading_is_no_news(scene: Scene, ada: Person, bob: Person) -> None:
    post = await scene.post(ada)
    await scene.like(post, bob, author=ada)
    await scene.work()
    (before,) = await ada.notifications()
    await ada.read(before)
    await scene.unlike(post, bob, author=ada)
    await scene.work()
    assert await scene.notified(ada) == []
    await scene.like(post, bob, author=ada)
    await scene.work()
    (after,) = await ada.notifications()
    assert (after.id, after.count, after.updated_at) == (before.id, 1, before.updated_at)
    assert after.read_at is not None
    assert await ada.unread() == 0
    assert [item["e"] for item in await items(scene, ada)].count("notification") == 1


async def test_one_of_several_comments_taken_back_leaves_its_writer_named(
    scene: Scene, ada: Person, bob: Person, eve: Person
) -> None:
    post = await scene.post(ada)
    one, _ = [await scene.comment(post, bob, author=ada) for _ in range(2)]
    last = await scene.comment(post, eve, author=ada)
    await scene.work()
    await scene.delete_comment(post, one, bob, author=ada)
    await scene.delete_comment(post, last, eve, author=ada)
    await scene.work()
    assert await scene.notified(ada) == [("comment", ["bob"], 1)]
    await consistent(scene)


async def test_when_all_who_are_named_leave_the_others_are(
    scene: Scene, ada: Person, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_state, "KEPT_ACTORS", 3)
    fans = [await door.register(f"fan{n}") for n in range(7)]
    post = await scene.post(ada)
    for fan in fans:
        await scene.like(post, fan, author=ada)
        await scene.work()
    assert await scene.notified(ada) == [("like", ["fan6", "fan5", "fan4"], 7)]
    for fan in fans[4:]:
        await scene.unlike(post, fan, author=ada)
    await scene.work()
    assert await scene.notified(ada) == [("like", ["fan3", "fan2", "fan1"], 4)]


async def test_who_is_suspended_makes_room_for_the_others(scene: Scene, ada: Person, bob: Person, eve: Person) -> None:
    post = await scene.post(ada)
    for each in (eve, bob):
        await scene.like(post, each, author=ada)
    await scene.work()
    await scene.plaza.mongo.update("users", {"_id": bob.id}, {"$set": {"suspended_at": clock.now()}})
    await scene.plaza.forget_cards([cached.key("users", bob.id)])
    assert [names for _, names, _ in await scene.notified(ada)] == [["eve"]]


async def test_where_nobody_is_left_but_who_is_suspended_nothing_is_listed_counted_or_live_until_that_is_lifted(
    scene: Scene, ada: Person, bob: Person, eve: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.notifications, "MOST_REMOVED", 1)
    both, *alone = [await scene.post(ada) for _ in range(3)]
    await scene.like(both, eve, author=ada)
    for post in (both, *alone):
        await scene.like(post, bob, author=ada)
    await scene.work()

    async def look(*expected: int, notified: list[str]) -> None:
        before = await scene.events(ada)
        while await scene.work():
            pass

        async def seen() -> None:
            await workers.notifications.due(scene.plaza)
            assert [each.count for each in await ada.notifications()] == list(expected)
            assert await ada.unread() == len(expected)
            assert (await scene.events(ada))[len(before) :] == notified

        await eventually(seen)

    await look(1, 1, 2, notified=[])
    await lifecycle.suspend(scene.plaza.mongo, "bob", None)
    await look(2, notified=["notification.removed"] * 2)
    await lifecycle.suspend(scene.plaza.mongo, "bob", "again")
    await look(2, notified=[])
    await lifecycle.lift(scene.plaza.mongo, "bob")
    await look(1, 1, 2, notified=["notification.updated"] * 2)
    await lifecycle.suspend(scene.plaza.mongo, "bob", None)
    await look(2, notified=["notification.removed"] * 2)
    await scene.like(alone[0], eve, author=ada)
    await look(2, 2, notified=["notification.updated"])


async def test_a_deleted_post_takes_back_its_notifications_piece_by_piece(
    scene: Scene, ada: Person, bob: Person, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.notifications, "MOST_REMOVED", 2)
    fans = [await door.register(f"fan{n}") for n in range(5)]
    post, other = await scene.post(ada, *fans), await scene.post(ada, fans[0])
    await scene.like(post, bob, author=ada)
    await scene.work()
    assert len(await scene.notified(fans[0])) == 2
    await scene.delete_post(post, ada)
    rounds = 0
    while await scene.work():
        rounds += 1
    assert rounds > 1
    assert [await scene.notified(each) for each in (ada, *fans[1:])] == [[]] * 5
    assert [each.post_id for each in await fans[0].notifications()] == [other]
    await consistent(scene)


async def test_a_block_takes_back_notifications_between_two_people_piece_by_piece(
    scene: Scene, ada: Person, bob: Person, eve: Person, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.notifications, "MOST_WITHDRAWN", 2)
    cyd = await door.register("cyd")
    for _ in range(5):
        post = await scene.post(ada)
        for each in (bob, cyd, eve):
            await scene.like(post, each, author=ada)
    await scene.work()
    for each in (bob, cyd):
        await ada.block(each)
    pieces = []
    while handled := await scene.work():
        pieces.append({type(each.event).__name__ for each in handled})
    assert pieces == [{"UserBlocked"}] + [{"PartingContinued"}] * 5
    assert await scene.notified(ada) == [("like", ["eve"], 1)] * 5

    async def settled() -> None:
        await workers.notifications.due(scene.plaza)
        await consistent(scene)

    await eventually(settled)


async def prefer(person: Person, **types: bool) -> None:
    assert (await person.ask("PATCH", "/v1/notifications/preferences", types)).status == 200


async def test_a_type_switched_off_notifies_no_more_and_earlier_notifications_stay(
    scene: Scene, ada: Person, bob: Person, eve: Person
) -> None:
    post = await scene.post(ada)
    await scene.like(post, bob, author=ada)
    await scene.work()
    await prefer(ada, like=False, follow=False)
    await scene.like(post, eve, author=ada)
    await eve.follow(ada)
    await scene.repost(post, eve, author=ada)
    await scene.work()
    assert await scene.notified(ada) == [("like", ["bob"], 1), ("repost", ["eve"], 1)]
    await scene.unlike(post, bob, author=ada)
    await scene.work()
    assert await scene.notified(ada) == [("repost", ["eve"], 1)]
    await prefer(ada, like=True)
    await scene.like(post, bob, author=ada)
    await scene.work()
    assert [kind for kind, *_ in await scene.notified(ada)] == ["like", "repost"]


async def test_a_comment_notifies_once_by_the_strongest_wanted_type(scene: Scene, ada: Person, bob: Person) -> None:
    post = await scene.post(ada)
    hers = await scene.comment(post, ada, author=ada)
    for switched_off, expected in (
        ((), "reply"),
        (("reply",), "mention"),
        (("mention",), "comment"),
        (("comment",), ""),
    ):
        await prefer(ada, **dict.fromkeys(switched_off, False))
        before = await scene.notified(ada)
        await scene.comment(post, bob, ada, author=ada, to=(hers, ada))
        await scene.work()
        assert [kind for kind, *_ in await scene.notified(ada) if (kind, ["bob"], 1) not in before] == [
            expected
        ] * bool(expected)


async def test_in_any_order_and_however_often_it_comes_to_the_same(
    scene: Scene, ada: Person, bob: Person, eve: Person
) -> None:
    """Notifications follow from the documents, whichever events come, and nobody is notified twice of an act."""
    dice = random.Random(11)
    post = await scene.post(ada)
    comment = await scene.comment(post, ada, author=ada)
    await scene.work()
    handled = []
    for _ in range(12):
        for each in dice.choices((bob, eve), k=6):
            like, unlike = (scene.like, scene.unlike)
            await dice.choice((like, unlike))(post, each, author=ada)
            await dice.choice((scene.repost, scene.unrepost))(post, each, author=ada)
            await dice.choice((scene.like_comment, scene.unlike_comment))(post, comment, each, author=ada, of=ada)
            await dice.choice((each.follow, each.unfollow))(ada)
        handled += await scene.work(order=dice, together=dice.choice((1, 3, 20)))
        await scene.handle(dice.sample(handled, 5))
        await later(scene)
        mongo = scene.plaza.mongo
        expected = {
            (kind, names.count(True))
            for kind, names in (
                (
                    "like",
                    [await exists(scene, "interactions", post, each, like_id=interactions.DONE) for each in (bob, eve)],
                ),
                (
                    "repost",
                    [
                        await exists(scene, "interactions", post, each, repost_id=interactions.DONE)
                        for each in (bob, eve)
                    ],
                ),
                ("like", [await exists(scene, "comment_likes", comment, each) for each in (bob, eve)]),
                ("follow", [bool(await mongo.one("edges", follows(each, ada))) for each in (bob, eve)]),
            )
            if any(names)
        }
        assert {(kind, count) for kind, _, count in await scene.notified(ada)} == expected
        await consistent(scene)
    new = [item["k"] for item in await items(scene, ada) if item["e"] == "notification"]
    assert len(new) == len(set(new))


async def exists(scene: Scene, collection: str, target: str, by: Person, **where: Any) -> bool:
    return bool(await scene.plaza.mongo.one(collection, {"_id": target + by.id, **where}))


def follows(one: Person, other: Person) -> Document:
    return {"_id": one.id + other.id, "follows_at": {"$gt": clock.EPOCH}}


async def later(scene: Scene) -> None:
    """Wait until no group is due."""
    async with asyncio.timeout(LONG_S):
        while True:
            wait_s = await workers.notifications.due(scene.plaza)
            if wait_s >= workers.notifications.CHECK_EVERY_S:
                return
            await asyncio.sleep(max(0.0, wait_s))


async def test_many_acts_notify_a_person_a_few_times_a_second(
    scene: Scene, ada: Person, bob: Person, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pace in ("EVERY", "EVERY_WHEN_BUSY"):
        monkeypatch.setattr(streams, pace, timedelta(seconds=20))
    monkeypatch.setattr(streams, "AT_ONCE", timedelta(seconds=60))
    monkeypatch.setattr(streams, "FURTHEST", timedelta(seconds=1_000))
    fans = [await door.register(f"fan{n}") for n in range(12)]
    viral, other = await scene.post(ada), await scene.post(bob)
    for fan in fans:
        await scene.like(viral, fan, author=ada)
        await scene.work()
    assert 4 <= await scene.moves(ada) <= 6
    assert await scene.notified(ada) == [("like", [f"fan{n}" for n in range(11, 3, -1)], 12)]  # a reader sees all
    await scene.like(other, fans[0], author=bob)
    await scene.work()
    assert await scene.moves(bob) == 1  # nobody else waits
    await scene.plaza.mongo.update_all("notifications", {"recipient": ada.id}, {"$set": {"due_at": clock.now()}})
    await later(scene)
    last = (await items(scene, ada))[-1]
    (like,) = await ada.notifications()
    assert (last["k"], last["rev"]) == (like.id, like.rev)
    await consistent(scene)


async def test_while_events_wait_for_the_consumer_each_person_is_notified_less_often(
    scene: Scene, ada: Person, bob: Person, door: Door
) -> None:
    posts = {person.id: await scene.post(person) for person in (ada, bob)}
    fan = await door.register("fan")

    async def rests_s(person: Person, waited: timedelta) -> float:
        """Return how long a stream rests after the news of an event that waited so long."""
        await scene.like(posts[person.id], fan, author=person)
        happened = await scene.waiting()
        await scene.plaza.mongo.delete("outbox", {"_id": {"$in": [each.id for each in happened]}})
        before = clock.now()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(clock, "now", lambda: before)  # handling it takes no time
            await scene.handle([each._replace(at=before - waited) for each in happened])
        row = await scene.plaza.mongo.one("streams", {"_id": person.id})
        assert row is not None
        return (row["paced_until"] - before).total_seconds()

    swift, busy = await rests_s(ada, timedelta(seconds=-60)), await rests_s(bob, timedelta(seconds=1))
    assert busy > streams.EVERY_WHEN_BUSY.total_seconds() - 0.01
    assert swift < busy - 0.1


async def test_groups_left_due_by_one_process_are_pushed_by_another(scene: Scene, ada: Person, bob: Person) -> None:
    """A process may die before a group is due: the message was acked long ago."""
    post = await scene.post(ada)
    await scene.like(post, bob, author=ada)
    await rest(scene, ada)
    await scene.work()
    assert await scene.moves(ada) == 0
    await scene.plaza.mongo.update_all("notifications", {}, {"$set": {"due_at": clock.now()}})
    await workers.notifications.due(scene.plaza)
    assert await scene.events(ada) == ["notification"]
    await workers.notifications.due(scene.plaza)
    assert await scene.moves(ada) == 1
    await consistent(scene)


async def rest(scene: Scene, person: Person) -> None:
    """Make a stream rest as long as possible, as after many notifications."""
    until = clock.now() + streams.FURTHEST - timedelta(seconds=1)
    await scene.plaza.mongo.update("streams", {"_id": person.id}, {"$set": {"paced_until": until}})


async def test_a_group_that_changes_while_it_is_pushed_is_pushed_as_it_is_then(
    scene: Scene, ada: Person, bob: Person, eve: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = await scene.post(ada)
    await scene.like(post, bob, author=ada)
    await rest(scene, ada)
    await scene.work()
    await scene.plaza.mongo.update_all("notifications", {}, {"$set": {"due_at": clock.now()}})
    render = reading.render

    async def meanwhile(*args: Any, **kwargs: Any) -> Any:
        rendered = await render(*args, **kwargs)
        monkeypatch.setattr(reading, "render", render)
        await scene.plaza.mongo.update("streams", {"_id": ada.id}, {"$set": {"paced_until": clock.EPOCH}})
        await scene.like(post, eve, author=ada)
        await scene.work()
        return rendered

    monkeypatch.setattr(reading, "render", meanwhile)
    await workers.notifications.due(scene.plaza)
    assert [(item["e"], item["rev"]) for item in await items(scene, ada)] == [("notification", 2)]
    assert await scene.notified(ada) == [("like", ["bob", "eve"][::-1], 2)]
    await consistent(scene)


@pytest.fixture
def pushed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Record room, epoch and seq of each push."""
    found: list[tuple[str, str, int]] = []
    send = scene.plaza.pushes.send

    async def heard(pushes: Sequence[tuple[str, bytes]]) -> None:
        parsed = [(room, Push.parse(body)) for room, body in pushes]
        found.extend((room, push.epoch, push.seq) for room, push in parsed)
        await send(pushes)

    monkeypatch.setattr(scene.plaza.pushes, "send", heard)
    return found


async def test_what_is_delivered_again_is_pushed_again_under_the_same_number(
    scene: Scene, ada: Person, bob: Person, eve: Person, pushed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first handler may have died before its push; gateways drop items that they have."""
    for pace in ("EVERY", "EVERY_WHEN_BUSY"):
        monkeypatch.setattr(streams, pace, timedelta(0))  # all is pushed at once
    monkeypatch.setattr(streams, "AT_ONCE", timedelta(0))
    post = await scene.post(ada)
    comment = await scene.comment(post, bob, author=ada)
    for act in (
        scene.like(post, bob, author=ada),
        scene.repost(post, eve, author=ada),
        scene.unlike(post, bob, author=ada),
        scene.delete_comment(post, comment, bob, author=ada),
        ada.ask("POST", "/v1/notifications/read", {"all_until": "2200-01-01T00:00:00Z"}),
        scene.repost(post, bob, author=ada),
        ada.block(bob),
        scene.delete_post(post, ada),
    ):
        await act
        handled = await scene.work()
        newest = pushed[-1]
        assert newest[0] == user_room(ada.id)
        before = await items(scene, ada)
        pushed.clear()
        await scene.handle([each._replace(again=True) for each in handled])
        assert pushed == [newest], handled
        assert await items(scene, ada) == before
    await consistent(scene)


async def test_an_event_that_comes_twice_is_pushed_again(
    scene: Scene, ada: Person, bob: Person, pushed: list[Any]
) -> None:
    await scene.like(await scene.post(ada), bob, author=ada)
    handled = await scene.work()
    await scene.handle(handled)
    first, second = pushed
    assert first == second
    assert await scene.moves(ada) == 1


async def test_a_group_that_is_read_while_an_act_joins_it_stays_read(
    scene: Scene, ada: Person, bob: Person, eve: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, commits = await scene.post(ada), scene.plaza.mongo.commits
    await scene.like(post, bob, author=ada)
    await scene.work()
    await scene.like(post, eve, author=ada)
    await rest(scene, ada)  # so that the commit has no other document in common with the reader
    commit = commits.commit

    async def meanwhile(*args: Any, **kwargs: Any) -> None:
        monkeypatch.setattr(commits, "commit", commit)
        await ada.ask("POST", "/v1/notifications/read", {"all_until": "2200-01-01T00:00:00Z"})
        await commit(*args, **kwargs)

    monkeypatch.setattr(commits, "commit", meanwhile)
    await scene.work()
    assert [(each.count, each.read_at is None) for each in await ada.notifications()] == [(1, True), (1, False)]


async def test_nothing_is_pushed_before_it_is_in_the_stream(
    scene: Scene, ada: Person, bob: Person, pushed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.like(await scene.post(ada), bob, author=ada)
    commits = scene.plaza.mongo.commits
    commit = commits.commit

    async def committed(*args: Any, **kwargs: Any) -> None:
        assert pushed == []
        await commit(*args, **kwargs)

    monkeypatch.setattr(commits, "commit", committed)
    await scene.work()
    assert [seq for _, _, seq in pushed] == [1]


async def test_of_what_takes_several_pieces_the_next_is_asked_for_once(
    scene: Scene, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.notifications, "MOST_WITHDRAWN", 1)
    for _ in range(3):
        await scene.like(await scene.post(ada), bob, author=ada)
    await scene.work()
    await ada.block(bob)
    await scene.handle(await scene.waiting())
    assert [type(each.event).__name__ for each in await scene.waiting()].count("PartingContinued") == 1
    await scene.handle(
        [each._replace(again=True) for each in await scene.waiting() if isinstance(each.event, UserBlocked)]
    )
    assert [type(each.event).__name__ for each in await scene.waiting()].count("PartingContinued") == 1


async def test_a_group_that_cannot_be_rendered_blocks_nobody(
    scene: Scene, ada: Person, bob: Person, eve: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, others = await scene.post(ada), await scene.post(bob)
    await scene.like(mine, eve, author=ada)
    await scene.like(others, eve, author=bob)
    render = reading.render

    async def broken(mongo: Any, groups: Any, **more: Any) -> Any:
        assert not any(group["recipient"] == ada.id for group in groups)
        return await render(mongo, groups, **more)

    monkeypatch.setattr(reading, "render", broken)
    await scene.work()
    assert await scene.plaza.mongo.count("notifications", {"due_at": {"$gt": clock.now()}}, limit=9) == 1
    monkeypatch.setattr(reading, "render", render)
    assert await scene.moves(bob) == 1
    assert await scene.moves(ada) == 0
    await scene.plaza.mongo.update("notifications", {"recipient": ada.id}, {"$set": {"due_at": clock.now()}})
    await workers.notifications.due(scene.plaza)
    assert await scene.moves(ada) == 1


async def test_a_block_that_another_worker_handles_meanwhile_takes_back_notifications_under_way(
    scene: Scene, site: Any, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = await scene.post(ada)
    await scene.work()
    await scene.like(post, bob, author=ada)
    like = await scene.waiting()
    decide, blocked = policy.decide, list[bool]()

    async def then_a_block_is_handled(*args: Any, **options: Any) -> Any:
        verdict = await decide(*args, **options)
        if not blocked:
            blocked.append(True)
            await ada.block(bob)
            await scene.handle([each for each in await scene.waiting() if isinstance(each.event, UserBlocked)])
        return verdict

    monkeypatch.setattr(site.plaza.members, "alone", lambda work: False)
    monkeypatch.setattr(policy, "decide", then_a_block_is_handled)
    await scene.handle(like)
    assert blocked
    assert await scene.notified(ada) == []
    assert await site.plaza.mongo.count("notification_facts", {"withdrawn_at": None}, limit=1) == 0
    await consistent(scene)
