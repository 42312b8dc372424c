"""Comments under posts."""

import pytest
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Person, texts

from social.contracts.comments import Comment

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")


async def test_a_comment_is_there_as_soon_as_it_was_answered(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    answer = await bob.ask("POST", f"/v1/posts/{post.id}/comments", {"text": " nice "})
    comment = answer.ok(Comment, 201)
    assert answer.headers["Location"] == f"/v1/comments/{comment.id}"
    assert await bob.read_comment(comment) == comment
    assert (comment.text, comment.author.username, comment.post_id, comment.likes) == ("nice", "bob", post.id, 0)
    assert (await ada.comments(post)).items == [comment]


async def test_comments_come_newest_first_and_stay_with_their_post(ada: Person, bob: Person) -> None:
    post, other = await ada.publish("hello"), await ada.publish("another")
    await bob.comment(other, "elsewhere")
    for text in ("one", "two", "three"):
        await bob.comment(post, text)
    assert texts(await ada.comments(post)) == ["three", "two", "one"]


async def test_comments_are_counted_on_the_post(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await bob.comment(post, "one")
    await ada.comment(post, "two")

    async def counted() -> None:
        assert (await ada.see(post)).comments == 2

    await eventually(counted)


@pytest.mark.parametrize("id", ["0" * 24, "x", "$ne"])
async def test_nobody_comments_on_what_is_not_there(ada: Person, id: str) -> None:
    (await ada.ask("POST", f"/v1/posts/{id}/comments", {"text": "x"})).refused(404, "not_found")
    (await ada.ask("GET", f"/v1/posts/{id}/comments")).refused(404, "not_found")


@pytest.mark.parametrize("text", ["", " ", "x" * 2001, "\x00", 1, None, {"$ne": None}])
async def test_a_comment_without_a_text_is_refused(ada: Person, text: object) -> None:
    post = await ada.publish("hello")
    wrong = (await ada.ask("POST", f"/v1/posts/{post.id}/comments", {"text": text})).wrong_fields()
    assert list(wrong) == ["/text"]
    assert (await ada.comments(post)).items == []
