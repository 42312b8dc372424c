"""Following people."""

import asyncio

import pytest
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Person

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")


async def test_a_follow_is_answered_with_its_state_and_counted_on_both_sides(ada: Person, bob: Person) -> None:
    state = await ada.follow(bob)
    assert (state.username, state.following) == ("bob", True)

    async def counted() -> None:
        assert ((await ada.me()).following, (await ada.me()).followers) == (1, 0)
        assert ((await ada.profile(bob)).following, (await ada.profile(bob)).followers) == (0, 1)

    await eventually(counted)
    state = await ada.unfollow(bob)
    assert state.following is False

    async def undone() -> None:
        assert (await ada.me()).following == 0
        assert (await ada.profile(bob)).followers == 0

    await eventually(undone)


async def test_a_second_follow_changes_nothing(ada: Person, bob: Person) -> None:
    await asyncio.gather(*(ada.follow(bob) for _ in range(5)))
    await bob.follow(ada)

    async def counted() -> None:
        me = await ada.me()
        assert (me.following, me.followers) == (1, 1)

    await eventually(counted)


async def test_who_unfollows_a_stranger_changes_nothing(ada: Person, bob: Person) -> None:
    assert (await ada.unfollow(bob)).following is False
    await ada.follow(bob)

    async def counted() -> None:
        me = await ada.me()
        assert (me.following, me.version) == (1, 1)

    await eventually(counted)


async def test_nobody_can_follow_themselves(ada: Person) -> None:
    for method in ("PUT", "DELETE"):
        assert (await ada.ask(method, f"/v1/users/{ada}/follow")).wrong_fields() == {"/username": "oneself"}


@pytest.mark.parametrize("name", ["nobody", "x", "a" * 31, "me", "$ne", "a%00b", "a%20b"])
async def test_nobody_is_not_found(ada: Person, name: str) -> None:
    for method in ("PUT", "DELETE"):
        (await ada.ask(method, f"/v1/users/{name}/follow")).refused(404, "not_found")


@pytest.mark.parametrize("name", ["nobody", "x", "a" * 31, "$ne", "a%00b"])
async def test_a_profile_of_nobody_is_not_found(ada: Person, name: str) -> None:
    (await ada.ask("GET", f"/v1/users/{name}")).refused(404, "not_found")


async def test_an_address_is_shown_to_nobody_else(ada: Person, bob: Person) -> None:
    answer = await bob.ask("GET", "/v1/users/ada")
    assert answer.status == 200
    assert b"example.org" not in answer.raw
