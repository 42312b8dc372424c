"""Home timelines in special cases: late posts, long absence, famous authors, reposts."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from support.by_hand import work
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Person, ids, texts
from support.reads import Reads, watched
from support.site import Site, system

import workers.feeds
from social.accounts import lifecycle
from social.contracts.envelope import Envelope
from social.contracts.posts import Feed, Post
from social.feeds import cursors, sources, timelines
from social.feeds.cursors import Newer
from social.infra import clock
from social.infra.broker.inbox import ReceivedEvent
from social.infra.store import cached
from social.infra.store.mongo import Mongo, Reader, Transaction
from social.posts import access, publishing, reposts
from social.posts.access import SeenPost

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob, eve = new_person("ada"), new_person("bob"), new_person("eve")


@pytest_asyncio.fixture(loop_scope="module")
async def quiet(mongo_url: str, mongo_database: str) -> AsyncIterator[Site]:
    """A Plaza whose workers run only when the test calls them."""
    async with system(mongo_url, mongo_database, roles=()) as running:
        yield running


async def people(site: Site, *names: str) -> list[Person]:
    return [await site.door.register(name) for name in names]


async def away(site: Site, *persons: Person) -> None:
    for each in persons:
        long_ago = clock.now() - timedelta(days=40)
        await site.plaza.mongo.update("timelines", {"_id": each.id}, {"$set": {"active_at": long_ago}})


async def test_a_request_for_newer_posts_gets_late_posts_once(quiet: Site) -> None:
    ada, bob = await people(quiet, "ada", "bob")
    await ada.follow(bob)
    await work(quiet)
    await bob.publish("made first")
    await ada.publish("seen first")
    first = await ada.feed()
    assert texts(first) == ["seen first"]
    await work(quiet)
    newer = await ada.feed(f"?cursor={first.prev}")
    assert texts(newer) == ["made first"]
    assert (await ada.feed(f"?cursor={newer.prev}")).items == []
    assert texts(await ada.feed()) == ["seen first", "made first"]


async def test_requests_for_newer_posts_while_many_write_miss_nothing_and_repeat_nothing(
    site: Site, ada: Person, bob: Person, eve: Person
) -> None:
    """Ids are made in one order, committed in another and fanned out in a third."""
    dice = random.Random(5)
    for each in (bob, eve):
        await ada.follow(each)

    async def slowly(tx: Transaction, text: str, by: str) -> Post:
        post = await publishing.publish(tx, text, by=by)
        await asyncio.sleep(dice.uniform(0, 0.3))
        return post

    async def write(person: Person) -> list[str]:
        wrote = [site.plaza.commit(slowly, f"{person} {n}", person.id) for n in range(12)]
        return ids(list(await asyncio.gather(*wrote)))

    await ada.publish("hello")
    page = await ada.feed()
    seen = ids(page.items)
    writing = asyncio.gather(*(write(each) for each in (ada, bob, eve)))

    async def all_there() -> None:
        nonlocal page
        page = await ada.feed(f"?limit=5&cursor={page.prev}")
        seen.extend(ids(page.items))
        assert writing.done()
        assert {each for wrote in writing.result() for each in wrote} <= set(seen)

    await eventually(all_there)
    assert len(seen) == len(set(seen)) == 37
    assert sorted(seen, reverse=True) == ids((await ada.feed("?limit=100")).items)


async def test_what_is_fanned_out_while_its_author_is_suspended_is_there_when_that_is_lifted(quiet: Site) -> None:
    ada, bob = await people(quiet, "ada", "bob")
    await ada.follow(bob)
    await work(quiet)
    await bob.publish("hello")
    await lifecycle.suspend(quiet.plaza.mongo, "bob", None)
    await work(quiet)
    assert texts(await ada.feed()) == []
    await lifecycle.lift(quiet.plaza.mongo, "bob")
    assert texts(await ada.feed()) == ["hello"]


async def test_nobody_writes_to_who_has_long_been_away_and_their_first_look_is_whole(quiet: Site) -> None:
    ada, bob = await people(quiet, "ada", "bob")
    await ada.follow(bob)
    await work(quiet)
    await away(quiet, ada)
    for n in range(5):
        await bob.publish(str(n))
    await work(quiet)
    held = {"owner": ada.id}
    assert await quiet.plaza.mongo.count("feed_entries", held, limit=9) == 0
    first = await ada.feed("?limit=2")
    assert texts(first) == ["4", "3"]
    assert texts(await ada.feed(f"?limit=9&cursor={first.next}")) == ["2", "1", "0"]
    await work(quiet)
    assert await quiet.plaza.mongo.count("feed_entries", held, limit=9) == 5
    assert texts(await ada.feed()) == ["4", "3", "2", "1", "0"]


async def test_what_is_kept_for_who_does_not_come_back_is_dropped_and_built_again_when_they_do(quiet: Site) -> None:
    ada, bob = await people(quiet, "ada", "bob")
    for n in range(3):
        await ada.publish(str(n))
    await away(quiet, ada)
    assert await timelines.drop_some(quiet.plaza) == 1
    assert await quiet.plaza.mongo.count("feed_entries", {}, limit=9) == 0
    assert await timelines.drop_some(quiet.plaza) == 0
    assert texts(await ada.feed()) == ["2", "1", "0"]
    await work(quiet)
    assert texts(await ada.feed()) == ["2", "1", "0"]
    assert await quiet.plaza.mongo.count("feed_entries", {}, limit=9) == 3
    assert (await bob.feed()).items == []


async def test_who_becomes_famous_is_merged_and_nothing_is_lost_or_doubled_on_either_side(
    quiet: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob, *fans = await people(quiet, "ada", "bob", "fan1", "fan2")
    await ada.follow(bob)
    await work(quiet)
    await bob.publish("small")
    await work(quiet)
    for fan in fans:
        await fan.follow(bob)
    monkeypatch.setattr("social.feeds.followers.CHUNK", 1)
    for followers, text in ((3, "famous"), (1, "small again"), (3, "famous again")):
        await quiet.plaza.mongo.update("users", {"_id": bob.id}, {"$set": {"followers": followers}})
        await quiet.plaza.forget_cards([cached.key("users", bob.id)])
        await bob.publish(text)
        await work(quiet, fanout_limit=2, twice=True)
    small = {"author_id": bob.id, "place": (await bob.feed()).items[1].id}
    assert await quiet.plaza.mongo.count("feed_entries", small, limit=9) == 4, "it went through all chunks"
    everything = ["famous again", "small again", "famous", "small"]
    for person in (ada, bob, *fans):
        assert texts(await person.feed()) == everything
        first = await person.feed("?limit=3")
        assert texts(await person.feed(f"?limit=3&cursor={first.next}")) == ["small"]
    assert await quiet.plaza.mongo.count("feed_entries", {"owner": ada.id}, limit=9) == 2


async def test_a_famous_author_costs_a_reader_one_more_round_trip(
    mongo_url: str, mongo_database: str, reads: Reads
) -> None:
    async with system(mongo_url, mongo_database, roles=()) as quiet:
        ada, bob = await people(quiet, "ada", "bob")
        await ada.follow(bob)
        await quiet.plaza.mongo.update("users", {"_id": bob.id}, {"$set": {"followers": 9}})
        for n in range(4):
            await bob.publish(str(n))
        await work(quiet, fanout_limit=2)
        asked = [answer := await ada.ask("GET", "/v1/feed?limit=2")]
        asked += [await ada.ask("GET", f"/v1/feed?limit=2&cursor={answer.body[way]}") for way in ("next", "prev")]
        assert [[each["text"] for each in one.body["items"]] for one in asked] == [["3", "2"], ["1", "0"], []]
        for one in asked:
            assert reads.in_a_row(one.headers["X-Request-ID"]) <= 4


async def where_nearly_all_is_hidden(site: Site) -> Person:
    """A timeline of 63 posts of which three are visible: the first, the last, and a post in the middle."""
    ada, bob, eve = await people(site, "ada", "bob", "eve")
    await ada.follow(bob)
    await ada.follow(eve)
    await work(site)
    for author, count in ((eve, 1), (bob, 30), (eve, 1), (bob, 30), (eve, 1)):
        for _ in range(count):
            await author.publish(author.username)
    await work(site)
    await lifecycle.suspend(site.plaza.mongo, "bob", None)
    return ada


def sealed(site: Site, reader: Person, packed: bytes) -> str:
    """Seal a place as a cursor of a person's timeline."""
    return site.plaza.mongo.seals.seal(packed, ("feed", reader.id))


class Looks:
    """A counter of the posts that were read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self._posts = 0, access.posts
        monkeypatch.setattr("social.feeds.reading.MOST_AT_ONCE", 4)
        monkeypatch.setattr(access, "posts", self.posts)

    async def posts(self, reader: Reader, ids: Sequence[str], **how: Any) -> list[SeenPost]:
        self.count += len(ids)
        return await self._posts(reader, ids, **how)


async def test_where_nearly_all_is_hidden_a_page_is_as_if_there_were_nothing_else(
    quiet: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await where_nearly_all_is_hidden(quiet)
    looks = Looks(monkeypatch)
    first = await ada.feed("?limit=2")
    second = await ada.feed(f"?limit=2&cursor={first.next}")
    assert (texts(first), texts(second), second.next) == (["eve", "eve"], ["eve"], None)
    assert looks.count <= 2 * 63
    monkeypatch.undo()
    await lifecycle.lift(quiet.plaza.mongo, "bob")
    assert len((await ada.feed("?limit=100")).items) == 63


@pytest.mark.parametrize("late", [True, False])
async def test_where_nearly_all_is_hidden_newer_pages_are_as_if_there_were_nothing_else(
    quiet: Site, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """The cursors are forged: from the oldest place, where all is newer, or all came in late."""
    ada = await where_nearly_all_is_hidden(quiet)
    top = (await ada.feed("?limit=1")).items[0].id if late else "0" * 24
    cursor = sealed(quiet, ada, cursors.pack(Newer(top, "", clock.at_millis(0), frozenset())))
    monkeypatch.setattr(cursors, "MOST_SEEN", 3)
    pages = []
    for _ in range(3):
        page = await ada.feed(f"?limit=2&cursor={cursor}")
        pages.append((texts(page), page.prev == cursor))
        cursor = page.prev or ""
    assert pages == [(["eve", "eve"], False), (["eve"], False), ([], True)]
    await lifecycle.lift(quiet.plaza.mongo, "bob")
    page = await ada.feed(f"?limit=100&cursor={cursor}")
    if late:
        assert set(texts(page)) == {"bob"}, "what becomes visible is newer than what was seen"


async def test_newer_than_a_place_far_below_what_is_kept_is_found_on_read(
    quiet: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries below the floor may still be there, more of them than a page holds."""
    ada, bob = await people(quiet, "ada", "bob")
    await ada.follow(bob)
    for n in range(8):
        await bob.publish(str(n))
    await work(quiet)
    newest = (await ada.feed()).items[0].id
    await quiet.plaza.mongo.update("timelines", {"_id": ada.id}, {"$set": {"floor": newest}})
    cursor = sealed(quiet, ada, cursors.pack(Newer("0" * 24, "", clock.now(), frozenset())))
    assert texts(await ada.feed(f"?limit=2&cursor={cursor}")) == ["1", "0"]


async def backdated(site: Site, author: Person, *ages: timedelta) -> list[str]:
    """Store posts of long ago."""
    counts = dict.fromkeys(("likes", "comments", "reposts", "version", "rev"), 0)
    rows = [
        {"_id": clock.first_id(at)[:8] + secrets.token_hex(8), "author_id": author.id, "created_at": at, **counts}
        | {"text": "hello", "entities": [], "edited_at": None}
        for at in (clock.now() - age for age in ages)
    ]
    await site.plaza.mongo.insert_missing("posts", rows)
    return [row["_id"] for row in rows]


@pytest.mark.parametrize("limit", [3, 7])
async def test_pages_below_what_is_kept_are_whole_however_unevenly_people_post(
    mongo_url: str, mongo_database: str, reads: Reads, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Ten entries are read at a time, first only as far down as is likely, and once more where that is too little."""
    monkeypatch.setattr("social.feeds.timelines.CAP", 4)
    monkeypatch.setattr("social.feeds.scroll_cache.LINES", 10)
    async with system(mongo_url, mongo_database, roles=()) as quiet:
        ada, *authors = await people(quiet, "ada", "bob", "eve")
        busy = [timedelta(seconds=20 * n) for n in range(1, 25)]
        quiet_time = [timedelta(days=n * n) for n in range(1, 8)]
        burst = [timedelta(days=60, seconds=n // 9) for n in range(18)]
        everything = [each for author in authors for each in await backdated(quiet, author, *busy, *quiet_time, *burst)]
        everything += await backdated(quiet, ada, timedelta(minutes=2), timedelta(days=10), timedelta(days=300))
        for author in authors:
            await ada.follow(author)
        await work(quiet)
        found, trips, cursor = list[str](), list[int](), ""
        while True:
            answer = await ada.ask("GET", f"/v1/feed?limit={limit}{cursor}")
            trips.append(reads.in_a_row(answer.headers["X-Request-ID"]))
            page = answer.ok(Feed)
            found += ids(page.items)
            if page.next is None:
                break
            cursor = f"&cursor={page.next}"
        assert found == sorted(everything, reverse=True)
        assert set(trips[2:]) == ({2, 3, 4} if limit == 3 else {3, 4})
        assert trips[2:].count(4) < trips[2:].count(3), "most often it is as near as thought"
        assert len(await quiet.plaza.redis.keys("scroll:*")) == 1


@pytest.mark.parametrize("gone", ["forgotten", "away"])
async def test_a_scroll_goes_on_without_redis(quiet: Site, monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
    """The scroll shows only entries that are still visible."""
    monkeypatch.setattr("social.feeds.timelines.CAP", 2)
    ada, bob, eve = await people(quiet, "ada", "bob", "eve")
    for author in (bob, eve):
        await backdated(quiet, author, *(timedelta(minutes=n) for n in range(9)))
        await ada.follow(author)
    await work(quiet)
    found = await ada.feed("?limit=4")
    seen = [each.author.username for each in found.items]
    for n in range(10):
        found = await ada.feed(f"?limit=2&cursor={found.next}")
        seen += [each.author.username for each in found.items]
        if n == 1:
            await lifecycle.suspend(quiet.plaza.mongo, "bob", None)
        if n == 3 and gone == "forgotten":
            await quiet.plaza.redis.flushall()
        elif n == 3:
            monkeypatch.setattr(quiet.plaza.redis, "execute_command", _away)
        if found.next is None:
            break
    assert seen[:8].count("bob") == 4
    assert seen[8:] == ["eve"] * 5


async def _away(*_: object, **__: object) -> None:
    raise ConnectionRefusedError


async def test_more_late_posts_than_a_cursor_can_name_come_once_each(
    quiet: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The posts are late because the workers stopped for long."""
    monkeypatch.setattr(cursors, "MOST_SEEN", 10)
    ada, bob = await people(quiet, "ada", "bob")
    await ada.follow(bob)
    await work(quiet)
    late = [await bob.publish("late") for _ in range(25)]
    await ada.publish("seen")
    page = await ada.feed("?limit=4")
    fresh = [await ada.publish("fresh") for _ in range(3)]
    await work(quiet)
    found: list[str] = []
    while (page := await ada.feed(f"?limit=4&cursor={page.prev}")).items:
        found += ids(page.items)
        assert len(found) <= 28, "it ends"
    assert sorted(found) == sorted(ids(late + fresh))


@pytest.mark.parametrize(
    "forged", [b"\3" + b"\0" * 32, b"\3" + b"\0" * 24 + b"\xff" * 8, b"\1" + b"\0" * 13, b"\4", b"", b"\1\xff"]
)
async def test_a_place_nobody_was_given_is_answered_or_refused(site: Site, ada: Person, forged: bytes) -> None:
    """Another release may have sealed a cursor for places that this release does not keep."""
    await ada.publish("hello")
    await ada.feed()
    answer = await ada.ask("GET", f"/v1/feed?cursor={sealed(site, ada, forged)}")
    if forged == b"\3" + b"\0" * 32:
        assert texts(answer.ok(Feed)) == ["hello"]
    else:
        assert answer.wrong_fields() == {"?cursor": "cursor"}


@pytest.fixture
def reads() -> Iterator[Reads]:
    with watched() as reads:
        yield reads


async def test_a_repost_brings_a_strangers_post_once_and_says_who_it_was(quiet: Site) -> None:
    ada, bob, cyd, eve = await people(quiet, "ada", "bob", "cyd", "eve")
    for friend in (bob, cyd):
        await ada.follow(friend)
    strange = await eve.publish("strange")
    await bob.publish("bob's")
    for each in (bob, cyd):
        await quiet.plaza.commit(reposts.repost, strange.id, by=each.id)
    await work(quiet, twice=True)
    assert await shown(ada) == [("strange", "bob"), ("bob's", None)]
    await quiet.plaza.commit(reposts.unrepost, strange.id, by=bob.id)
    await work(quiet, twice=True)
    assert await shown(ada) == [("strange", "cyd"), ("bob's", None)]
    await quiet.plaza.commit(reposts.unrepost, strange.id, by=cyd.id)
    await work(quiet)
    assert await shown(ada) == [("bob's", None)]


async def test_a_repost_moves_no_post_of_an_author_you_follow(quiet: Site) -> None:
    ada, bob, eve = await people(quiet, "ada", "bob", "eve")
    for friend in (bob, eve):
        await ada.follow(friend)
    old = await eve.publish("old")
    await bob.publish("new")
    await quiet.plaza.commit(reposts.repost, old.id, by=bob.id)
    await work(quiet)
    assert await shown(ada) == [("new", None), ("old", None)]
    await ada.unfollow(eve)
    await work(quiet)
    assert await shown(ada) == [("old", "bob"), ("new", None)]


async def shown(person: Person) -> list[tuple[str, str | None]]:
    """Return the text of each post, and the person who brought it."""
    items = (await person.feed()).items
    return [(each.text, each.reposted_by.username if each.reposted_by else None) for each in items]


async def test_a_post_that_another_worker_fans_out_while_a_timeline_is_built_is_in_it(
    quiet: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = await people(quiet, "ada", "bob")
    await ada.follow(bob)
    await bob.publish("before")
    await work(quiet)
    await away(quiet, ada)
    await ada.feed()
    followed, published = sources.followed, []

    async def then_another_is_published(mongo: Mongo, owner: str, span: sources.Span) -> sources.Found:
        found = await followed(mongo, owner, span)
        if not published:
            published.append(await bob.publish("meanwhile"))
            (row,) = await quiet.plaza.mongo.many("outbox", {"type": "PostPublished"})
            envelope = Envelope(id=row["_id"], **{k: v for k, v in row.items() if k != "_id"})
            happened = ReceivedEvent(envelope.id, envelope.at, envelope.event())
            await workers.feeds.handle(quiet.plaza, [happened], fanout_limit=10)
            await quiet.plaza.outbox.forget([envelope.id])
        return found

    monkeypatch.setattr(sources, "followed", then_another_is_published)
    await work(quiet)
    assert published
    rows = await quiet.plaza.mongo.many("feed_entries", {"owner": ada.id}, sort=[("place", -1)])
    assert [row["post_id"] for row in rows][:1] == [published[0].id]
    assert texts(await ada.feed()) == ["meanwhile", "before"]
