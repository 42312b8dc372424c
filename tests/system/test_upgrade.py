"""Documents that release 0.1.0 wrote itself: after `python -m social migrate` every service works on them.

`tests/support/releases/0.1.0.json` is a copy of all collections that a system of that release left when it was killed,
with an event that no consumer had handled. Ada wrote two posts and edited the second; Bob, Eve and a third person
follow her.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from support import releases
from support.eventually import eventually
from support.people import PASSWORD, Door, Person, texts
from support.processes import Program
from support.site import Site, system

from social.contracts.people import Tokens
from social.contracts.posts import Found, Posts
from social.infra.store.rows import OUTBOX, PARKED
from social.infra.store.schema import wrong
from social.ops import recount

FIRST, EDITED, BY_BOB = "Notes on the engine for @bob #engines", "a second, better thought", "Straße and steam #engines"


async def migrated(folder: Path, mongo_url: str, database: str) -> None:
    """Run the command of an operator as the release is replaced, and once more when the old one is gone."""
    for words in ((), ("--last",)):
        program = Program("social", "migrate", *words, folder=folder, MONGO_URL=mongo_url, MONGO_DATABASE=database)
        done = await program.start().ended()
        assert (done.code, done.err) == (0, ""), done


async def resumed(door: Door, story: dict[str, Any], name: str) -> Person:
    """Return a person who trades the refresh token of before the upgrade."""
    token = {"refresh_token": story["people"][name]["refresh_token"]}
    return Person(door, (await door.ask("POST", "/v1/auth/refresh-token", token)).ok(Tokens))


async def found(person: Person, path: str) -> list[str]:
    """Return the texts of the posts that a list or search shows."""
    model: type[Found | Posts] = Found if path.startswith("search") else Posts
    return [each.text for each in (await person.ask("GET", f"/v1/{path}")).ok(model).items]


async def test_what_the_first_release_stored_works_after_a_migration(
    mongo_url: str, bare_database: str, tmp_path: Path
) -> None:
    story = releases.load("0.1.0", mongo_url, bare_database)
    await migrated(tmp_path, mongo_url, bare_database)
    async with system(mongo_url, bare_database) as site:
        assert await wrong(site.plaza.mongo) == []
        ada, bob = [await resumed(site.door, story, name) for name in ("ada", "bob")]
        login = {"username": "eve", "password": PASSWORD}
        eve = Person(site.door, (await site.door.ask("POST", "/v1/auth/login", login)).ok(Tokens))
        await shows_posts_and_timelines(story, ada, bob, eve)
        await shows_notifications(story, ada, bob, eve)
        await goes_on(site, story, ada, bob, eve)


async def shows_posts_and_timelines(story: dict[str, Any], ada: Person, bob: Person, eve: Person) -> None:
    """Assert that posts, acts on them, comments, lists, searches and timelines are there."""
    post = (await bob.ask("GET", f"/v1/posts/{story['post']}")).body
    assert (post["text"], post["likes"], post["comments"], post["reposts"]) == (FIRST, 3, 2, 1)
    assert (post["liked"], post["bookmarked"], post["reposted"]) == (True, True, True)
    assert await bob.names(f"/v1/posts/{story['post']}/likes") == ["leaver", "eve", "bob"]
    assert await found(bob, "bookmarks") == [FIRST, EDITED]
    assert sorted(await found(eve, "hashtags/engines/posts")) == sorted([FIRST, BY_BOB])
    assert await found(eve, f"search?q={quote('strasse')}") == [BY_BOB]
    assert await found(eve, "search?q=better") == [EDITED]
    assert [each.username for each in (await bob.search("lovelace")).items] == ["ada"]
    comments = (await eve.ask("GET", f"/v1/posts/{story['post']}/comments")).body["items"]
    assert [(each["text"], each["likes"], each["replies"]) for each in comments] == [("first", 1, 1)]
    assert sorted(texts(await bob.feed())) == sorted([FIRST, EDITED, BY_BOB])
    assert sorted(texts(await eve.feed())) == sorted([FIRST, EDITED])
    assert texts(await bob.posts(ada)) == [EDITED, FIRST]
    me = await ada.me()
    assert (me.display_name, me.bio, me.followers, me.following, me.posts) == ("Ada Lovelace", "counts", 3, 1, 2)
    assert await eve.names("/v1/follow-requests") == ["bob"]


async def shows_notifications(story: dict[str, Any], ada: Person, bob: Person, eve: Person) -> None:
    """Assert that notifications are there, and that the event which had waited makes another, which a client gets."""

    async def notified() -> None:
        shown = [(each.type, each.count, each.read_at is None) for each in await ada.notifications()]
        assert shown[0] == ("like", 1, True), "the act that the killed system had not handled"
        assert sorted(shown[1:]) == [("comment", 2, False), ("follow", 3, True), ("like", 3, True), ("repost", 1, True)]

    await eventually(notified)
    assert await ada.unread() == 4
    assert {each.type for each in await bob.notifications()} == {"like", "reply", "mention", "follow"}
    assert [each.type for each in await eve.notifications()] == ["follow_request"]
    missed = await ada.sync(story["offset"]["ada"])
    assert (missed.recovered, [each.event for each in missed.events]) == (True, ["notification"])
    assert (await bob.sync(story["offset"]["bob"])).recovered


async def goes_on(site: Site, story: dict[str, Any], ada: Person, bob: Person, eve: Person) -> None:
    """Assert that acts are taken back and done on documents of before, and that all counts are right."""
    path = f"/v1/posts/{story['post']}"
    assert (await bob.ask("DELETE", f"{path}/like")).status == 200
    assert (await bob.ask("DELETE", f"{path}/bookmark")).status == 200
    assert (await bob.ask("DELETE", f"{path}/repost")).status == 200
    assert (await eve.ask("POST", f"{path}/comments", {"text": "and now"})).status == 201
    assert (await eve.ask("PUT", "/v1/follow-requests/bob")).status == 200
    third = await ada.publish("third #engines")

    async def counted() -> None:
        post = (await ada.ask("GET", path)).body
        assert (post["likes"], post["comments"], post["reposts"]) == (2, 3, 0)
        assert ("comment", 1) in [(each.type, each.count) for each in await ada.notifications()]
        assert ("follow_accepted", 1) in [(each.type, each.count) for each in await bob.notifications()]
        assert texts(await eve.feed())[0] == third.text
        assert await site.plaza.mongo.count(OUTBOX, {}, limit=1) == 0
        async for collection, ids in recount.everything(site.plaza.mongo):
            assert await recount.doubts(site.plaza.mongo, collection, ids) == []

    await eventually(counted)
    assert await found(bob, "bookmarks") == [EDITED]
    assert await found(eve, "hashtags/engines/posts") == [third.text, BY_BOB, FIRST]
    assert (await site.plaza.mongo.count(PARKED, {}, limit=1)) == 0
