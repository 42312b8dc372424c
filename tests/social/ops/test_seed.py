"""Made-up people: a store filled in bulk is as their acts and the workers would have left it."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from pydantic import TypeAdapter
from support.databases import prepare

from embedded.local_broker import LocalBroker
from social.contracts.media import SIDES
from social.contracts.people import NewUsername
from social.contracts.text import Line, PostText, Prose
from social.feeds import build, page, timelines
from social.infra.broker.inbox import ReceivedEvent
from social.infra.broker.outbox import Outbox
from social.infra.clock import new_id
from social.infra.files.blobs import blobs
from social.infra.process.plaza import Plaza
from social.infra.security.passwords import Passwords
from social.infra.settings import StartError
from social.infra.store.mongo import Mongo
from social.infra.store.rows import (
    FEED_ENTRIES,
    MEDIA,
    MIGRATIONS,
    NOTIFICATIONS,
    POSTS,
    TIMELINES,
    USERS,
    FeedEntryRow,
)
from social.notifications import reading
from social.ops import recount
from social.ops.seed import filling, making
from social.ops.seed.command import on_this_machine
from social.ops.seed.filling import Imagined, Wanted
from social.ops.seed.history import History, Post
from social.people import search as people_search
from social.people import users
from social.posts import avatars, media
from social.posts import search as post_search
from workers import feeds, notifications

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
FEW = Wanted(14, seed=3)
LEFT = ("feed_entries", "timelines", "notifications", "notification_facts", "streams", "posts", "comments", "users")


def history(seed: int, count: int = 80) -> History:
    return making.history(count, random.Random(seed), NOON)


def said(made: History) -> list[tuple[str, Any, str]]:
    return [(type(act).__name__, act.at, getattr(act, "text", act.by.username)) for act in made.acts]


def test_an_equal_seed_makes_an_equal_history() -> None:
    assert said(history(1)) == said(history(1))
    assert said(history(1)) != said(history(2))


def test_a_few_people_have_most_of_the_followers() -> None:
    made = history(1)
    followers = sorted(Counter(act.whom for act in made.follows()).values(), reverse=True)
    assert sum(followers[:8]) > 0.25 * sum(followers)
    assert sum(followers[:8]) > 4 * sum(followers[-8:])


def test_names_and_texts_are_such_as_people_may_write() -> None:
    made = history(1)
    for person in made.people:
        assert TypeAdapter(NewUsername).validate_python(person.username) == person.username
        assert TypeAdapter(Line).validate_python(person.display_name) == person.display_name
        assert TypeAdapter(Prose).validate_python(person.bio) == person.bio
    for text in {act.text for act in made.acts if isinstance(act, Post)}:
        assert TypeAdapter(PostText).validate_python(text) == text
        assert "{" not in text
    assert len({act.text for act in made.posts()}) > 0.5 * len(list(made.posts()))


def test_nothing_happens_before_its_cause_or_after_the_end() -> None:
    made = history(1)
    since = {(act.by, act.whom): act.at for act in made.follows()}
    for act in made.acts:
        assert act.by.at < act.at <= NOON
        if (post := getattr(act, "post", None)) is not None:
            assert post.at <= act.at
            assert post.id < act.id
            hers = act.by is post.by or post.visible_to == "public"
            assert hers or since[act.by, post.by] < post.at
        if (parent := getattr(act, "parent", None)) is not None:
            assert parent.at <= act.at


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("mongodb://127.0.0.1:27017/?retryWrites=false", True),
        ("mongodb://localhost,[::1]:27018/", True),
        ("mongodb://localhost,mongo.example.org/?replicaSet=rs0", False),
        ("mongodb+srv://cluster.example.org/", False),
        ("mongodb://10.0.0.1/", False),
    ],
)
def test_a_store_on_another_machine_is_known_by_its_url(url: str, here: bool) -> None:
    assert on_this_machine(url) is here


@pytest.fixture
async def plaza(mongo_url: str, mongo_database: str) -> AsyncIterator[Plaza]:
    mongo = Mongo(mongo_url, mongo_database, timeout_s=30)
    await prepare(mongo)
    outbox = Outbox(mongo)
    plaza = Plaza.over(mongo, FakeAsyncRedis(), LocalBroker(mongo, outbox), outbox)
    yield plaza
    await plaza.close()


async def test_the_workers_would_have_left_it_so(plaza: Plaza, tmp_path: Path) -> None:
    imagined = filling.imagine(FEW, "no hash")
    await filling.keep(plaza.mongo, blobs(f"file:{tmp_path}"), imagined, quiet)
    async for collection, ids in recount.everything(plaza.mongo):
        assert await recount.doubts(plaza.mongo, collection, ids) == []
    before = await everything(plaza.mongo)
    assert any("reposts" in entry for entry in before["feed_entries"])
    assert {len(before[name]) > 0 for name in LEFT} == {True}
    happened = [ReceivedEvent(new_id(), at, event, again=True) for at, event in imagined.documents.events()]
    for at in range(0, len(happened), 64):
        await notifications.handle(plaza, happened[at : at + 64])
        await feeds.handle(plaza, happened[at : at + 64])
    assert await everything(plaza.mongo) == before
    await each_timeline_is_built_alike(plaza.mongo, imagined)
    await people_find_it(plaza, imagined)
    await pictures_are_kept(plaza.mongo, tmp_path)


async def everything(mongo: Mongo) -> dict[str, list[Any]]:
    """Return all documents that acts and workers write."""
    return {name: await mongo.database[name].find({}, sort=[("_id", 1)]).to_list(None) for name in LEFT}


async def each_timeline_is_built_alike(mongo: Mongo, imagined: Imagined) -> None:
    for person in imagined.history.people[::3]:
        mine = {"owner": person.id}
        before = await mongo.many(FEED_ENTRIES, mine)
        await mongo.delete(FEED_ENTRIES, mine)
        await mongo.update(TIMELINES, {"_id": person.id}, {"$set": {"floor": timelines.NOTHING}})
        await build(mongo, person.id)
        assert standing(await mongo.many(FEED_ENTRIES, mine)) == standing(before)


def standing(entries: list[FeedEntryRow]) -> list[Any]:
    """Return where posts stand in a timeline and why, without when they came in."""
    return sorted(
        (each["place"], each["post_id"], sorted(why["id"] for why in each.get("reposts", []))) for each in entries
    )


async def people_find_it(plaza: Plaza, imagined: Imagined) -> None:
    mongo, person = plaza.mongo, imagined.history.people[0]
    feed = await page(plaza, owner=person.id, cursor=None, limit=50)
    assert [each.place for each in feed.items] == sorted((each.place for each in feed.items), reverse=True)
    assert len(feed.items) > 10
    post = max((each for each in imagined.history.posts() if each.visible_to == "public"), key=lambda each: each.id)
    word = max(post.text.split(), key=len).strip(".,!?")
    found = await post_search.page(mongo, word, viewer=person.id, cursor=None, limit=50)
    assert post.id in {each.id for each in found.items}
    name = person.display_name.split()[0]
    people = await people_search.found(mongo, name, viewer=person.id, cursor=None, limit=50)
    assert person.username in {each.username for each in people.items}
    inbox = await reading.page(mongo, recipient=person.id, cursor=None, limit=50)
    assert inbox.items
    there = await mongo.many(NOTIFICATIONS, {})
    assert {each["read_at"] is None for each in there} == {True, False}


async def pictures_are_kept(mongo: Mongo, folder: Path) -> None:
    rows = await mongo.many(MEDIA, {})
    shown = {each for post in await mongo.many(POSTS, {}) for each in post.get("media", [])}
    assert {row["_id"] for row in rows if row["post_id"]} == shown
    for row in rows:
        content, thumbnail = (folder / name for name in media.names(row["_id"]))
        assert (content.stat().st_size, thumbnail.stat().st_size) == (row["size"], row["thumbnail_size"])
    people = await mongo.many(USERS, {})
    for person in people:
        assert person["avatar"]
        signature = person["avatar_url"].partition("signature=")[2]
        for side in SIDES:
            shown = await avatars.signed(mongo, person["avatar"], signature, side=side)
            assert (folder / shown.name).stat().st_size == shown.size


async def test_only_an_empty_system_is_filled(plaza: Plaza, tmp_path: Path) -> None:
    pictures, few = blobs(f"file:{tmp_path}"), Wanted(10)
    shown = await filling.fill(plaza.mongo, pictures, few, quiet)
    assert await plaza.mongo.count(TIMELINES, {}, limit=100) == few.people
    assert await filling.shown_before(plaza.mongo) == shown.usernames
    with pytest.raises(StartError, match="there are people already"):
        await filling.fill(plaza.mongo, pictures, few, quiet)


async def test_each_run_has_a_password_of_its_own_which_its_people_share(plaza: Plaza, tmp_path: Path) -> None:
    shown = await filling.fill(plaza.mongo, blobs(f"file:{tmp_path}"), Wanted(10), quiet)
    (hashed,) = {each["password"] for each in await plaza.mongo.many(USERS, {})}
    with closing(Passwords()) as passwords:
        assert await passwords.verify(shown.password, hashed)
    assert len(shown.password) >= 12
    assert shown.password not in str(await plaza.mongo.many(MIGRATIONS, {}))


async def test_after_an_interrupted_run_or_beside_another_one_a_run_refuses_and_deletes_nothing(
    plaza: Plaza, tmp_path: Path
) -> None:
    pictures, few = blobs(f"file:{tmp_path}"), Wanted(10)
    imagined = filling.imagine(few, "no hash")
    imagined.rows[USERS].clear()  # as if it died before
    await filling.keep(plaza.mongo, pictures, imagined, quiet)
    before = await everything(plaza.mongo)
    with pytest.raises(StartError, match="an earlier seed was interrupted"):
        await filling.fill(plaza.mongo, pictures, few, quiet)
    assert await everything(plaza.mongo) == before


async def test_people_who_register_while_a_run_is_prepared_are_kept_and_it_refuses(
    plaza: Plaza, tmp_path: Path
) -> None:
    pictures, few = blobs(f"file:{tmp_path}"), Wanted(10)
    imagined = filling.imagine(few, "no hash")
    await plaza.mongo.insert(USERS, users.new("ada", email="ada@example.org", password="no hash", at=NOON))
    before = await everything(plaza.mongo)
    for _ in range(2):  # a refused run leaves no mark of an interrupted one
        with pytest.raises(StartError, match="there are people already"):
            await filling.keep(plaza.mongo, pictures, imagined, quiet)
    assert await everything(plaza.mongo) == before
    assert len(before["users"]) == 1


def quiet(part: str, done: int, total: int) -> None:
    assert done <= total, part
