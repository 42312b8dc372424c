"""Blocks and mutes: who is hidden from whom, and in what."""

import asyncio
import base64

import pytest
from support.eventually import eventually
from support.people import Door, Person, texts
from support.site import Site

from social.accounts import lifecycle
from social.contracts.people import Relationship

STRANGERS = Relationship(following=False, followed_by=False, requested=False, blocking=False, muting=False)


async def counted(person: Person, *, followers: int, following: int) -> None:
    async def look() -> None:
        me = await person.me()
        assert (me.followers, me.following) == (followers, following)

    await eventually(look)


async def test_how_two_people_stand_to_each_other_is_on_their_pages(ada: Person, bob: Person) -> None:
    assert (await ada.profile(bob)).relationship == STRANGERS
    await ada.follow(bob)
    assert (await ada.profile(bob)).relationship == STRANGERS.model_copy(update={"following": True})
    assert (await bob.profile(ada)).relationship == STRANGERS.model_copy(update={"followed_by": True})
    assert await ada.mute(bob) == STRANGERS.model_copy(update={"following": True, "muting": True})
    assert (await bob.profile(ada)).relationship == STRANGERS.model_copy(update={"followed_by": True})
    assert (await ada.profile(ada)).relationship == STRANGERS


async def test_a_block_ends_both_follows_and_their_counts(ada: Person, bob: Person) -> None:
    await ada.follow(bob)
    await bob.follow(ada)
    for each in (ada, bob):
        await counted(each, followers=1, following=1)
    assert await ada.block(bob) == STRANGERS.model_copy(update={"blocking": True})
    for each in (ada, bob):
        await counted(each, followers=0, following=0)
    assert await ada.unblock(bob) == STRANGERS
    assert (await bob.profile(ada)).relationship == STRANGERS  # follows that it ended stay ended


async def test_who_is_blocked_finds_nobody_there(ada: Person, bob: Person) -> None:
    post = await ada.publish("mine")
    await ada.block(bob)
    for method, path in (
        ("GET", "/v1/users/ada"),
        ("GET", "/v1/users/ada/posts"),
        ("GET", "/v1/users/ada/followers"),
        ("GET", "/v1/users/ada/following"),
        ("PUT", "/v1/users/ada/follow"),
        ("DELETE", "/v1/users/ada/follow"),
        ("PUT", "/v1/follow-requests/ada"),
        ("DELETE", "/v1/follow-requests/ada"),
        ("DELETE", "/v1/users/me/followers/ada"),
        ("GET", f"/v1/posts/{post.id}"),
        ("DELETE", f"/v1/posts/{post.id}"),
        ("PUT", f"/v1/posts/{post.id}/like"),
        ("DELETE", f"/v1/posts/{post.id}/like"),
        ("GET", f"/v1/posts/{post.id}/comments"),
    ):
        (await bob.ask(method, path)).refused(404, "not_found")
    (await bob.ask("POST", f"/v1/posts/{post.id}/comments", {"text": "let me"})).refused(404, "not_found")


async def test_who_is_blocked_may_block_and_mute_in_turn_and_does_not_learn_of_it(
    ada: Person, bob: Person, eve: Person, site: Site
) -> None:
    await ada.block(bob)
    await lifecycle.suspend(site.plaza.mongo, "eve", None)
    for hidden in (ada, eve):  # the person who blocks, and the suspended person
        (await bob.ask("GET", f"/v1/users/{hidden.username}")).refused(404, "not_found")
        assert await bob.unblock(hidden) == STRANGERS
        assert await bob.mute(hidden) == STRANGERS.model_copy(update={"muting": True})
        assert await bob.unmute(hidden) == STRANGERS
        assert await bob.block(hidden) == STRANGERS.model_copy(update={"blocking": True})
    assert await bob.names("/v1/users/me/blocks") == ["ada"]  # as long as the other is suspended
    (await ada.ask("GET", "/v1/users/bob")).refused(404, "not_found")
    await lifecycle.lift(site.plaza.mongo, "eve")
    assert await bob.names("/v1/users/me/blocks") == ["eve", "ada"]


async def test_two_who_block_each_other_are_apart_until_both_take_it_back(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    answers = await asyncio.gather(ada.ask("PUT", "/v1/users/bob/block"), bob.ask("PUT", "/v1/users/ada/block"))
    assert [each.status for each in answers] == [200, 200]
    assert await bob.unblock(ada) == STRANGERS
    for path in ("/v1/users/ada", f"/v1/posts/{post.id}"):
        (await bob.ask("GET", path)).refused(404, "not_found")
    assert (await ada.profile(bob)).relationship.blocking
    assert await ada.unblock(bob) == STRANGERS
    assert (await bob.see(post)).text == "hello"


async def test_who_blocks_sees_nothing_of_them_but_their_page_to_take_it_back(ada: Person, bob: Person) -> None:
    post = await bob.publish("his")
    await ada.block(bob)
    assert (await ada.profile(bob)).relationship.blocking
    for method, path in (
        ("GET", "/v1/users/bob/posts"),
        ("GET", "/v1/users/bob/followers"),
        ("PUT", "/v1/users/bob/follow"),
        ("GET", f"/v1/posts/{post.id}"),
        ("PUT", f"/v1/posts/{post.id}/like"),
        ("GET", f"/v1/posts/{post.id}/comments"),
    ):
        (await ada.ask(method, path)).refused(404, "not_found")
    assert await ada.names("/v1/users/me/blocks") == ["bob"]
    await ada.unblock(bob)
    assert (await ada.see(post)).text == "his"
    assert await ada.names("/v1/users/me/blocks") == []


async def test_on_the_page_of_a_third_each_is_hidden_from_the_other(ada: Person, bob: Person, eve: Person) -> None:
    post = await eve.publish("come all")
    for number in range(3):
        await ada.comment(post, f"ada {number}")
        await bob.comment(post, f"bob {number}")
    for each in (ada, bob):
        await each.follow(eve)
    await ada.block(bob)
    assert texts(await ada.comments(post)) == ["ada 2", "ada 1", "ada 0"]
    assert texts(await bob.comments(post, "?limit=2")) == ["bob 2", "bob 1"]  # refilled
    assert len(texts(await eve.comments(post))) == 6
    assert await ada.names("/v1/users/eve/followers") == ["ada"]
    for text in ("bob", "bo"):
        assert await ada.names(f"/v1/users?q={text}") == []
        assert await eve.names(f"/v1/users?q={text}") == ["bob"]
    assert await bob.names("/v1/users?q=ada") == []
    assert await bob.names("/v1/users/eve/followers") == ["bob"]
    assert await eve.names("/v1/users/eve/followers") == ["bob", "ada"]


async def test_a_block_empties_the_timelines_and_withdraws_notifications(
    ada: Person, bob: Person, eve: Person, site: Site
) -> None:
    await bob.follow(ada)
    post = await ada.publish("hello")
    for each in (bob, eve):
        await each.like(post)
    await bob.comment(post, "hm")

    async def settled() -> None:
        assert sorted((each.type, each.count) for each in await ada.notifications()) == [
            ("comment", 1),
            ("follow", 1),
            ("like", 2),
        ]
        assert texts(await bob.feed()) == ["hello"]

    await eventually(settled)
    offset = (await ada.inbox()).offset
    await ada.block(bob)
    assert texts(await bob.feed()) == []
    assert [actor.username for each in await ada.notifications() for actor in each.actors] == ["eve"]

    async def withdrawn() -> None:
        assert [(each.type, each.count) for each in await ada.notifications()] == [("like", 1)]
        assert await ada.unread() == 1
        notified = [(each.event, each.data["id"]) for each in (await ada.sync(offset)).events]
        assert sorted(name for name, _ in notified) == ["notification.removed"] * 2 + ["notification.updated"]
        assert not await site.plaza.mongo.many("feed_entries", {"owner": bob.id})

    await eventually(withdrawn)


async def test_who_is_muted_does_not_notice_and_is_not_heard(ada: Person, bob: Person, eve: Person) -> None:
    await ada.follow(bob)
    await ada.follow(eve)
    before = await bob.publish("before")

    async def arrived() -> None:
        assert texts(await ada.feed()) == ["before"]

    await eventually(arrived)
    mine = await ada.publish("mine")
    await ada.mute(bob)
    assert texts(await ada.feed()) == ["mine"]
    await bob.publish("while muted")
    await bob.like(mine)
    await bob.comment(mine, "do you hear me")
    await eve.like(mine)
    await eve.publish("hers")

    async def heard() -> None:
        assert [actor.username for each in await ada.notifications() for actor in each.actors] == ["eve"]
        assert texts(await ada.feed()) == ["hers", "mine"]

    await eventually(heard)
    assert (await ada.see(before)).text == "before"  # people who look see it
    assert texts(await ada.comments(mine)) == ["do you hear me"]
    assert (await bob.profile(ada)).relationship == STRANGERS.model_copy(update={"followed_by": True})
    assert await ada.names("/v1/users/me/mutes") == ["bob"]
    await ada.unmute(bob)

    async def back() -> None:
        assert texts(await ada.feed()) == ["hers", "while muted", "mine", "before"]

    await eventually(back)


async def test_blocks_and_mutes_are_the_same_when_repeated(ada: Person, bob: Person, site: Site) -> None:
    await bob.follow(ada)
    await counted(ada, followers=1, following=0)
    assert {each.blocking for each in await asyncio.gather(*(ada.block(bob) for _ in range(4)))} == {True}
    await counted(ada, followers=0, following=0)
    version = (await ada.me()).version
    for _ in range(2):
        assert await ada.unblock(bob) == STRANGERS
    for _ in range(2):
        assert (await ada.mute(bob)).muting
    for _ in range(2):
        assert await ada.unmute(bob) == STRANGERS
    await bob.follow(ada)
    await counted(ada, followers=1, following=0)
    assert (await ada.me()).version == version + 1


@pytest.mark.parametrize("what", ["block", "mute"])
async def test_nobody_blocks_themselves_or_nobody(ada: Person, what: str) -> None:
    for method in ("PUT", "DELETE"):
        assert (await ada.ask(method, f"/v1/users/ada/{what}")).wrong_fields() == {"/username": "oneself"}
        (await ada.ask(method, f"/v1/users/nobody/{what}")).refused(404, "not_found")


async def test_a_follow_and_a_block_at_once_never_leave_both(door: Door, site: Site) -> None:
    pairs = [(await door.register(f"one{n}"), await door.register(f"two{n}")) for n in range(6)]

    async def meet(one: Person, two: Person) -> None:
        await asyncio.gather(
            one.ask("PUT", f"/v1/users/{two.username}/follow"),
            two.ask("PUT", f"/v1/users/{one.username}/follow"),
            two.block(one),
            one.ask("PUT", f"/v1/users/{two.username}/follow"),
        )

    await asyncio.gather(*(meet(*pair) for pair in pairs))
    for one, two in pairs:
        assert (await two.profile(one)).relationship == STRANGERS.model_copy(update={"blocking": True})
        (await one.ask("PUT", f"/v1/users/{two.username}/follow")).refused(404, "not_found")
        for each in (one, two):
            await counted(each, followers=0, following=0)


async def test_a_like_in_flight_notifies_nobody_across_a_block(ada: Person, bob: Person, eve: Person) -> None:
    posts = [await ada.publish(f"post {n}") for n in range(4)]
    likes = [bob.ask("PUT", f"/v1/posts/{post.id}/like") for post in posts]
    await asyncio.gather(*likes[:2], ada.block(bob), *likes[2:])
    await eve.like(posts[0])

    async def settled() -> None:
        notified = await ada.notifications()
        assert [actor.username for each in notified for actor in each.actors] == ["eve"]
        assert sum(each.count for each in notified) == 1

    await eventually(settled)


async def test_lists_of_people_go_both_ways_newest_first(door: Door, ada: Person) -> None:
    fans = [await door.register(f"fan{n}") for n in range(5)]
    for fan in fans:
        await fan.follow(ada)
    await ada.follow(fans[0])
    assert await ada.names("/v1/users/ada/followers") == ["fan4", "fan3", "fan2", "fan1", "fan0"]
    assert await fans[0].names("/v1/users/ada/following") == ["fan0"]
    page = (await ada.ask("GET", "/v1/users/ada/followers?limit=2")).body
    assert [each["username"] for each in page["items"]] == ["fan4", "fan3"]
    older = (await ada.ask("GET", f"/v1/users/ada/followers?limit=2&cursor={page['next']}")).body
    assert [each["username"] for each in older["items"]] == ["fan2", "fan1"]
    newer = (await ada.ask("GET", f"/v1/users/ada/followers?limit=2&cursor={older['prev']}")).body
    assert newer["items"] == page["items"]
    assert (await ada.ask("DELETE", "/v1/users/me/followers/fan3")).ok(Relationship) == STRANGERS
    assert await ada.names("/v1/users/ada/followers") == ["fan4", "fan2", "fan1", "fan0"]
    await counted(ada, followers=4, following=1)
    assert (await ada.ask("DELETE", "/v1/users/me/followers/fan3")).ok(Relationship) == STRANGERS


async def test_no_cursor_names_a_hidden_person(door: Door, ada: Person, bob: Person, eve: Person) -> None:
    """The ids are looked for as text and in packed form."""
    cat, dan = await door.register("cat"), await door.register("dan")
    post = await eve.publish("hello")
    for each in (bob, cat, dan, bob):
        comment = await each.comment(post, "here")
        hidden_comment = comment.id
    for each in (dan, cat, bob):
        await each.follow(eve)
    await bob.block(ada)
    paths = {"/v1/users/eve/followers": bob.id, f"/v1/posts/{post.id}/comments": hidden_comment}
    for path, hidden in paths.items():
        page = (await ada.ask("GET", f"{path}?limit=1")).body
        older = (await ada.ask("GET", f"{path}?limit=1&cursor={page['next']}")).body
        newer = (await ada.ask("GET", f"{path}?limit=2&cursor={older['prev']}")).body
        assert len(page["items"]) == 1
        assert newer["items"] == page["items"]
        for cursor in (each[end] for each in (page, older, newer) for end in ("next", "prev") if each[end]):
            plain = base64.urlsafe_b64decode(cursor + "==")
            assert hidden.encode() not in plain
            assert bytes.fromhex(hidden) not in plain
