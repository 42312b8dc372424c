"""Lists in pages: items stay in their place while others write."""

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Door, Person, texts
from support.site import Site

from social.contracts.codec import decode, encode

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")

PATHS = ["/v1/users/{ada}/posts", "/v1/feed", "/v1/posts/{post}/comments"]

Write = Callable[[str], Awaitable[Any]]


class List:
    """A list of texts that somebody writes to and reads in pages."""

    def __init__(self, ada: Person, path: str, write: Write) -> None:
        self.ada, self.path, self.write = ada, path, write

    async def page(self, query: str = "") -> Any:
        answer = await self.ada.ask("GET", self.path + query)
        assert answer.status == 200, answer
        return answer.body


@pytest_asyncio.fixture(loop_scope="module", params=PATHS, ids=["posts", "feed", "comments"])
async def listing(request: pytest.FixtureRequest, ada: Person) -> AsyncIterator[List]:
    if "{post}" in request.param:
        post = await ada.publish("hello")
        yield List(ada, request.param.format(post=post.id), lambda text: ada.comment(post, text))
    else:
        yield List(ada, request.param.format(ada=ada), ada.publish)


def said(page: Any) -> list[str]:
    return [each["text"] for each in page["items"]]


async def test_an_empty_list_has_no_neighbours(listing: List) -> None:
    assert await listing.page() == {"items": [], "next": None, "prev": None}


async def test_pages_follow_each_other_to_the_end_and_back_while_others_write(listing: List) -> None:
    for n in range(7):
        await listing.write(str(n))
    first = await listing.page("?limit=3")
    assert said(first) == ["6", "5", "4"]
    await listing.write("new")
    second = await listing.page(f"?limit=3&cursor={first['next']}")
    assert said(second) == ["3", "2", "1"]
    third = await listing.page(f"?limit=3&cursor={second['next']}")
    assert (said(third), third["next"]) == (["0"], None)
    back = await listing.page(f"?limit=3&cursor={third['prev']}")
    assert said(back) == ["3", "2", "1"]
    again = await listing.page(f"?limit=3&cursor={back['prev']}")
    assert said(again) == ["6", "5", "4"]
    newer = await listing.page(f"?limit=3&cursor={again['prev']}")
    assert said(newer) == ["new"]
    assert said(await listing.page(f"?limit=3&cursor={newer['next']}")) == ["6", "5", "4"]


async def test_the_way_to_newer_things_can_be_asked_again_and_again(listing: List) -> None:
    await listing.write("old")
    here = (await listing.page())["prev"]
    nothing = await listing.page(f"?cursor={here}")
    assert (said(nothing), nothing["prev"]) == ([], here)
    await listing.write("new")
    assert said(await listing.page(f"?cursor={nothing['prev']}")) == ["new"]


async def test_a_last_page_that_is_just_full_is_the_last(listing: List) -> None:
    for n in range(4):
        await listing.write(str(n))
    first = await listing.page("?limit=2")
    second = await listing.page(f"?limit=2&cursor={first['next']}")
    assert (said(second), second["next"]) == (["1", "0"], None)


async def test_links_say_the_same_as_cursors(door: Door, listing: List) -> None:
    for n in range(3):
        await listing.write(str(n))
    answer = await listing.ada.ask("GET", f"{listing.path}?limit=2")
    links = {rel: path for path, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["Link"])}
    assert set(links) == {"next", "prev"}
    following = await listing.ada.ask("GET", links["next"])
    assert said(following.body) == ["0"]


async def test_links_are_ascii_whatever_is_in_the_path_and_the_query(ada: Person) -> None:
    for n in range(2):
        await ada.publish(f"{n} #größe")
    for path in ("/v1/hashtags/größe/posts?limit=1", "/v1/search?limit=1&q=%23größe"):
        answer = await ada.ask("GET", path)
        assert answer.headers["Link"].isascii()
        links = {rel: to for to, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["Link"])}
        assert said((await ada.ask("GET", links["next"])).body) == ["0 #größe"]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.5", "1&limit=2", "9" * 30, "true"])
async def test_a_limit_is_a_number_from_1_to_100(ada: Person, limit: str) -> None:
    for path in ("/v1/feed", f"/v1/users/{ada}/posts", "/v1/notifications"):
        assert list((await ada.ask("GET", f"{path}?limit={limit}")).wrong_fields()) == ["?limit"]


async def test_a_parameter_that_means_nothing_is_refused(ada: Person) -> None:
    wrong = (await ada.ask("GET", "/v1/feed?offset=3&limit=0&page=2")).wrong_fields()
    assert wrong == {"?offset": "extra_forbidden", "?limit": "greater_than_equal", "?page": "extra_forbidden"}
    assert (await ada.ask("GET", "/v1/users/me?x=1")).wrong_fields() == {"?x": "extra_forbidden"}
    assert (await ada.ask("POST", "/v1/posts?x=1", {"text": "x"})).wrong_fields() == {"?x": "extra_forbidden"}


async def test_a_cursor_of_another_list_is_refused(ada: Person) -> None:
    post = await ada.publish("hello")
    await ada.comment(post, "hi")
    comments = f"/v1/posts/{post.id}/comments"
    cursors = {
        path: (await ada.ask("GET", path)).body["prev"] for path in ("/v1/feed", f"/v1/users/{ada}/posts", comments)
    }
    for path in (*cursors, "/v1/notifications"):
        for of, cursor in cursors.items():
            answer = await ada.ask("GET", f"{path}?cursor={cursor}")
            if of == path:
                assert answer.status == 200
            else:
                assert answer.wrong_fields() == {"?cursor": "cursor"}


def cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(encode(parts)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "x",
        "%00",
        "é",
        "\U0001f600",
        "====",
        "bnVsbA",
        cursor(),
        cursor("feed"),
        cursor("feed", 1),
        cursor("feed", 2, "0" * 24),
        cursor("feed", 1, "0" * 24, "more"),
        cursor("feed", 1, {"$ne": None}),
        cursor("feed", 1, {}),
        cursor("feed", 1, {"ms": 1}),
        cursor("feed", 1, {"ms": None}),
        cursor("feed", 1, {"ms": 10**18}),
        cursor("feed", 1, {"ms": []}),
        cursor("feed", 1, None),
        cursor("feed", 1, 7),
        cursor("feed", 1, ["x"]),
        cursor("feed", 1, "a\x00b"),
        cursor("feed", [1], "0" * 24),
        cursor({"$gt": ""}, 1, "0" * 24),
    ],
)
async def test_a_cursor_that_is_none_is_refused(ada: Person, forged: str) -> None:
    assert (await ada.ask("GET", f"/v1/feed?cursor={quote(forged, safe='%')}")).wrong_fields() == {"?cursor": "cursor"}


@pytest.mark.parametrize(
    "forged",
    [
        cursor("notifications", 1, "0" * 24, "0" * 24),
        cursor("notifications", 1, {"ms": 1}, {"ms": 1}),
        cursor("notifications", 1, {"ms": 10**17}, "0" * 24),
        cursor("notifications", 0, {"$gt": 0}, "0" * 24),
    ],
)
async def test_a_cursor_with_the_wrong_kinds_of_key_is_refused(ada: Person, forged: str) -> None:
    assert (await ada.ask("GET", f"/v1/notifications?cursor={forged}")).wrong_fields() == {"?cursor": "cursor"}


async def test_an_empty_cursor_is_none_on_every_list(listing: List) -> None:
    assert (await listing.ada.ask("GET", listing.path + "?cursor=")).wrong_fields() == {"?cursor": "cursor"}


async def test_a_cursor_is_not_longer_than_it_needs_to_be(ada: Person) -> None:
    assert (await ada.ask("GET", "/v1/feed?cursor=" + "x" * 513)).wrong_fields() == {"?cursor": "string_too_long"}
    await ada.publish("hello")
    assert len(decode(encode((await ada.feed()).prev))) < 100


async def test_a_timeline_refills_what_was_deleted_and_repeats_nothing(site: Site, ada: Person, bob: Person) -> None:
    """Entries of deleted posts stay a moment, until the workers take them out: here for good."""
    posts = [await ada.publish(str(n)) for n in range(12)]
    for post in posts[3:9]:
        await site.plaza.mongo.delete("posts", {"_id": post.id})
    first = await ada.feed("?limit=4")
    assert texts(first) == ["11", "10", "9", "2"]
    second = await ada.feed(f"?limit=4&cursor={first.next}")
    assert (texts(second), second.next) == (["1", "0"], None)
    back = await ada.feed(f"?limit=4&cursor={second.prev}")
    assert not set(texts(back)) & set(texts(second))
    seen, at = [], back
    while at.items or at.prev != back.prev:
        seen = texts(at) + seen
        back, at = at, await ada.feed(f"?limit=4&cursor={at.prev}")
        if at.prev == back.prev:
            break
    assert seen == ["11", "10", "9", "2"]
