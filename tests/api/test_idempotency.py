"""A retry under the same key gets the first answer and writes nothing."""

import asyncio

import pytest
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Person, texts

from social.contracts.comments import Comment
from social.contracts.posts import Post

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")


async def test_a_retry_gets_the_first_answer_and_writes_nothing(ada: Person) -> None:
    first = await ada.ask("POST", "/v1/posts", {"text": "hello"}, key="k1")
    again = await ada.ask("POST", "/v1/posts", {"text": "hello"}, key="k1")
    assert (again.status, again.raw) == (first.status, first.raw)
    assert again.headers["Location"] == first.headers["Location"]
    assert texts(await ada.posts(ada)) == ["hello"]


async def test_without_a_key_or_with_another_each_request_is_its_own(ada: Person) -> None:
    for key in (None, None, "k1", "k2"):
        await ada.publish("hello", key=key)
    assert len((await ada.posts(ada)).items) == 4


async def test_twins_at_the_same_time_are_one_write(ada: Person) -> None:
    posts = await asyncio.gather(*(ada.publish("hello", key="k1") for _ in range(10)))
    assert len({post.id for post in posts}) == 1
    assert texts(await ada.posts(ada)) == ["hello"]


async def test_a_key_used_for_another_text_is_refused(ada: Person) -> None:
    await ada.publish("hello", key="k1")
    (await ada.ask("POST", "/v1/posts", {"text": "hullo"}, key="k1")).refused(422, "idempotency_mismatch")
    assert texts(await ada.posts(ada)) == ["hello"]


async def test_twins_with_different_texts_are_one_write_and_refusals(ada: Person) -> None:
    answers = await asyncio.gather(*(ada.ask("POST", "/v1/posts", {"text": str(n)}, key="k1") for n in range(5)))
    assert sorted(answer.status for answer in answers) == [201, 422, 422, 422, 422]
    for answer in answers:
        if answer.status == 422:
            answer.refused(422, "idempotency_mismatch")
    assert len((await ada.posts(ada)).items) == 1


async def test_a_key_used_for_another_thing_is_refused(ada: Person, bob: Person) -> None:
    post, other = await ada.publish("hello", key="k1"), await ada.publish("other")
    comment = await ada.comment(post, "x", key="k2")
    for path, key in ((f"/v1/posts/{post.id}/comments", "k1"), ("/v1/posts", "k2")):
        (await ada.ask("POST", path, {"text": "x"}, key=key)).refused(422, "idempotency_mismatch")
    (await ada.ask("POST", f"/v1/posts/{other.id}/comments", {"text": "x"}, key="k2")).refused(
        422, "idempotency_mismatch"
    )
    assert (await ada.comments(post)).items == [comment]


async def test_what_means_the_same_is_the_same_request(ada: Person) -> None:
    first = await ada.publish("hello", key="k1")
    answer = await ada.ask(
        "POST", "/v1/posts", data=b'{ "text" : "\\u0068ello " }', headers={"Content-Type": "text/plain"}, key="k1"
    )
    assert answer.ok(Post, 201) == first


async def test_a_key_belongs_to_one_person(ada: Person, bob: Person) -> None:
    mine, theirs = await ada.publish("hello", key="k1"), await bob.publish("hello", key="k1")
    assert mine.id != theirs.id


async def test_a_retry_is_answered_although_the_post_is_gone_meanwhile(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello", key="k1")
    comment = await bob.comment(post, "nice", key="k2")
    await ada.delete(post)
    assert await ada.publish("hello", key="k1") == post
    answer = await bob.ask("POST", f"/v1/posts/{post.id}/comments", {"text": "nice"}, key="k2")
    assert answer.ok(Comment, 201) == comment
    assert texts(await ada.posts(ada)) == []
    (await bob.ask("POST", f"/v1/posts/{post.id}/comments", {"text": "other"}, key="k2")).refused(
        422, "idempotency_mismatch"
    )


async def test_a_refused_write_does_not_use_up_its_key(ada: Person) -> None:
    (await ada.ask("POST", f"/v1/posts/{'0' * 24}/comments", {"text": "x"}, key="k1")).refused(404, "not_found")
    assert (await ada.publish("hello", key="k1")).text == "hello"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "é", "\t"])
async def test_a_key_that_is_none_is_refused_beside_what_else_is_wrong(ada: Person, key: str) -> None:
    answer = await ada.ask("POST", "/v1/posts", {"text": ""}, key=key)
    assert set(answer.wrong_fields()) == {"Idempotency-Key", "/text"}


async def test_a_key_of_any_printable_signs_is_a_key(ada: Person) -> None:
    for key in ("$ne", "a.b:c", '{"$gt":""}', "x" * 128, "~!"):
        assert (await ada.publish("hello", key=key)) == (await ada.publish("hello", key=key))
