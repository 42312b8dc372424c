"""Finding posts by their words and hashtags."""

from urllib.parse import urlencode

import pytest
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Door, Person, texts

from social.contracts.posts import Found
from social.infra.store.mongo import Mongo, Where

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob, eve = new_person("ada"), new_person("bob"), new_person("eve")


async def search(person: Person, text: str, **more: object) -> Found:
    return (await person.ask("GET", f"/v1/search?{urlencode({'q': text, **more})}")).ok(Found)


async def found(person: Person, text: str) -> list[str]:
    return [each.text for each in (await search(person, text)).items]


async def test_posts_are_found_by_all_the_words_asked_for_newest_first(ada: Person, bob: Person) -> None:
    for text in ("the quick brown fox", "the lazy dog", "a quick, quick dog!"):
        await ada.publish(text)
    assert await found(bob, "quick") == ["a quick, quick dog!", "the quick brown fox"]
    assert await found(bob, "dog quick") == ["a quick, quick dog!"]
    assert await found(bob, "DOG the") == ["the lazy dog"]
    assert await found(bob, "qui") == []
    assert await found(bob, "quick cat") == []


async def test_case_accents_and_widths_do_not_matter(ada: Person) -> None:
    await ada.publish("Ｃafé in der Straße, ﬁne")
    for text in ("cafe", "CAFÉ", "cafe\u0301", "strasse", "ｃafé fine"):
        assert len(await found(ada, text)) == 1, text


async def test_marks_that_make_another_word_matter_and_letters_one_has_no_key_for_do_not(ada: Person) -> None:
    for text in ("パパ", "मादा", "Łódź", "ไม่ดีมาก", "서울에서"):
        await ada.publish(text)
    for query in ("ハハ", "मोदी", "ไม"):
        assert await found(ada, query) == [], query
    for query, text in (("lodz", "Łódź"), ("ดี", "ไม่ดีมาก"), ("서울", "서울에서"), ("ﾊﾟﾊﾟ", "パパ")):
        assert await found(ada, query) == [text], query


async def test_what_is_written_without_spaces_is_found_by_any_part_of_two_characters(ada: Person) -> None:
    await ada.publish("今日は東京タワーに行きました。Plazaでね")
    for text in ("東京", "東京タワー", "タワー", "plaza", "に行き plaza"):
        assert len(await found(ada, text)) == 1, text
    assert await found(ada, "京東") == []


async def test_a_post_is_found_by_its_first_words(ada: Person) -> None:
    await ada.publish(" ".join(f"w{n}" for n in range(400)))
    assert [len(await found(ada, f"w{n}")) for n in (0, 99, 100)] == [1, 1, 0]
    await ada.publish("\ufdfa" * 2_000)  # one character that stands for four words
    assert len(await found(ada, "\ufdfa")) == 1


async def test_a_hashtag_finds_hashtags_and_a_word_both(ada: Person) -> None:
    for text in ("#Agora opens", "the agora closes", "#agora closes"):
        await ada.publish(text)
    assert await found(ada, "#agora") == ["#agora closes", "#Agora opens"]
    assert await found(ada, "#AGORA closes") == ["#agora closes"]
    assert await found(ada, "agora") == ["#agora closes", "the agora closes", "#Agora opens"]


async def test_an_edited_post_is_found_by_what_it_says_now_and_a_deleted_one_no_more(ada: Person) -> None:
    post = await ada.publish("before")
    await ada.ask("PATCH", f"/v1/posts/{post.id}", {"text": "after"})
    assert (await found(ada, "before"), await found(ada, "after")) == ([], ["after"])
    await ada.delete(post)
    assert await found(ada, "after") == []


async def test_people_come_with_the_first_page(door: Door, ada: Person, bob: Person) -> None:
    for n in range(3):
        await ada.publish(f"@{bob} said {n}")
    first = await search(ada, bob.username, limit=2)
    names = [each.username for each in first.people]
    assert (texts_of(first), names) == ([f"@{bob} said 2", f"@{bob} said 1"], [bob.username])
    second = await search(ada, bob.username, limit=2, cursor=first.next)
    assert (texts_of(second), second.people) == ([f"@{bob} said 0"], [])
    await bob.block(ada)
    assert (await search(ada, bob.username)).people == []


def texts_of(page: Found) -> list[str]:
    return [each.text for each in page.items]


async def test_what_is_not_for_the_viewer_is_left_out_and_the_page_refilled(
    door: Door, ada: Person, bob: Person, eve: Person
) -> None:
    zoe, mia = await door.register("zoe"), await door.register("mia")
    for n in range(3):
        for person in (bob, eve, zoe, mia):
            await person.publish(f"{person.username} word {n}")
    await mia.ask("POST", "/v1/posts", {"text": "mia secret word", "visibility": "followers"})
    await bob.block(ada)
    await ada.mute(eve)
    await zoe.edit(private=True)
    first = await search(ada, "word", limit=2)
    assert texts_of(first) == ["mia word 2", "mia word 1"]
    assert texts_of(await search(ada, "word", limit=2, cursor=first.next)) == ["mia word 0"]
    await ada.follow(mia)
    assert await found(ada, "secret") == ["mia secret word"]


async def test_a_search_reads_no_more_than_a_page_however_many_match(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(9):
        await ada.publish(f"word {n}")
    read: list[int] = []
    many = Mongo.many

    async def counting(self: Mongo, collection: str, where: Where, **more: object) -> list[dict[str, object]]:
        rows = await many(self, collection, where, **more)  # type: ignore[arg-type]
        read.append(len(rows) if "words" in where else 0)
        return rows

    monkeypatch.setattr(Mongo, "many", counting)
    assert texts_of(await search(ada, "word", limit=2)) == ["word 8", "word 7"]
    assert sum(read) == 3


async def test_a_deep_scroll_finds_each_post_once(ada: Person) -> None:
    for n in range(25):
        await ada.publish(f"deep {n}")
    there, page = [], await search(ada, "deep", limit=3)
    while True:
        there += texts_of(page)
        if page.next is None:
            break
        page = await search(ada, "deep", limit=3, cursor=page.next)
    assert there == [f"deep {n}" for n in reversed(range(25))]


@pytest.mark.parametrize(
    "text", [".*", "^w", "$where", "\\", "(", "[a-z]", '{"$gt":""}', "\u0000", "%", " ", "\U0001f642", "#", "@#" * 50]
)
async def test_what_looks_like_an_expression_is_only_text(ada: Person, text: str) -> None:
    await ada.publish("word")
    page = await search(ada, text)
    assert (page.items, page.next, page.prev) == ([], None, None)


async def test_a_search_of_nothing_or_of_too_much_is_refused(ada: Person) -> None:
    assert (await ada.ask("GET", "/v1/search")).wrong_fields() == {"?q": "missing"}
    assert (await ada.ask("GET", "/v1/search?q=")).wrong_fields() == {"?q": "string_too_short"}
    assert (await ada.ask("GET", f"/v1/search?q={'a' * 101}")).wrong_fields() == {"?q": "string_too_long"}


async def test_a_cursor_of_another_search_is_refused(ada: Person) -> None:
    for n in range(2):
        await ada.publish(f"word #tag {n}")
    cursor = (await search(ada, "word", limit=1)).next
    assert texts(await ada.feed()) == ["word #tag 1", "word #tag 0"]
    for query in (f"q=other&cursor={cursor}", f"q=%23tag&cursor={cursor}", f"q=%20&cursor={cursor}", "q=word&cursor=x"):
        assert (await ada.ask("GET", f"/v1/search?{query}")).wrong_fields() == {"?cursor": "cursor"}
