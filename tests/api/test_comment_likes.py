"""Likes of comments, and lists of the people who like a post or a comment."""

import asyncio

import pytest
from support.eventually import eventually
from support.people import Person


async def test_a_comment_is_liked_once_whatever_the_taps(ada: Person, bob: Person) -> None:
    comment = await ada.comment(await ada.publish("hello"), "first")
    states = await asyncio.gather(*(bob.like_comment(comment) for _ in range(5)))
    assert {(each.comment_id, each.liked) for each in states} == {(comment.id, True)}

    async def counted(likes: int) -> None:
        seen = await bob.read_comment(comment)
        assert (seen.likes, seen.liked, seen.version) == (likes, True, likes)

    await eventually(lambda: counted(1))
    await ada.like_comment(comment)
    await eventually(lambda: counted(2))
    assert (await bob.like_comment(comment)).likes == 2
    assert (await bob.unlike_comment(comment)).liked is False
    assert (await bob.unlike_comment(comment)).liked is False

    async def fewer() -> None:
        seen = await bob.read_comment(comment)
        assert (seen.likes, seen.liked) == (1, False)

    await eventually(fewer)


async def test_a_list_says_which_comments_i_like(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    one, two = await ada.comment(post, "one"), await ada.comment(post, "two")
    await bob.like_comment(one)
    assert {each.id: each.liked for each in (await bob.comments(post)).items} == {one.id: True, two.id: False}
    assert not any(each.liked for each in (await ada.comments(post)).items)


async def test_who_likes_comes_newest_first_and_without_those_a_block_hides(
    ada: Person, bob: Person, eve: Person
) -> None:
    post = await ada.publish("hello")
    comment = await ada.comment(post, "first")
    for person in (bob, ada, eve):
        await person.like(post)
        await person.like_comment(comment)
        await asyncio.sleep(0.002)  # times are milliseconds
    for path in (f"/v1/posts/{post.id}/likes", f"/v1/comments/{comment.id}/likes"):
        assert await ada.names(path) == ["eve", "ada", "bob"]
        first = (await ada.ask("GET", path + "?limit=2")).body
        assert [each["username"] for each in first["items"]] == ["eve", "ada"]
        assert await ada.names(f"{path}?limit=2&cursor={first['next']}") == ["bob"]
    await bob.block(eve)
    for path in (f"/v1/posts/{post.id}/likes", f"/v1/comments/{comment.id}/likes"):
        assert await bob.names(path) == ["ada", "bob"]
        assert await eve.names(path) == ["eve", "ada"]


async def test_ones_own_like_can_be_taken_back_across_a_block(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    comment = await ada.comment(post, "first")
    await bob.like(post)
    await bob.like_comment(comment)
    await ada.block(bob)
    assert (await bob.unlike(post)).liked is False
    assert (await bob.unlike_comment(comment)).liked is False
    for path in (f"/v1/posts/{post.id}/like", f"/v1/comments/{comment.id}/like"):
        for method in ("PUT", "DELETE"):
            (await bob.ask(method, path)).refused(404, "not_found")

    async def taken_back() -> None:
        assert ((await ada.see(post)).likes, (await ada.read_comment(comment)).likes) == (0, 0)

    await eventually(taken_back)


async def test_what_was_deleted_is_not_liked(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    comment, other = await ada.comment(post, "first"), await ada.comment(post, "other")
    await bob.like_comment(comment)
    await ada.delete_comment(comment)
    await ada.delete(post)
    for path in (f"/v1/posts/{post.id}", f"/v1/comments/{comment.id}", f"/v1/comments/{other.id}"):
        for method in ("PUT", "DELETE"):
            (await bob.ask(method, path + "/like")).refused(404, "not_found")
        (await bob.ask("GET", path + "/likes")).refused(404, "not_found")
    (await bob.ask("PATCH", f"/v1/comments/{other.id}", {"text": "x"})).refused(404, "not_found")


@pytest.mark.parametrize("id", ["0" * 24, "x", "$ne", "%7B%7D"])
async def test_nobody_likes_a_comment_that_is_not_there(ada: Person, id: str) -> None:
    for method in ("PUT", "DELETE"):
        (await ada.ask(method, f"/v1/comments/{id}/like")).refused(404, "not_found")
    for path in (f"/v1/comments/{id}/likes", f"/v1/posts/{id}/likes", f"/v1/comments/{id}/replies"):
        (await ada.ask("GET", path)).refused(404, "not_found")
