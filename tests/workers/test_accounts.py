"""Deleted accounts: gone for everybody at once, and erased from the store in pieces."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from support.eventually import eventually
from support.people import PASSWORD, Door, Person, texts
from support.site import Site, system
from support.traces import traces

import workers.accounts
from social.accounts import mailed_tokens
from social.accounts.mailed_tokens import Purpose
from social.contracts.envelope import Envelope
from social.contracts.events import AccountDeleted, ForgettingContinued
from social.contracts.people import Tokens
from social.infra.broker.inbox import ReceivedEvent
from social.infra.store.mongo import Mongo
from social.ops import recount

# A single broker: the promises of both brokers are in test_pipeline.py.
pytestmark = pytest.mark.parametrize("broker", ["local"])


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("social.accounts.erasure.CHUNK", 2)
    monkeypatch.setattr("social.accounts.erasure.SETTLES", timedelta(seconds=1))


async def delete(person: Person) -> None:
    assert (await person.ask("DELETE", "/v1/users/me", {"password": person.password})).status == 204


async def lived(ada: Person, bob: Person, eve: Person) -> tuple[Any, Any]:
    """Leave documents of Ada in every collection; return a post of Bob's and a post of Ada's."""
    await ada.edit(display_name="Ada Lovelace", bio="about me", links=[{"title": "x", "url": "https://example.org"}])
    await ada.ask("PATCH", "/v1/notifications/preferences", {"repost": False})
    for person, whom in ((ada, bob), (bob, ada), (eve, ada), (ada, eve), (eve, bob)):
        await person.follow(whom)
    mine = [await ada.publish(f"ada's {n}", key=f"key-{n}") for n in range(5)]
    bobs, other = await bob.publish("bob's"), await bob.publish("bob's other")
    for person in (bob, eve):
        await person.like(mine[0])
        await person.comment(mine[0], "nice")
    await ada.like(bobs)
    await eve.like(bobs)
    await ada.like(other)

    async def notified() -> None:
        assert other.id in [each.post_id for each in await bob.notifications()]

    await eventually(notified)
    await ada.unlike(other)
    for n in range(3):
        await ada.comment(bobs, f"so {n}")
    await eve.comment(bobs, "well")
    for person, kind, target in ((ada, "post", bobs.id), (bob, "post", mine[1].id), (eve, "user", ada.id)):
        report = {"target": {"kind": kind, "id": target}, "reason": "spam"}
        assert (await person.ask("POST", "/v1/reports", report)).status == 201
    await ada.refresh()

    async def counted() -> None:
        post, me = await bob.see(bobs), await bob.me()
        assert (post.likes, post.comments, me.followers, me.following) == (2, 4, 2, 1)
        assert len(texts(await bob.feed())) == 7
        assert {each.type for each in await bob.notifications()} == {"like", "comment", "follow"}
        assert (await ada.me()).followers == 2
        assert len(await ada.notifications()) == 3

    await eventually(counted)
    return bobs, mine[0]


async def forgotten(mongo: Mongo, person: Person) -> None:
    async def look() -> None:
        assert await traces(mongo, person.id, person.email) == []

    await eventually(look, every_s=0.2)


async def every_count_is_true(mongo: Mongo) -> None:
    """Every counter equals the documents it counts: also one that nobody wrote a line for here."""
    async for collection, ids in recount.everything(mongo):
        assert await recount.doubts(mongo, collection, ids) == []


async def test_a_deleted_account_leaves_nothing_but_its_username(
    ada: Person, bob: Person, door: Door, site: Site
) -> None:
    eve = await door.register("eve")
    bobs, mine = await lived(ada, bob, eve)
    await delete(ada)
    await is_gone(ada, bob, mine)
    await forgotten(site.plaza.mongo, ada)
    await is_nobody(ada)

    async def folded() -> None:
        post, me = await bob.see(bobs), await bob.me()
        assert (post.likes, post.comments, me.followers, me.following) == (1, 1, 1, 0)
        assert texts(await bob.feed()) == ["bob's other", "bob's"]
        notified = [(each.type, each.actors[0].username) for each in await bob.notifications()]
        assert sorted(notified) == [("comment", "eve"), ("follow", "eve"), ("like", "eve")]
        await every_count_is_true(site.plaza.mongo)

    await eventually(folded)
    notified = [each.event for each in (await bob.sync(f"{(await bob.inbox()).offset.partition('.')[0]}.0")).events]
    assert "notification.removed" in notified  # the like that was taken back before, whose group had nobody else
    assert await site.plaza.mongo.count("parked", {}, limit=1) == 0
    ask = {"username": "ada", "email": "new@example.org", "password": PASSWORD}
    (await door.ask("POST", "/v1/auth/register", ask)).refused(409, "username_taken")


async def test_replies_mentions_and_likes_of_comments_go_with_their_account(
    ada: Person, bob: Person, site: Site
) -> None:
    post = await bob.publish("bob's")
    his, hers = await bob.comment(post, "as @ada says"), await ada.comment(post, "hers")
    await ada.reply(his, "so")
    await bob.reply(hers, "well")
    await ada.like_comment(his)

    async def counted() -> None:
        seen = await bob.read_comment(his)
        assert ((await bob.see(post)).comments, seen.replies, seen.likes) == (4, 1, 1)

    await eventually(counted)
    await delete(ada)
    await forgotten(site.plaza.mongo, ada)

    async def folded() -> None:
        (left,) = (await bob.comments(post)).items
        assert ((await bob.see(post)).comments, left.id, left.replies, left.likes) == (1, his.id, 0, 0)
        assert not any(each.user_id for each in left.entities)
        await every_count_is_true(site.plaza.mongo)

    await eventually(folded)


async def is_nobody(ada: Person) -> None:
    """Nothing that is left under her name shows her."""
    for name in ("ada", ada.email, f"@{ada.id}", "@ada"):
        answer = await ada.door.ask("POST", "/v1/auth/login", {"username": name, "password": ada.password})
        answer.refused(401, "invalid_credentials")


async def is_gone(ada: Person, bob: Person, post: Any) -> None:
    (await bob.ask("GET", "/v1/users/ada")).refused(404, "not_found")
    (await bob.ask("GET", "/v1/users/ada/posts")).refused(404, "not_found")
    (await bob.ask("GET", f"/v1/posts/{post.id}")).refused(404, "not_found")
    (await bob.ask("PUT", "/v1/users/ada/follow")).refused(404, "not_found")
    assert (await bob.search("ada")).items == (await bob.search("lovelace")).items == []
    assert not [each for each in (await bob.feed()).items if each.author.id == ada.id]
    assert not [actor for each in await bob.notifications() for actor in each.actors if actor.id == ada.id]
    (await ada.ask("GET", "/v1/users/me")).refused(401, "session_revoked")
    await is_nobody(ada)
    assert (await ada.refresh()).status == 401


async def test_the_address_of_a_deleted_account_is_free_at_once(ada: Person, door: Door) -> None:
    await delete(ada)
    ask = {"username": "lovelace", "email": ada.email, "password": PASSWORD}
    (await door.ask("POST", "/v1/auth/register", ask)).ok(Tokens, 201)


async def test_an_account_is_deleted_only_by_who_knows_its_password(ada: Person, bob: Person) -> None:
    answer = await ada.ask("DELETE", "/v1/users/me", {"password": "a guess"})
    answer.refused(403, "wrong_password")
    assert (await ada.ask("DELETE", "/v1/users/me", {})).wrong_fields() == {"/password": "missing"}
    assert (await bob.profile(ada)).username == "ada"


@pytest.fixture
async def resting(mongo_url: str, mongo_database: str) -> AsyncIterator[Site]:
    """Workers that do nothing, because the test handles events."""
    async with system(mongo_url, mongo_database, roles=()) as site:
        yield site


async def test_pieces_that_come_again_or_in_the_middle_of_others_change_nothing(
    resting: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may be killed between its commit and its ack any number of times."""
    monkeypatch.setattr("social.accounts.erasure.SETTLES", timedelta())
    mongo, door = resting.plaza.mongo, resting.door
    ada, bob = await door.register("ada"), await door.register("bob")
    post = await bob.publish("hello")
    for n in range(3):
        await ada.publish(f"{n}")
        await ada.comment(post, f"{n}")
    await ada.like(post)
    await delete(ada)
    for purpose in (Purpose.EMAIL, Purpose.EMAIL, Purpose.PASSWORD):  # mails that were under way
        await mailed_tokens.mint(mongo, purpose, ada.id, ada.email)
    seen: set[str] = set()
    for _ in range(30):
        rows = [
            row
            for row in await mongo.many("outbox", {}, sort=[("_id", 1)])
            if "Delet" in row["type"] or "Forg" in row["type"]
        ]
        events = [ReceivedEvent(row["_id"], row["at"], Envelope(id=row.pop("_id"), **row).event()) for row in rows]
        ours = [each for each in events if isinstance(each.event, AccountDeleted | ForgettingContinued)]
        if all(each.id in seen for each in ours):
            break
        for each in ours:  # all of them again, the old ones too
            await workers.accounts.handle(resting.plaza, [each])
            seen.add(each.id)
    left = [each for each in await traces(mongo, ada.id, ada.email) if not each.startswith("outbox: ")]
    assert left == []
    notified = [row["type"] for row in await mongo.many("outbox", {})]
    assert (notified.count("PostDeleted"), notified.count("CommentDeleted"), notified.count("PostUnliked")) == (3, 3, 1)


async def test_mentions_and_bookmarks_of_a_deleted_person_go_with_them(ada: Person, bob: Person, site: Site) -> None:
    post, hers = await bob.publish("hello @ada and @bob #t"), await ada.publish("hello @bob")
    comment = await bob.comment(post, "hello again @ada")
    for person, of in ((ada, post), (bob, hers)):
        for what in ("bookmark", "repost"):
            assert (await person.ask("PUT", f"/v1/posts/{of.id}/{what}")).status == 200
    for n in range(3):
        assert (await ada.ask("PATCH", f"/v1/posts/{hers.id}", {"text": f"edit {n}"})).status == 200

    async def counted() -> None:
        assert (await bob.see(post)).reposts == (await bob.see(hers)).reposts == 1

    await eventually(counted)
    await delete(ada)
    await forgotten(site.plaza.mongo, ada)

    async def folded() -> None:
        seen = await bob.see(post)
        assert (seen.text, [each.key for each in seen.entities], seen.reposts) == (post.text, ["bob", "t"], 0)
        assert [each.entities for each in (await bob.comments(post)).items if each.id == comment.id] == [[]]
        assert (await bob.ask("GET", "/v1/bookmarks")).body["items"] == []
        await every_count_is_true(site.plaza.mongo)

    await eventually(folded)
