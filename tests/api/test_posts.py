"""Posts, as those who write and read them see them."""

import pytest
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Door, Person, texts

from social.contracts.posts import Post

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")


async def test_a_post_is_there_as_soon_as_it_was_answered(ada: Person, bob: Person) -> None:
    answer = await ada.ask("POST", "/v1/posts", {"text": "  hello, world  "})
    post = answer.ok(Post, 201)
    assert answer.headers["Location"] == f"/v1/posts/{post.id}"
    assert (post.text, post.author.username) == ("hello, world", "ada")
    assert (post.likes, post.comments, post.version, post.liked, post.edited_at) == (0, 0, 0, False, None)
    assert await bob.see(post) == post
    assert (await bob.ask("GET", answer.headers["Location"])).ok(Post) == post


@pytest.mark.parametrize(
    "text", ["x", "x" * 2000, "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \U0001f600 \u202e", "line\nbreak\ttab", '{"$ne": null}', "<script>"]
)
async def test_a_text_comes_back_as_it_was_written(ada: Person, text: str) -> None:
    post = await ada.publish(text)
    assert (await ada.see(post)).text == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "string_too_short"),
        ("   \n\t ", "string_too_short"),
        ("x" * 2001, "string_too_long"),
        ("a\x00b", "string_pattern_mismatch"),
        (7, "string_type"),
        (None, "string_type"),
        (["x"], "string_type"),
        (True, "string_type"),
    ],
)
async def test_a_text_that_is_none_is_refused(ada: Person, text: object, code: str) -> None:
    assert (await ada.ask("POST", "/v1/posts", {"text": text})).wrong_fields() == {"/text": code}
    assert (await ada.posts(ada)).items == []


async def test_only_its_author_can_delete_a_post(ada: Person, bob: Person) -> None:
    post = await ada.publish("mine")
    (await bob.ask("DELETE", f"/v1/posts/{post.id}")).refused(403, "forbidden")
    assert (await bob.see(post)).text == "mine"


async def test_a_deleted_post_is_gone_from_everywhere(ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    post = await ada.publish("hello")

    async def arrived() -> None:
        assert texts(await bob.feed()) == ["hello"]

    await eventually(arrived)
    await ada.delete(post)
    for person in (ada, bob):
        (await person.ask("GET", f"/v1/posts/{post.id}")).refused(404, "not_found")
        (await person.ask("GET", f"/v1/posts/{post.id}/comments")).refused(404, "not_found")
        (await person.ask("PUT", f"/v1/posts/{post.id}/like")).refused(404, "not_found")
        (await person.ask("DELETE", f"/v1/posts/{post.id}/like")).refused(404, "not_found")
        (await person.ask("POST", f"/v1/posts/{post.id}/comments", {"text": "x"})).refused(404, "not_found")
        (await person.ask("DELETE", f"/v1/posts/{post.id}")).refused(404, "not_found")
        assert texts(await person.posts(ada)) == []
        assert texts(await person.feed()) == []


async def test_a_persons_posts_come_newest_first(ada: Person, bob: Person) -> None:
    for text in ("one", "two", "three"):
        await ada.publish(text)
    await bob.publish("another's")
    assert texts(await bob.posts(ada)) == ["three", "two", "one"]


async def test_posts_are_counted_on_the_profile(ada: Person, bob: Person) -> None:
    first = await ada.publish("one")
    await ada.publish("two")
    await ada.delete(first)

    async def counted() -> None:
        assert (await bob.profile(ada)).posts == 1

    await eventually(counted)


@pytest.mark.parametrize(
    "id", ["0" * 24, "x", "0" * 23, "0" * 25, "F" * 24, "..", "%00", "$ne", "%7B%22$ne%22:null%7D"]
)
async def test_a_post_that_never_was_is_not_found(ada: Person, id: str) -> None:
    for method in ("GET", "DELETE"):
        (await ada.ask(method, f"/v1/posts/{id}")).refused(404, "not_found")


@pytest.mark.parametrize("name", ["nobody", "x", "a" * 31, "%00", "$ne", "me"])
async def test_the_posts_of_nobody_are_not_found(ada: Person, name: str) -> None:
    (await ada.ask("GET", f"/v1/users/{name}/posts")).refused(404, "not_found")


async def test_an_id_in_an_answer_is_found_under_any_case_of_a_username(door: Door, ada: Person) -> None:
    assert (await ada.ask("GET", f"/v1/users/{ada.username.upper()}")).body["id"] == ada.id
