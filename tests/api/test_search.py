"""Finding people by the beginning of a name."""

import asyncio
from collections.abc import Iterable

import pytest
from support.eventually import eventually
from support.people import Door, Person
from support.site import Site

from social.contracts.people import People
from social.infra.store.loaders import Loader
from social.infra.store.mongo import Mongo


def names(page: People) -> list[str]:
    return [each.username for each in page.items]


async def named(door: Door, username: str, display_name: str) -> Person:
    person = await door.register(username)
    await person.edit(display_name=display_name)
    return person


async def test_people_are_found_by_the_beginning_of_any_of_their_names(door: Door, ada: Person) -> None:
    await named(door, "countess", "Ada King-Lovelace")
    await door.register("adam")
    assert names(await ada.search("ad")) == ["ada", "countess", "adam"]
    assert names(await ada.search("love")) == ["countess"]
    assert names(await ada.search("king")) == ["countess"]
    assert names(await ada.search("ovelace")) == []


async def test_an_exact_username_comes_before_other_people_with_that_name(door: Door) -> None:
    await named(door, "aaa", "Zed Zed")
    zed = await door.register("zed")
    assert names(await zed.search("zed")) == ["zed", "aaa"]
    assert names(await zed.search("ZED", limit=1)) == ["zed"]


async def test_case_accents_and_widths_do_not_matter(door: Door, ada: Person) -> None:
    await named(door, "strauss", "Ｊosé Strauß Ågren")
    for text in ("jose", "JOSÉ", "jose\u0301", "strauss", "STRAUß", "agren", "ｊｏｓｅ"):
        assert names(await ada.search(text)) == ["strauss"], text


async def test_every_word_asked_for_begins_one_of_theirs(door: Door, ada: Person) -> None:
    await named(door, "grace", "Grace Brewster Hopper")
    await named(door, "gracie", "Grace Kelly")
    assert names(await ada.search("hop gra")) == ["grace"]
    assert names(await ada.search("grace k")) == ["gracie"]
    assert names(await ada.search("grace x")) == []


async def test_who_renames_is_found_by_the_new_name_only(door: Door, ada: Person, bob: Person) -> None:
    await bob.edit(display_name="Robert Tables")
    assert names(await ada.search("tables")) == ["bob"]
    await bob.edit(display_name="Robert Chairs")
    assert names(await ada.search("tables")) == []
    assert names(await ada.search("robert")) == names(await ada.search("bob")) == ["bob"]


async def test_pages_follow_each_other_both_ways_without_a_hole_or_a_double(door: Door, ada: Person) -> None:
    people = [await named(door, f"pat{n}", f"Patricia Pater Pat {n}") for n in range(7)]
    await door.register("pat")
    there, cursor, first = [], None, await ada.search("pat", limit=3)
    page = first
    while True:
        there.append(names(page))
        if page.next is None:
            break
        cursor = page.next
        page = await ada.search("pat", limit=3, cursor=cursor)
    assert there[0][0] == "pat"
    flat = [name for each in there for name in each]
    assert sorted(flat) == sorted(["pat", *(each.username for each in people)])
    assert first.prev is None
    back = []
    while page.prev is not None:
        page = await ada.search("pat", limit=3, cursor=page.prev)
        back.append(names(page))
    assert [name for each in reversed(back) for name in each] == flat[: len(flat) - len(there[-1])]


async def test_a_page_stays_where_it_is_while_others_sign_up(door: Door, ada: Person) -> None:
    for n in (2, 4, 6, 8):
        await door.register(f"sam{n}")
    first = await ada.search("sam", limit=2)
    await asyncio.gather(*(door.register(f"sam{n}") for n in (1, 3, 5)))
    assert names(first) == ["sam2", "sam4"]
    second = await ada.search("sam", limit=10, cursor=first.next)
    assert names(second) == ["sam5", "sam6", "sam8"]


@pytest.mark.parametrize(
    "text", [".*", "^d", "$where", "a.*b", "\\", "(", "[a-z]", '{"$gt":""}', "\u0000", "%", " ", "🙂"]
)
async def test_what_looks_like_an_expression_is_only_text(ada: Person, text: str) -> None:
    found = await ada.search(text)
    assert (names(found), found.next, found.prev) == ([], None, None)


async def test_a_search_without_words_or_with_too_many_letters_is_refused(ada: Person) -> None:
    assert (await ada.ask("GET", "/v1/users")).wrong_fields() == {"?q": "missing"}
    assert (await ada.ask("GET", "/v1/users?q=")).wrong_fields() == {"?q": "string_too_short"}
    assert (await ada.ask("GET", f"/v1/users?q={'a' * 101}")).wrong_fields() == {"?q": "string_too_long"}
    assert (await ada.ask("GET", "/v1/users?q=a&limit=101")).wrong_fields() == {"?limit": "less_than_equal"}


async def test_a_cursor_of_another_search_is_refused(door: Door, ada: Person) -> None:
    for n in range(3):
        await door.register(f"kim{n}")
    cursor = (await ada.search("kim", limit=1)).next
    assert cursor is not None
    for query in (f"q=ada&cursor={cursor}", "q=kim&cursor=x", "q=kim&cursor=WzEsMiwzXQ"):
        assert (await ada.ask("GET", f"/v1/users?{query}")).wrong_fields() == {"?cursor": "cursor"}


async def test_a_search_reads_no_more_than_a_page_however_many_match(
    site: Site, door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(9):
        await door.register(f"lee{n}")

    async def quiet() -> None:
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(quiet)
    await site.tasks.cancel()  # workers and pollers read too
    read: list[int] = []
    many = Mongo.many

    async def counting(self: Mongo, collection: str, *args: object, **more: object) -> list[dict[str, object]]:
        found = await many(self, collection, *args, **more)  # type: ignore[arg-type]
        read.append(len(found))
        return found

    def by_id(self: Loader, ids: Iterable[str]) -> object:
        asked = list(ids)
        read.append(len(asked))
        return get_many(self, asked)

    get_many = Loader.get_many
    monkeypatch.setattr(Mongo, "many", counting)
    monkeypatch.setattr(Loader, "get_many", by_id)
    assert names(await ada.search("lee", limit=2)) == ["lee0", "lee1"]
    assert sorted(read) == [4, 4, 4]  # edges and people, by id, and names: also who says that there is more


async def test_who_is_blocked_is_found_by_neither(door: Door, ada: Person, bob: Person) -> None:
    for n in range(3):
        await door.register(f"bobby{n}")
    await ada.block(bob)
    assert names(await ada.search("bob", limit=2)) == ["bobby0", "bobby1"]
    assert names(await bob.search("ada")) == []
    await ada.unblock(bob)
    assert names(await ada.search("bob", limit=2)) == ["bob", "bobby0"]
