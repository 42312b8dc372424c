"""Entities of a post's text: mentioned people and hashtags."""

from urllib.parse import quote

import pytest
from support.eventually import eventually
from support.people import Door, Person, texts
from support.site import Site

from social.accounts import lifecycle
from social.contracts.posts import Post, Posts


async def tagged(person: Person, tag: str, query: str = "") -> Posts:
    return (await person.ask("GET", f"/v1/hashtags/{tag}/posts{query}")).ok(Posts)


def links(post: Post) -> list[tuple[str, str, str | None]]:
    return [(post.text[each.start : each.end], each.key, each.user_id) for each in post.entities]


async def test_mentions_lead_to_people_and_hashtags_to_posts(ada: Person, bob: Person) -> None:
    post = await ada.publish("\U0001f600 @Bob, @nobody_here and myself @ada: #Plaza")
    found = [("@Bob", "bob", bob.id), ("@ada", "ada", ada.id), ("#Plaza", "plaza", None)]
    assert links(post) == links(await bob.see(post)) == found


async def test_mentions_between_letters_of_scripts_without_spaces_notify(ada: Person, bob: Person) -> None:
    post = await ada.publish("❤\ufe0f@bobさん、https://例え.jp/@eve#タグ を見て。#نرم\u200cافزار")
    assert links(post) == [("@bob", "bob", bob.id), ("#نرم\u200cافزار", "نرمافزار", None)]

    async def notified() -> None:
        assert [each.type for each in await bob.notifications()] == ["mention"]

    await eventually(notified)
    for tag in ("نرم\u200cافزار", "نرمافزار"):
        assert texts(await tagged(bob, quote(tag))) == [post.text]


async def test_who_is_not_there_for_the_writer_is_only_text(
    door: Door, ada: Person, bob: Person, eve: Person, site: Site
) -> None:
    gone = await door.register("gone")
    await gone.ask("DELETE", "/v1/users/me", {"password": gone.password})
    await lifecycle.suspend(site.plaza.mongo, "eve", None)
    await bob.block(ada)
    assert links(await ada.publish("@gone @eve @bob")) == []
    await bob.unblock(ada)
    await ada.block(bob)
    assert links(await ada.publish("@bob")) == []


async def test_a_thousand_mentions_name_fifty_people(door: Door, ada: Person) -> None:
    people = [await door.register(f"p{n:02}") for n in range(53)]
    text = " ".join(f"@{each.username}" for each in people) + " @p00" * 300
    post = await ada.publish(text)
    assert {each.user_id for each in post.entities} == {each.id for each in people[:50]}
    assert len(post.entities) == 350


@pytest.mark.parametrize(
    "text", ["@" * 2000, "#" * 2000, "@a" * 1000, "#\u0301" * 1000, "@ada" * 500, "a" * 1999 + "!"]
)
async def test_hostile_texts_are_only_text(ada: Person, text: str) -> None:
    assert (await ada.publish(text)).entities == []


async def test_50_kb_are_refused_before_anybody_reads_them(ada: Person) -> None:
    answer = await ada.ask("POST", "/v1/posts", {"text": "a" * 50_000 + "!"})
    assert answer.wrong_fields() == {"/text": "string_too_long"}


async def test_a_hashtag_lists_its_posts_whatever_its_case_newest_first(ada: Person, bob: Person) -> None:
    for person, text in (
        (ada, "#Plaza one"),
        (bob, "two #ＰＬＡＺＡ #plaza"),
        (ada, "plaza"),
        (ada, "three #pla #PLAZA"),
    ):
        await person.publish(text)
    for tag in ("plaza", "PLAZA", "%EF%BD%90laza"):
        assert texts(await tagged(bob, tag)) == ["three #pla #PLAZA", "two #ＰＬＡＺＡ #plaza", "#Plaza one"]
    assert texts(await tagged(bob, "pla")) == ["three #pla #PLAZA"]
    assert texts(await tagged(bob, "unheard")) == []


@pytest.mark.parametrize("tag", ["1", "a-b", "%23a", "$ne", "%00", "a%20b", "a" * 51, "%E2%80%AE"])
async def test_what_cannot_be_a_hashtag_is_not_found(ada: Person, tag: str) -> None:
    (await ada.ask("GET", f"/v1/hashtags/{tag}/posts")).refused(404, "not_found")


async def test_an_edit_moves_a_post_to_its_new_hashtags(ada: Person) -> None:
    post = await ada.publish("#one")
    await ada.ask("PATCH", f"/v1/posts/{post.id}", {"text": "#two"})
    assert (texts(await tagged(ada, "one")), texts(await tagged(ada, "two"))) == ([], ["#two"])
    await ada.delete(post)
    assert texts(await tagged(ada, "two")) == []


async def test_a_hashtag_shows_nothing_of_people_whom_one_does_not_hear(
    door: Door, ada: Person, bob: Person, eve: Person
) -> None:
    zoe = await door.register("zoe")
    for n in range(3):
        for person in (ada, bob, eve, zoe):
            await person.publish(f"{person.username} {n} #t")
    await zoe.ask("POST", "/v1/posts", {"text": "zoe secret #t", "visibility": "followers"})
    await bob.block(ada)
    await ada.mute(eve)
    assert texts(await tagged(ada, "t", "?limit=4")) == ["zoe 2 #t", "ada 2 #t", "zoe 1 #t", "ada 1 #t"]
    await zoe.edit(private=True)
    first = await tagged(ada, "t", "?limit=2")
    assert texts(first) == ["ada 2 #t", "ada 1 #t"]
    assert texts(await tagged(ada, "t", f"?limit=2&cursor={first.next}")) == ["ada 0 #t"]


async def test_a_cursor_of_another_hashtag_is_refused(ada: Person) -> None:
    for n in range(2):
        await ada.publish(f"{n} #t")
    cursor = (await tagged(ada, "t", "?limit=1")).next
    for path in (f"/v1/hashtags/u/posts?cursor={cursor}", f"/v1/users/ada/posts?cursor={cursor}"):
        assert (await ada.ask("GET", path)).wrong_fields() == {"?cursor": "cursor"}
