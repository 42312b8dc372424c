"""Documents of collections of a former release are moved by `migrate`, once, however often it runs."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from support.people import Person, ids
from support.site import Site, system

from social.contracts.people import People
from social.contracts.posts import Found, Posts
from social.infra import clock
from social.infra.store.schema import migrate, missing


@pytest.fixture
async def quiet(mongo_url: str, mongo_database: str) -> AsyncIterator[Site]:
    """Make a site without workers."""
    async with system(mongo_url, mongo_database, roles=()) as running:
        yield running


async def test_likes_reposts_and_bookmarks_of_before_are_moved(
    quiet: Site, ada: Person, bob: Person, eve: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.infra.store.migrations.BATCH", 2)
    mongo, now = quiet.plaza.mongo, clock.now()
    posts = [await ada.publish(f"{n}") for n in range(5)]

    def row(post_id: str, who: Person, **more: Any) -> dict[str, Any]:
        return {"_id": post_id + who.id, "post_id": post_id, "user_id": who.id, **more}

    for late, who in enumerate((ada, eve, bob)):
        await mongo.insert("likes", row(posts[0].id, who, at=now + timedelta(milliseconds=late)))
    for late, n in enumerate((3, 0, 4, 1, 2)):
        await mongo.insert("bookmarks", row(posts[n].id, bob, bookmarked_at=now + timedelta(milliseconds=late)))
    repost_id = clock.new_id()
    await mongo.database.drop_collection("interactions")
    assert [each.partition(".")[0] for each in await missing(mongo)] == ["interactions"] * 3, "nobody starts yet"
    await mongo.insert("reposts", row(posts[0].id, bob, repost_id=repost_id, at=now))
    await eve.like(posts[0])  # by the new release, before it was moved
    for _ in range(2):
        await migrate(mongo)
        assert await missing(mongo) == []
        for name in ("likes", "reposts", "bookmarks"):
            assert await mongo.count(name, {}, limit=1) == 0
        likers = (await bob.ask("GET", f"/v1/posts/{posts[0].id}/likes")).ok(People)
        assert sorted(each.username for each in likers.items) == ["ada", "bob", "eve"]
        assert [each.username for each in likers.items if each.username != "eve"] == ["bob", "ada"]
        kept = (await bob.ask("GET", "/v1/bookmarks")).ok(Posts)
        assert ids(kept.items) == [posts[n].id for n in (2, 1, 4, 0, 3)]
        seen = await bob.see(posts[0])
        assert (seen.liked, seen.reposted, seen.bookmarked) == (True, True, True)
        stands = {"reposted_by": bob.id, "repost_id": repost_id}
        assert await mongo.count("interactions", stands, limit=2) == 1
        assert await mongo.count("interactions", {}, limit=9) == 3 + 4


async def test_posts_of_before_are_found_by_their_words_and_hashtags(
    quiet: Site, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.infra.store.migrations.BATCH", 2)
    mongo = quiet.plaza.mongo
    posts = [await ada.publish(f"hello #plaza {n}") for n in range(5)]
    await mongo.database.drop_collection("post_terms")
    for name in ("words", "tags"):
        await mongo.database["posts"].create_index([(name, 1), ("_id", -1)], name=name)
    await ada.ask("PATCH", f"/v1/posts/{posts[4].id}", {"text": "hello #plaza after"})  # by the new release, meanwhile
    await migrate(mongo)
    assert await missing(mongo) == []
    assert {"words", "tags"} < set(await mongo.database["posts"].index_information()), "an old process may search yet"
    late = await ada.publish("hello #plaza late")
    await mongo.delete("post_terms", {"_id": late.id})  # an old process published it
    for _ in range(2):
        await migrate(mongo, last=True)
        for path in ("search?q=hello", "search?q=%23plaza", "hashtags/plaza/posts"):
            page = (await bob.ask("GET", f"/v1/{path}")).ok(Posts if "posts" in path else Found)
            assert ids(page.items) == [each.id for each in (late, *reversed(posts))]
        assert ids((await bob.ask("GET", "/v1/search?q=after")).ok(Found).items) == [posts[4].id]
    assert not {"words", "tags"} & set(await mongo.database["posts"].index_information())
