"""Comments edited and deleted: by whom, under which condition, across which block."""

import asyncio

import pytest
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Person, texts

from social.contracts.comments import Comment

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob, eve = new_person("ada"), new_person("bob"), new_person("eve")


async def test_an_edit_changes_the_text_and_says_so(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    comment = await bob.comment(post, "frist")
    assert (comment.rev, comment.edited_at) == (0, None)
    edited = (await bob.ask("PATCH", f"/v1/comments/{comment.id}", {"text": " first "})).ok(Comment)
    assert (edited.text, edited.rev, edited.created_at) == ("first", 1, comment.created_at)
    assert edited.edited_at is not None
    assert await ada.read_comment(comment) == edited
    again = (await bob.ask("PATCH", f"/v1/comments/{comment.id}", {"text": "first"})).ok(Comment)
    assert again == edited, "the same words are no edit"


async def test_of_two_edits_of_the_same_words_one_is_refused(ada: Person, bob: Person) -> None:
    comment = await bob.comment(await ada.publish("hello"), "frist")
    path = f"/v1/comments/{comment.id}"
    tag = (await bob.ask("GET", path)).headers["ETag"]
    await ada.like_comment(comment)

    async def counted() -> None:
        assert (await bob.read_comment(comment)).likes == 1

    await eventually(counted)
    answers = await asyncio.gather(
        *(bob.ask("PATCH", path, {"text": text}, headers={"If-Match": tag}) for text in ("one", "two"))
    )
    good, refused = sorted(answers, key=lambda each: each.status)
    refused.refused(412, "precondition_failed")
    assert (await bob.read_comment(comment)).text == good.ok(Comment).text
    (await bob.ask("PATCH", path, {"text": "x"}, headers={"If-Match": '"nonsense"'})).refused(
        412, "precondition_failed"
    )


async def test_only_its_author_edits_a_comment(ada: Person, bob: Person, eve: Person) -> None:
    comment = await bob.comment(await ada.publish("hello"), "first")
    for person in (ada, eve):
        (await person.ask("PATCH", f"/v1/comments/{comment.id}", {"text": "x"})).refused(403, "forbidden")
    await ada.block(bob)
    (await bob.ask("PATCH", f"/v1/comments/{comment.id}", {"text": "x"})).refused(404, "not_found")


async def test_its_author_and_the_posts_delete_a_comment_and_nobody_else(ada: Person, bob: Person, eve: Person) -> None:
    post = await ada.publish("hello")
    one, two, three = [await bob.comment(post, text) for text in ("one", "two", "three")]
    (await eve.ask("DELETE", f"/v1/comments/{one.id}")).refused(403, "forbidden")
    await bob.delete_comment(one)
    await ada.delete_comment(two)
    assert texts(await ada.comments(post)) == ["three"]
    (await bob.ask("DELETE", f"/v1/comments/{one.id}")).refused(404, "not_found")

    async def counted() -> None:
        assert (await ada.see(post)).comments == 1

    await eventually(counted)
    await ada.block(bob)
    await bob.delete_comment(three)


async def test_who_wrote_the_post_deletes_what_they_do_not_see(ada: Person, bob: Person, eve: Person) -> None:
    post = await ada.publish("hello")
    comment = await bob.comment(post, "first")
    await ada.block(bob)
    assert (await ada.comments(post)).items == []
    await ada.delete_comment(comment)
    assert (await eve.comments(post)).items == []


async def test_a_block_hides_comments_and_replies_of_each_from_the_other(ada: Person, bob: Person, eve: Person) -> None:
    post = await ada.publish("hello")
    comment = await bob.comment(post, "bob's")
    await eve.reply(comment, "eve's")
    await ada.reply(comment, "ada's")
    await eve.block(bob)
    assert texts(await eve.comments(post)) == []
    for path in (
        f"/v1/comments/{comment.id}",
        f"/v1/comments/{comment.id}/replies",
        f"/v1/comments/{comment.id}/likes",
    ):
        (await eve.ask("GET", path)).refused(404, "not_found")
    (await eve.ask("PUT", f"/v1/comments/{comment.id}/like")).refused(404, "not_found")
    body = {"text": "x", "parent_id": comment.id}
    (await eve.ask("POST", f"/v1/posts/{post.id}/comments", body)).refused(404, "not_found")
    assert texts(await bob.replies(comment)) == ["ada's"]
    await ada.block(bob)
    for method, path in (
        ("GET", f"/v1/comments/{comment.id}"),
        ("POST", f"/v1/posts/{post.id}/comments"),
        ("GET", f"/v1/posts/{post.id}/likes"),
    ):
        answer = await bob.ask(method, path, {"text": "x"} if method == "POST" else None)
        answer.refused(404, "not_found")


async def test_people_named_in_a_comment_are_found_again_when_it_is_edited(ada: Person, bob: Person) -> None:
    comment = await bob.comment(await ada.publish("hello"), f"so says @{ada}, not @nobody_here")
    assert [(each.key, each.user_id) for each in comment.entities] == [(ada.username, ada.id)]
    edited = (await bob.ask("PATCH", f"/v1/comments/{comment.id}", {"text": "#so"})).ok(Comment)
    assert [(each.kind, each.key) for each in edited.entities] == [("hashtag", "so")]


@pytest.mark.parametrize("text", ["a" * 50_000 + "!", "@a " * 2_000, "\x00", "", None, 7, {"$ne": ""}])
async def test_a_comment_is_not_edited_to_nonsense(ada: Person, text: object) -> None:
    comment = await ada.comment(await ada.publish("hello"), "first")
    answer = await ada.ask("PATCH", f"/v1/comments/{comment.id}", {"text": text})
    assert list(answer.wrong_fields()) == ["/text"]
    assert await ada.read_comment(comment) == comment
