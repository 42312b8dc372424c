"""Editing a post: by its author, under the revision they read, with the earlier text kept."""

import asyncio

import pytest
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Answer, Person
from support.pictures import picture, upload

from social.contracts.media import MediaRef
from social.contracts.posts import Post, Revisions
from social.posts import edits

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")


async def edit(person: Person, post: Post, text: str, tag: str | None = None) -> Answer:
    headers = {"If-Match": tag} if tag is not None else None
    return await person.ask("PATCH", f"/v1/posts/{post.id}", {"text": text}, headers=headers)


async def history(person: Person, post: Post, query: str = "") -> Revisions:
    return (await person.ask("GET", f"/v1/posts/{post.id}/history{query}")).ok(Revisions)


async def test_an_edited_post_says_so_and_keeps_what_it_said(ada: Person, bob: Person) -> None:
    post = await ada.publish("helo @bob #one")
    edited = (await edit(ada, post, "hello #two")).ok(Post)
    assert (edited.text, edited.rev, [each.key for each in edited.entities]) == ("hello #two", 1, ["two"])
    assert edited.edited_at is not None
    assert await bob.see(post) == edited
    (before,) = (await history(bob, post)).items
    assert (before.rev, before.text, before.written_at) == (0, "helo @bob #one", post.created_at)
    await edit(ada, post, "hello!")
    first, second = (await history(bob, post)).items
    assert (first.rev, first.text, first.written_at) == (1, "hello #two", edited.edited_at)
    assert second == before


async def test_the_same_text_is_no_edit(ada: Person) -> None:
    post = await ada.publish("hello")
    assert (await edit(ada, post, " hello ")).ok(Post) == post
    assert (await history(ada, post)).items == []


async def test_of_many_edits_of_the_same_state_one_is_done(ada: Person) -> None:
    post = await ada.publish("hello")
    tag = (await ada.ask("GET", f"/v1/posts/{post.id}")).headers["ETag"]
    answers = await asyncio.gather(*(edit(ada, post, f"edit {n}", tag) for n in range(6)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 5
    (done,) = (answer.ok(Post) for answer in answers if answer.status == 200)
    assert await ada.see(post) == done
    assert len((await history(ada, post)).items) == 1


async def test_edits_at_once_without_a_condition_all_stay_in_the_history(ada: Person) -> None:
    post = await ada.publish("hello")
    await asyncio.gather(*(edit(ada, post, f"edit {n}") for n in range(5)))
    now, before = await ada.see(post), (await history(ada, post)).items
    assert (now.rev, [each.rev for each in before]) == (5, [4, 3, 2, 1, 0])
    assert {now.text, *(each.text for each in before)} == {"hello", *(f"edit {n}" for n in range(5))}


async def test_a_like_that_arrives_meanwhile_does_not_stop_an_edit(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    tag = (await ada.ask("GET", f"/v1/posts/{post.id}")).headers["ETag"]
    await bob.like(post)
    assert (await edit(ada, post, "hello!", tag)).ok(Post).text == "hello!"
    (await edit(ada, post, "hello?", tag)).refused(412, "precondition_failed")


async def test_only_its_author_edits_a_post(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    (await edit(bob, post, "mine")).refused(403, "forbidden")
    assert await bob.see(post) == post


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": None}, {"text": "x" * 2001}, {"text": "a\x00"}, {"rev": 1}]
)
async def test_an_edit_to_no_text_is_refused(ada: Person, body: dict[str, object]) -> None:
    post = await ada.publish("hello")
    (await ada.ask("PATCH", f"/v1/posts/{post.id}", body)).refused(422, "validation_failed")
    assert await ada.see(post) == post


async def test_a_post_with_a_picture_may_come_to_say_nothing(ada: Person) -> None:
    ref = (await upload(ada, picture())).ok(MediaRef, 201)
    post = (await ada.ask("POST", "/v1/posts", {"text": "look", "media": [ref.id]})).ok(Post, 201)
    edited = (await edit(ada, post, " \n ")).ok(Post)
    assert (edited.text, [each.id for each in edited.media]) == ("", [ref.id])
    assert [each.text for each in (await history(ada, post)).items] == ["look"]


async def test_a_deleted_post_has_no_history_and_is_not_edited(ada: Person) -> None:
    post = await ada.publish("hello")
    await edit(ada, post, "hello!")
    await ada.delete(post)
    (await edit(ada, post, "again")).refused(404, "not_found")
    (await ada.ask("GET", f"/v1/posts/{post.id}/history")).refused(404, "not_found")


async def test_history_is_bounded_and_comes_in_pages(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "MOST_REVISIONS", 5)
    post = await ada.publish("text 0")
    for n in range(1, 9):
        (await edit(ada, post, f"text {n}")).ok(Post)
    texts, page = [], await history(ada, post, "?limit=2")
    while True:
        texts += [each.text for each in page.items]
        if page.next is None:
            break
        page = await history(ada, post, f"?limit=2&cursor={page.next}")
    assert texts == [f"text {n}" for n in (7, 6, 5, 4, 3)]
    cursor = (await history(ada, post, "?limit=1")).next
    wrong = await ada.ask("GET", f"/v1/feed?cursor={cursor}")
    assert wrong.wrong_fields() == {"?cursor": "cursor"}
