"""Profiles: the fields people edit, and the places where others see them."""

import asyncio
from typing import Any

import pytest
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Door, Person, texts

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")

ALL: dict[str, Any] = {
    "display_name": "Ada Lovelace 👩‍💻",
    "bio": "Notes on the engine.\n\nیعنی می‌خواهم",
    "avatar_url": "https://example.org/ada.png?size=200",
    "links": [{"title": "Notes", "url": "https://example.org/notes#g"}],
    "private": True,
}


async def test_a_new_profile_says_the_username_and_nothing_else(ada: Person) -> None:
    me = await ada.me()
    assert (me.display_name, me.bio, me.avatar_url, me.links, me.private) == (
        ada.username,
        None,
        None,
        [],
        False,
    )


async def test_what_is_edited_is_what_everybody_sees(ada: Person, bob: Person) -> None:
    me = await ada.edit(**ALL)
    assert me.model_dump(include=set(ALL)) == ALL
    assert me == await ada.me()
    assert me.rev == 1
    seen = await bob.profile(ada)
    assert seen.model_dump(include=set(ALL)) == ALL


async def test_what_an_edit_does_not_name_stays_and_null_clears(ada: Person) -> None:
    await ada.edit(**ALL)
    me = await ada.edit(bio="another")
    assert me.model_dump(include=set(ALL)) == ALL | {"bio": "another"}
    assert await ada.edit() == me.model_copy(update={"rev": 3})
    me = await ada.edit(**dict.fromkeys(ALL))
    assert (me.display_name, me.bio, me.avatar_url, me.links, me.private) == (
        ada.username,
        None,
        None,
        [],
        False,
    )


async def test_a_merge_patch_is_taken_under_its_own_content_type(ada: Person) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = await ada.ask("PATCH", "/v1/users/me", {"bio": "hello"}, headers=headers)
    assert answer.body["bio"] == "hello"


async def test_people_are_named_everywhere_as_they_are_now(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    await ada.comment(post, "first")
    await bob.follow(ada)
    await ada.edit(display_name="Lady Lovelace", avatar_url="https://example.org/a.png")
    (comment,) = (await bob.comments(post)).items
    for author in ((await bob.see(post)).author, comment.author, (await bob.posts(ada)).items[0].author):
        assert (author.display_name, author.avatar_url) == ("Lady Lovelace", "https://example.org/a.png")


@pytest.mark.parametrize("field", ["id", "username", "email", "password", "followers", "rev", "version", "words"])
async def test_what_is_not_ones_own_to_say_is_refused(ada: Person, field: str) -> None:
    answer = await ada.ask("PATCH", "/v1/users/me", {field: "x"})
    assert answer.wrong_fields() == {f"/{field}": "extra_forbidden"}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 51,
        "two\nlines",
        "nul\x00",
        "bell\x07",
        "\u202e",
        "zero\u200bwidth",
        "\u200c",
        "join\u200der",
        "\ufeff",
        "soft\u00adhyphen",
        "\u3164",
        "\u2800",
        "\U000e0041",
        "\ue000",
        "z" + "\u0301" * 5,
        "\u0301",
        "❤\ufe0f\u200d",
        "x" * 100_000,
    ],
    ids=ascii,
)
async def test_a_name_that_cannot_be_read_or_misleads_is_refused(ada: Person, name: str) -> None:
    assert list((await ada.ask("PATCH", "/v1/users/me", {"display_name": name})).wrong_fields()) == ["/display_name"]
    link = {"title": name, "url": "https://example.org"}
    assert list((await ada.ask("PATCH", "/v1/users/me", {"links": [link]})).wrong_fields()) == ["/links/0/title"]


@pytest.mark.parametrize("name", ["Zoë", "Đặng Thị", "علی", "日本", "🏳️‍🌈", "👩🏽‍🚀", "1️⃣", "J. R. R. O'Neil-Smith"])
async def test_names_of_all_kinds_are_taken_as_they_are(ada: Person, name: str) -> None:
    assert (await ada.edit(display_name=f"  {name} ")).display_name == name


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "javascript:alert(1)",
        "https://",
        "https://user:password@example.org/",
        "https://exa mple.org",
        "https://example.org/<script>",
        "https://еxample.org",
        "https://example.org/" + "x" * 500,
        "//example.org",
        "data:image/png;base64,AA==",
    ],
)
async def test_a_link_leads_to_a_plain_https_address(ada: Person, url: str) -> None:
    assert list((await ada.ask("PATCH", "/v1/users/me", {"avatar_url": url})).wrong_fields()) == ["/avatar_url"]
    links = [{"title": "x", "url": url}]
    assert list((await ada.ask("PATCH", "/v1/users/me", {"links": links})).wrong_fields()) == ["/links/0/url"]


async def test_more_links_or_words_than_there_is_room_for_are_refused(ada: Person) -> None:
    links = [{"title": "x", "url": "https://example.org"}] * 6
    answer = await ada.ask("PATCH", "/v1/users/me", {"links": links, "bio": "x" * 501})
    assert answer.wrong_fields() == {"/links": "too_long", "/bio": "string_too_long"}
    answer = await ada.ask("PATCH", "/v1/users/me", {"links": [{**links[0], "rel": "me"}], "bio": "a\x07b"})
    assert answer.wrong_fields() == {"/links/0/rel": "extra_forbidden", "/bio": "string_pattern_mismatch"}


async def test_two_edits_at_once_both_count(door: Door, ada: Person) -> None:
    await asyncio.gather(*(ada.edit(bio=f"{n}") for n in range(5)), *(ada.edit(display_name=f"A{n}") for n in range(5)))
    me = await ada.me()
    assert me.rev == 10
    found = await ada.search(me.display_name)
    assert [each.id for each in found.items] == [ada.id]
    for n in range(5):
        if me.display_name != f"A{n}":
            assert (await ada.search(f"A{n}")).items == []
    assert texts(await ada.feed()) == []


async def test_an_edit_meant_for_an_older_profile_is_refused(ada: Person) -> None:
    read = (await ada.ask("GET", "/v1/users/me")).headers["ETag"]
    edited = await ada.ask("PATCH", "/v1/users/me", {"bio": "one"}, headers={"If-Match": read})
    assert edited.status == 200
    late = await ada.ask("PATCH", "/v1/users/me", {"bio": "two"}, headers={"If-Match": read})
    late.refused(412, "precondition_failed")
    again = await ada.ask("PATCH", "/v1/users/me", {"bio": "two"}, headers={"If-Match": edited.headers["ETag"]})
    assert again.body["bio"] == "two"
