"""Requests to follow a private account, and their answers."""

import asyncio

import pytest
from support.eventually import eventually
from support.people import Door, Person
from support.site import Site

from social.accounts import lifecycle
from social.contracts.people import People
from social.people import users


@pytest.fixture
async def ada(door: Door) -> Person:
    """Ada, with a private account."""
    ada = await door.register("ada")
    assert (await ada.ask("PATCH", "/v1/users/me", {"private": True})).status == 200
    return ada


async def notified(person: Person, *types: str) -> None:
    async def look() -> None:
        assert [each.type for each in await person.notifications()] == list(types)

    await eventually(look)


async def counted(person: Person, *, followers: int = 0, following: int = 0) -> None:
    async def look() -> None:
        me = await person.me()
        assert (me.followers, me.following) == (followers, following)

    await eventually(look)


async def test_a_request_waits_until_it_is_accepted(ada: Person, bob: Person) -> None:
    for _ in range(2):
        state = await bob.follow(ada)
        assert (state.following, state.requested) == (False, True)
    assert (await bob.profile(ada)).relationship.requested
    await notified(ada, "follow_request")
    assert await ada.names("/v1/follow-requests") == ["bob"]
    await counted(ada)
    stands = await ada.accept(bob)
    assert (stands.followed_by, stands.following) == (True, False)
    assert await ada.names("/v1/follow-requests") == []
    await counted(ada, followers=1)
    await counted(bob, following=1)
    await notified(bob, "follow_accepted")
    await notified(ada)  # the request is answered, so its notification is gone
    assert (await bob.follow(ada)).following


async def test_a_request_that_is_refused_or_taken_back_is_gone(ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    await notified(ada, "follow_request")
    offset = (await ada.inbox()).offset
    assert (await ada.refuse(bob)).followed_by is False
    await notified(ada)
    assert not (await bob.profile(ada)).relationship.requested

    async def removed() -> None:  # a moment after the list shows it
        assert [each.event for each in (await ada.sync(offset)).events][-1:] == ["notification.removed"]

    await eventually(removed)
    await bob.follow(ada)
    await notified(ada, "follow_request")  # a new request notifies anew
    state = await bob.unfollow(ada)
    assert (state.following, state.requested) == (False, False)
    await notified(ada)
    assert await ada.names("/v1/follow-requests") == []
    (await ada.ask("PUT", "/v1/follow-requests/bob")).refused(404, "not_found")
    await notified(bob)  # a refusal notifies nobody
    await counted(ada)


async def test_some_of_several_requests_are_answered(ada: Person, bob: Person, eve: Person) -> None:
    await bob.follow(ada)
    await eve.follow(ada)

    async def both() -> None:
        assert [each.count for each in await ada.notifications()] == [2]

    await eventually(both)
    await ada.refuse(bob)

    async def one() -> None:
        found = [(each.count, [actor.username for actor in each.actors]) for each in await ada.notifications()]
        assert found == [(1, ["eve"])]

    await eventually(one)


async def test_only_who_asked_is_accepted_and_twice_is_once(ada: Person, bob: Person, eve: Person) -> None:
    (await ada.ask("PUT", "/v1/follow-requests/eve")).refused(404, "not_found")
    (await ada.ask("PUT", "/v1/follow-requests/nobody")).refused(404, "not_found")
    assert (await ada.ask("PUT", "/v1/follow-requests/ada")).wrong_fields() == {"/username": "oneself"}
    await bob.follow(ada)
    (await bob.ask("PUT", "/v1/follow-requests/ada")).refused(404, "not_found")  # nobody accepts themselves
    assert {each.followed_by for each in await asyncio.gather(*(ada.accept(bob) for _ in range(5)))} == {True}
    await counted(ada, followers=1)
    await counted(bob, following=1)
    assert (await ada.me()).version == 1


async def test_an_acceptance_and_a_withdrawal_at_once_leave_one_of_them(door: Door, ada: Person) -> None:
    fans = [await door.register(f"fan{n}") for n in range(6)]
    for fan in fans:
        await fan.follow(ada)

    async def meet(fan: Person) -> bool:
        accepted, _ = await asyncio.gather(ada.ask("PUT", f"/v1/follow-requests/{fan.username}"), fan.unfollow(ada))
        assert accepted.status in (200, 404)
        stands = (await fan.profile(ada)).relationship
        assert not stands.requested
        return stands.following

    # Accepted first and then unfollowed, or taken back first: either way nobody follows, and nothing is counted.
    assert await asyncio.gather(*(meet(fan) for fan in fans)) == [False] * 6
    await counted(ada)
    for fan in fans:
        await counted(fan)


async def test_a_block_ends_a_request_and_its_notification(ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    await notified(ada, "follow_request")
    await ada.block(bob)
    assert await ada.names("/v1/follow-requests") == []
    await notified(ada)
    await ada.unblock(bob)
    assert not (await bob.profile(ada)).relationship.requested


async def test_whom_one_asked_is_listed_until_the_answer(door: Door, site: Site, ada: Person, bob: Person) -> None:
    others = [await door.register(f"private{n}") for n in range(3)]
    for each in others:
        await each.edit(private=True)
    for each in (ada, *others):
        await bob.follow(each)
    path = "/v1/users/me/follow-requests"
    assert await bob.names(path) == ["private2", "private1", "private0", "ada"]
    first = (await bob.ask("GET", f"{path}?limit=3")).ok(People)
    assert await bob.names(f"{path}?cursor={first.next}") == ["ada"]
    (await ada.ask("GET", f"{path}?cursor={first.next}")).refused(422, "validation_failed")
    assert await ada.names(path) == [], "what one was sent is another list"
    await others[0].accept(bob)
    await others[1].refuse(bob)
    await others[2].block(bob)
    assert await bob.names(path) == ["ada"]
    await lifecycle.suspend(site.plaza.mongo, "ada", None)
    await site.plaza.forget_cards(users.card_keys(ada.id, "ada"))
    assert await bob.names(path) == []
    await lifecycle.lift(site.plaza.mongo, "ada")
    await site.plaza.forget_cards(users.card_keys(ada.id, "ada"))
    assert await bob.names(path) == ["ada"]
    await bob.unfollow(ada)
    assert await bob.names(path) == []
