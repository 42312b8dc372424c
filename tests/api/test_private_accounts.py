"""Private accounts: their posts are for the followers they accept."""

import pytest
from support.eventually import eventually
from support.people import Door, Person, texts
from support.site import Site

from social.contracts.people import FollowState, Me
from social.people import requests, users


async def privately(person: Person, private: bool = True) -> None:
    """Make an account private, or public again."""
    assert (await person.ask("PATCH", "/v1/users/me", {"private": private})).ok(Me).private is private


async def test_a_private_account_is_a_card_to_strangers_and_open_to_followers(
    ada: Person, bob: Person, eve: Person
) -> None:
    await bob.follow(ada)
    post = await ada.publish("for friends")
    await bob.comment(post, "hi")
    await privately(ada)
    assert (await ada.me()).private
    page = await eve.profile(ada)
    assert (page.private, page.username) == (True, "ada")
    for method, path in (
        ("GET", "/v1/users/ada/posts"),
        ("GET", "/v1/users/ada/followers"),
        ("GET", "/v1/users/ada/following"),
        ("GET", f"/v1/posts/{post.id}"),
        ("DELETE", f"/v1/posts/{post.id}"),
        ("GET", f"/v1/posts/{post.id}/comments"),
        ("PUT", f"/v1/posts/{post.id}/like"),
        ("DELETE", f"/v1/posts/{post.id}/like"),
    ):
        (await eve.ask(method, path)).refused(404, "not_found")
    (await eve.ask("POST", f"/v1/posts/{post.id}/comments", {"text": "hi"})).refused(404, "not_found")
    for each in (ada, bob):
        assert (await each.see(post)).text == "for friends"
        assert texts(await each.posts(ada)) == ["for friends"]
        assert texts(await each.comments(post)) == ["hi"]
        assert await each.names("/v1/users/ada/followers") == ["bob"]
    await bob.like(post)


async def test_a_follow_by_a_process_that_has_yet_to_hear_of_it_becomes_a_request(
    site: Site, ada: Person, bob: Person
) -> None:
    stale = await users.known(site.plaza.mongo, "ada")
    await privately(ada)
    with site.plaza.mongo.memory.reading("@ada") as reading:
        reading.keep("@ada", stale)
    assert (await bob.ask("PUT", "/v1/users/ada/follow")).ok(FollowState).following
    post = await ada.publish("for friends")

    async def held_back() -> None:
        standing = (await bob.profile(ada)).relationship
        assert (standing.following, standing.requested) == (False, True)
        assert (await ada.me()).followers == 0
        assert "follow_request" in {each.type for each in await ada.notifications()}

    await eventually(held_back)
    (await bob.ask("GET", f"/v1/posts/{post.id}")).refused(404, "not_found")
    assert (await ada.ask("PUT", "/v1/follow-requests/bob")).status == 200
    assert (await bob.see(post)).text == "for friends"


async def test_who_is_removed_as_a_follower_sees_nothing_any_more(ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    post = await ada.publish("for friends")
    await privately(ada)

    async def arrived() -> None:
        assert texts(await bob.feed()) == ["for friends"]

    await eventually(arrived)
    assert (await ada.ask("DELETE", "/v1/users/me/followers/bob")).status == 200
    assert texts(await bob.feed()) == []
    (await bob.ask("GET", f"/v1/posts/{post.id}")).refused(404, "not_found")


async def test_a_follower_who_leaves_has_to_ask_to_come_back(ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    await privately(ada)
    await bob.unfollow(ada)
    state = await bob.follow(ada)
    assert (state.following, state.requested) == (False, True)


async def test_going_public_accepts_waiting_requests_chunk_by_chunk(
    door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "AT_ONCE", 2)
    post = await ada.publish("soon for all")
    await privately(ada)
    fans = [await door.register(f"fan{n}") for n in range(5)]
    for fan in fans:
        assert (await fan.follow(ada)).requested
    await privately(ada, False)

    async def accepted() -> None:
        for fan in fans:
            stands = (await fan.profile(ada)).relationship
            assert (stands.following, stands.requested) == (True, False)
            assert [each.type for each in await fan.notifications()] == ["follow_accepted"]
            assert texts(await fan.feed()) == ["soon for all"]
        assert (await ada.me()).followers == 5
        assert await ada.notifications() == []
        assert await ada.names("/v1/follow-requests") == []

    await eventually(accepted)
    assert (await fans[0].see(post)).text == "soon for all"


async def test_a_request_that_meets_the_account_going_public_does_not_wait_for_ever(
    ada: Person, bob: Person, site: Site
) -> None:
    await privately(ada)
    await site.plaza.mongo.update("users", {"_id": ada.id}, {"$set": {"private": False}})  # nobody is notified
    await site.plaza.commit(requests.ask, ada.id, by=bob.id)

    async def follows() -> None:
        assert (await bob.profile(ada)).relationship.following

    await eventually(follows)
