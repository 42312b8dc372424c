"""Counts and lists agree about suspended people: both leave out their acts until the suspension is lifted."""

from typing import Any

import pytest
from support.eventually import eventually
from support.people import Door, Person
from support.site import Site

from social.accounts import lifecycle
from social.contracts.comments import Comment
from social.contracts.posts import Post
from social.posts.counters import COUNTERS

# A single broker: the promises of both brokers are in test_pipeline.py.
pytestmark = [pytest.mark.parametrize("broker", ["local"]), pytest.mark.usefixtures("small_pieces")]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.posts.suspension.CHUNK", 2)


async def counts(reader: Person, post: Post, comment: Comment) -> dict[str, int]:
    """Return the counts that a reader sees on their post, on a comment under it, and on their profile."""
    seen, said, me = await reader.see(post), await reader.read_comment(comment), await reader.me()
    return {
        **{"likes": seen.likes, "comments": seen.comments, "reposts": seen.reposts},
        **{"comment likes": said.likes, "replies": said.replies},
        **{"followers": me.followers, "following": me.following},
    }


async def listed(reader: Person, post: Post, comment: Comment) -> dict[str, int]:
    """Return the lengths of the lists that these counts stand beside."""

    async def length(path: str) -> int:
        return len((await reader.ask("GET", path)).body["items"])

    tops = (await reader.comments(post)).items
    replies = [await length(f"/v1/comments/{each.id}/replies") for each in tops]
    return {
        **{"likes": await length(f"/v1/posts/{post.id}/likes"), "comments": len(tops) + sum(replies)},
        **{"comment likes": await length(f"/v1/comments/{comment.id}/likes")},
        **{"replies": await length(f"/v1/comments/{comment.id}/replies")},
        **{"followers": await length(f"/v1/users/{reader.username}/followers")},
        **{"following": await length(f"/v1/users/{reader.username}/following")},
    }


async def agree(reader: Person, post: Post, comment: Comment, **expected: int) -> None:
    """Wait until the counts are as expected, and equal to the lists beside them."""

    async def look() -> None:
        found = await counts(reader, post, comment)
        assert {name: found[name] for name in expected} == expected
        lists = await listed(reader, post, comment)
        assert {name: found[name] for name in lists} == lists

    await eventually(look)


async def acted(ada: Person, bob: Person, eve: Person) -> tuple[Post, Comment, dict[str, Any]]:
    """Return after two people have acted on Ada's posts and all of it is counted."""
    post = await ada.publish("hello")
    comment = await ada.comment(post, "first")
    for each in (bob, eve):
        await each.like(post)
        assert (await each.ask("PUT", f"/v1/posts/{post.id}/repost")).status == 200
        await each.like_comment(comment)
        await each.reply(comment, "so")
        await each.follow(ada)
        await ada.follow(each)
    theirs = [await bob.comment(post, f"bob's {n}") for n in range(3)]
    await eve.reply(theirs[0], "well")
    await bob.reply(theirs[0], "indeed")
    before = {"likes": 2, "comments": 8, "reposts": 2, "comment likes": 2, "replies": 2, "followers": 2, "following": 2}
    assert len(before) == sum(map(len, COUNTERS.values())) - 1, "all counters but that of a person's own posts"
    await agree(ada, post, comment, **before)
    return post, comment, before


async def test_counts_leave_out_who_is_suspended_until_it_is_lifted(
    site: Site, ada: Person, bob: Person, eve: Person
) -> None:
    post, comment, before = await acted(ada, bob, eve)
    version = (await ada.see(post)).version
    for _ in range(2):
        await lifecycle.suspend(site.plaza.mongo, "bob", None)
    one = {"likes": 1, "comments": 2, "reposts": 1, "comment likes": 1, "replies": 1, "followers": 1, "following": 1}
    await agree(ada, post, comment, **one)
    assert (await ada.see(post)).version > version
    await lifecycle.suspend(site.plaza.mongo, "eve", None)  # whose reply to Bob is hidden already
    none = dict.fromkeys(before, 0) | {"comments": 1}
    await agree(ada, post, comment, **none)
    for _ in range(2):
        await lifecycle.lift(site.plaza.mongo, "bob")
    await agree(ada, post, comment, **one | {"comments": 6})
    await lifecycle.lift(site.plaza.mongo, "eve")
    await agree(ada, post, comment, **before)


async def test_what_ends_meanwhile_is_not_left_out_twice(site: Site, ada: Person, bob: Person, eve: Person) -> None:
    post, comment, _ = await acted(ada, bob, eve)
    theirs = (await ada.comments(post)).items
    await lifecycle.suspend(site.plaza.mongo, "bob", None)
    await agree(ada, post, comment, likes=1, comments=2, followers=1, following=1)
    await ada.block(bob)
    await agree(ada, post, comment, followers=1, following=1)
    await ada.delete_comment(next(each for each in theirs if each.replies))  # with a reply of Bob's and one of Eve's
    await agree(ada, post, comment, comments=2)
    await ada.unblock(bob)
    await lifecycle.lift(site.plaza.mongo, "bob")
    await agree(ada, post, comment, likes=2, comments=5, followers=1, following=1)


async def test_an_accepted_request_of_a_suspended_person_is_not_counted_until_it_is_lifted(
    site: Site, door: Door, ada: Person, bob: Person
) -> None:
    await ada.edit(private=True)
    await bob.follow(ada)
    post = await ada.publish("hello")
    comment = await ada.comment(post, "first")
    await lifecycle.suspend(site.plaza.mongo, "bob", None)
    await agree(ada, post, comment, followers=0)
    await ada.edit(private=False)

    async def accepted() -> None:
        assert await site.plaza.mongo.one("edges", {"_id": bob.id + ada.id, "follows_at": {"$ne": None}})

    await eventually(accepted)
    await agree(ada, post, comment, followers=0)
    await lifecycle.lift(site.plaza.mongo, "bob")
    await agree(ada, post, comment, followers=1)
