"""Reposts: at most once a person and post, counted, and only of posts that everybody may see."""

import asyncio

import pytest
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Door, Person

from social.contracts.posts import Post, RepostState

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")


async def repost(person: Person, post: Post, method: str = "PUT") -> RepostState:
    return (await person.ask(method, f"/v1/posts/{post.id}/repost")).ok(RepostState)


async def counts(person: Person, post: Post, reposts: int) -> None:
    async def folded() -> None:
        assert (await person.see(post)).reposts == reposts

    await eventually(folded)


async def test_a_repost_counts_once_however_often_it_is_asked_for(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    answers = await asyncio.gather(*(repost(bob, post) for _ in range(4)))
    assert [each.reposted for each in answers] == [True] * 4
    await counts(ada, post, 1)
    assert [(await person.see(post)).reposted for person in (ada, bob)] == [False, True]
    await repost(ada, post)
    await counts(ada, post, 2)
    answers = await asyncio.gather(*(repost(bob, post, "DELETE") for _ in range(4)))
    assert [each.reposted for each in answers] == [False] * 4
    await counts(ada, post, 1)
    assert not (await bob.see(post)).reposted


async def test_what_is_for_followers_is_not_shown_to_others_by_a_repost(ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    answer = await ada.ask("POST", "/v1/posts", {"text": "for you", "visibility": "followers"})
    post = answer.ok(Post, 201)
    (await bob.ask("PUT", f"/v1/posts/{post.id}/repost")).refused(403, "forbidden")
    assert (await repost(ada, post)).reposted  # to those who may see it anyway


async def test_a_post_of_a_private_account_is_not_reposted_by_others(ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    post = await ada.publish("hello")
    await repost(bob, post)
    await ada.edit(private=True)
    (await bob.ask("PUT", f"/v1/posts/{post.id}/repost")).refused(403, "forbidden")
    assert not (await repost(bob, post, "DELETE")).reposted  # an earlier repost may still be taken back


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_deleted_post_is_not_reposted(door: Door, ada: Person, bob: Person, method: str) -> None:
    post = await ada.publish("hello")
    await repost(bob, post)
    await ada.delete(post)
    (await bob.ask(method, f"/v1/posts/{post.id}/repost")).refused(404, "not_found")
