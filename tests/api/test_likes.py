"""Likes: a person likes a post at most once."""

import asyncio

import pytest
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Person

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")


async def test_a_like_shows_at_once_to_who_gave_it(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    state = await bob.like(post)
    assert (state.post_id, state.liked) == (post.id, True)
    assert (await bob.see(post)).liked is True
    assert (await ada.see(post)).liked is False


async def test_a_second_like_changes_nothing(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    for _ in range(3):
        assert (await bob.like(post)).liked is True
    await ada.like(post)

    async def counted() -> None:
        assert (await ada.see(post)).likes == 2

    await eventually(counted)


async def test_many_taps_at_once_are_one_like(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await asyncio.gather(*(bob.like(post) for _ in range(8)))

    async def counted() -> None:
        assert (await ada.see(post)).likes == 1

    await eventually(counted)
    await bob.unlike(post)

    async def taken_back() -> None:
        assert (await ada.see(post)).likes == 0

    await eventually(taken_back)


async def test_taking_back_what_was_never_given_changes_nothing(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    state = await bob.unlike(post)
    assert (state.liked, state.likes) == (False, 0)
    await ada.like(post)

    async def counted() -> None:
        seen = await ada.see(post)
        assert (seen.likes, seen.version) == (1, 1)

    await eventually(counted)


@pytest.mark.parametrize("id", ["0" * 24, "x", "$ne", "%7B%7D"])
async def test_nobody_likes_what_is_not_there(ada: Person, id: str) -> None:
    for method in ("PUT", "DELETE"):
        (await ada.ask(method, f"/v1/posts/{id}/like")).refused(404, "not_found")
