"""Texts of an older release are found by this release's words, once `migrate` has run, however often it runs."""

from argparse import Namespace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from support.people import Door, Person, texts
from support.site import Site

from social.commands import migrate
from social.contracts.people import People
from social.contracts.posts import Found, Posts
from social.infra import clock
from social.infra.store.mongo import Mongo
from social.ops.refolding import refold

OLD = {  # the words that the release before kept of a text
    "Łódź and #نرم\u200cافزار with @bob": {"words": ["łodz", "and", "نرم", "افزار", "with", "bob"], "tags": ["نرم"]},
    "मोदी": {"words": ["म", "द"], "tags": []},
    "서울에서": {"words": ["서울에서"], "tags": []},
}


async def found(person: Person, text: str) -> list[str]:
    page = (await person.ask("GET", f"/v1/search?{urlencode({'q': text})}")).ok(Found)
    return [each.text for each in page.items]


async def as_before(mongo: Mongo, writer: Person) -> None:
    for text, kept in OLD.items():
        post = await writer.publish(text)
        stored = await mongo.one("posts", {"_id": post.id})
        assert stored is not None
        mentions = [each for each in stored["entities"] if each["kind"] == "mention"]
        cut = [{"kind": "hashtag", "start": 9, "end": 13, "key": each} for each in kept["tags"]]
        change = {"$set": {**kept, "entities": [*cut, *mentions]}, "$unset": {"rules": 1}}
        assert await mongo.update("posts", {"_id": post.id}, change)
        assert await mongo.update("post_terms", {"_id": post.id}, {"$set": kept})


async def test_old_posts_are_found_by_todays_words_and_hashtags(
    site: Site, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.ops.refolding.BATCH", 1)
    monkeypatch.setattr("social.ops.refolding.ROWS", 2)
    mongo = site.plaza.mongo
    await as_before(mongo, ada)
    first, second, third = OLD
    assert await found(ada, "lodz") == await found(ada, "#نرم\u200cافزار") == await found(ada, "서울") == []
    for _ in range(2):
        await migrate(mongo, Namespace(wait=0, last=True))
        for query in ("lodz", "Łódź", "نرم\u200cافزار", "نرم افزار", "#نرمافزار", "bob"):
            assert await found(ada, query) == [first], query
        assert (await found(ada, "मोदी"), await found(ada, "मादा")) == ([second], [])
        assert await found(ada, "서울") == [third]
        tagged = (await ada.ask("GET", f"/v1/hashtags/{quote('نرمافزار')}/posts")).ok(Posts)
        assert texts(tagged) == [first]
        (post,) = tagged.items
        links = [(first[each.start : each.end], each.user_id) for each in post.entities]
        assert links == [("#نرم\u200cافزار", None), ("@bob", bob.id)]


async def test_a_second_run_begins_where_the_first_ended_and_takes_what_an_old_process_wrote_since(
    site: Site, ada: Person
) -> None:
    mongo = site.plaza.mongo
    await as_before(mongo, ada)
    await refold(mongo)
    await as_before(mongo, ada)
    assert len(await found(ada, "lodz")) == 1
    await refold(mongo)
    assert len(await found(ada, "lodz")) == 2


async def test_where_all_is_well_a_second_run_looks_only_at_the_last_minute(
    site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ada.publish("Łódź")
    mongo, many = site.plaza.mongo, Mongo.many
    begins: list[Any] = []

    async def listening(self: Mongo, collection: str, where: dict[str, object], **more: object) -> object:
        at = where.get("_id")
        if collection in ("posts", "users") and isinstance(at, dict) and "$gt" in at:  # workers read at the same time
            begins.append(at)
        return await many(self, collection, where, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Mongo, "many", listening)
    began = clock.now()
    await refold(mongo)
    assert begins[0] == {"$gt": ""}
    begins.clear()
    await refold(mongo)
    assert begins
    assert all(clock.made_at(each["$gt"]) >= began - timedelta(seconds=62) for each in begins)


async def test_old_names_are_found_by_todays_words(site: Site, door: Door, ada: Person, bob: Person) -> None:
    mongo = site.plaza.mongo
    await bob.edit(display_name="Łukasz Öztürk")
    old = ["bob", "ozturk", "łukasz"]
    assert await mongo.update("users", {"_id": bob.id}, {"$set": {"words": old}})
    await mongo.delete("names", {"user_id": bob.id})
    await mongo.insert_missing("names", [{"_id": f"{word} {bob.id}", "user_id": bob.id} for word in old])
    assert await names(ada, "lukasz") == []
    for _ in range(2):
        await refold(mongo)
        for query in ("lukasz", "Łukasz", "ozturk", "bob"):
            assert await names(ada, query) == ["bob"], query
        assert await mongo.count("names", {"user_id": bob.id}, limit=9) == 3


async def names(person: Person, text: str) -> list[str]:
    page: People = await person.search(text)
    return [each.username for each in page.items]


async def test_a_post_that_is_edited_or_deleted_meanwhile_stays_so(
    site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo = site.plaza.mongo
    await as_before(mongo, ada)
    rows = await mongo.many("posts", {}, sort=[("_id", 1)])
    many, meanwhile = Mongo.many, iter([True])

    async def slow(self: Mongo, collection: str, where: dict[str, object], **more: object) -> list[dict[str, object]]:
        found = await many(self, collection, where, **more)  # type: ignore[arg-type]
        if collection == "posts" and "$in" in str(where) and next(meanwhile, False):
            await ada.ask("PATCH", f"/v1/posts/{rows[0]['_id']}", {"text": "after"})
            await ada.ask("DELETE", f"/v1/posts/{rows[1]['_id']}")
        return found

    monkeypatch.setattr(Mongo, "many", slow)
    await refold(mongo)
    assert await found(ada, "after") == ["after"]
    assert await found(ada, "lodz") == await found(ada, "मोदी") == []
    assert await found(ada, "서울") == ["서울에서"]
