"""Home timelines against a model: whatever people do, once the workers are idle everybody sees the right posts."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.eventually import eventually
from support.people import Person, ids
from support.site import Site, system

from social.contracts.problems import NotFound
from social.infra import clock
from social.people import blocks, follows, mutes
from social.posts import publishing, reposts

ACTS = ("publish", "publish", "publish", "follow", "follow", "unfollow", "block", "unblock", "mute", "unmute", "delete")
WHO = st.integers(0, 3)
REPOSTS = ("repost", "repost", "repost", "unrepost")
NAMES = count()
EXAMPLES = 200 if os.environ.get("PLAZA_SOAK") == "1" else 8


@pytest.fixture
async def site(mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """Make a system in which an author of two followers is merged on read, and a chunk is one follower."""
    monkeypatch.setattr("social.feeds.followers.CHUNK", 1)
    monkeypatch.setattr("social.feeds.entries.TRIM_ONE_IN", 1)
    async with system(mongo_url, mongo_database, fanout_limit=1) as running:
        yield running


@dataclass
class World:
    """The acts of people, by their numbers, and the timeline that each should see."""

    site: Site
    people: list[Person]
    written: list[tuple[str, int]] = field(default_factory=list)
    follows: set[tuple[int, int]] = field(default_factory=set)
    blocks: set[tuple[int, int]] = field(default_factory=set)
    mutes: set[tuple[int, int]] = field(default_factory=set)

    def apart(self, one: int, other: int) -> bool:
        return bool({(one, other), (other, one)} & self.blocks)

    async def expected(self, viewer: int) -> list[str]:
        """Return posts at their places: where they were published or, of authors not followed, first reposted."""
        followed = {author for who, author in self.follows if who == viewer and (viewer, author) not in self.mutes}
        places = {post_id: post_id for post_id, author in self.written if author in followed | {viewer}}
        not_followed = {
            post_id
            for post_id, author in self.written
            if author != viewer and (viewer, author) not in self.follows | self.mutes and not self.apart(viewer, author)
        }
        by = {self.people[each].id for each in followed}
        for row in await self.site.plaza.mongo.many("interactions", {"reposted_by": {"$gt": ""}}):
            if row["user_id"] in by and row["post_id"] in not_followed:
                places[row["post_id"]] = min(places.get(row["post_id"], "g"), row["repost_id"])
        return sorted(places, key=places.__getitem__, reverse=True)

    async def act(self, what: str, one: int, other: int) -> None:
        plaza, who, whom = self.site.plaza, self.people[one], self.people[other]
        if what == "publish":
            self.written.append(((await plaza.commit(publishing.publish, "hello", by=who.id)).id, one))
        elif what == "delete":
            if mine := [each for each in self.written if each[1] == one]:
                await plaza.commit(publishing.delete, mine[-1][0], by=who.id)
                self.written.remove(mine[-1])
        elif what in ("repost", "unrepost"):
            if theirs := [each for each in self.written if each[1] == other]:
                with contextlib.suppress(NotFound):  # people who are apart
                    await plaza.commit(getattr(reposts, what), theirs[-1][0], by=who.id)
        elif what == "away":
            long_ago = {"$set": {"active_at": clock.now() - timedelta(days=40)}}
            await plaza.mongo.update("timelines", {"_id": who.id}, long_ago)
        elif what == "read":
            await who.feed("?limit=2")
        elif what == "settle":
            await self.settle()
        elif one != other:
            await self.stand(what, one, other, whom.username)

    async def stand(self, what: str, one: int, other: int, name: str) -> None:
        plaza, by = self.site.plaza, self.people[one].id
        pair = (one, other)
        if what == "follow" and not self.apart(one, other):
            await plaza.commit(follows.follow, name, by=by)
            self.follows.add(pair)
        elif what == "unfollow" and not self.apart(one, other):
            await plaza.commit(follows.unfollow, name, by=by)
            self.follows.discard(pair)
        elif what == "block":
            await plaza.commit(blocks.block, name, by=by)
            self.blocks.add(pair)
            self.follows -= {pair, (other, one)}
        elif what == "unblock":
            await plaza.commit(blocks.unblock, name, by=by)
            self.blocks.discard(pair)
        elif what == "mute":
            await plaza.commit(mutes.mute, name, by=by)
            self.mutes.add(pair)
        elif what == "unmute":
            await plaza.commit(mutes.unmute, name, by=by)
            self.mutes.discard(pair)

    async def settle(self) -> None:
        """Wait until the workers are idle."""

        async def idle() -> None:
            assert await self.site.plaza.mongo.count("outbox", {}, limit=1) == 0

        await eventually(idle)

    async def check(self) -> None:
        for number, person in enumerate(self.people):
            seen: list[str] = []
            page = await person.feed("?limit=3")
            while True:
                seen += ids(page.items)
                if page.next is None:
                    break
                assert len(page.items) == 3, "pages are full but for the last"
                page = await person.feed(f"?limit=3&cursor={page.next}")
            assert seen == await self.expected(number)


@pytest.mark.parametrize(("acts", "cap"), [(ACTS, 5), ((*ACTS, *REPOSTS), 500)], ids=["five are kept", "reposts"])
async def test_a_timeline_is_what_those_one_follows_posted_whatever_happened(
    site: Site, monkeypatch: pytest.MonkeyPatch, acts: tuple[str, ...], cap: int
) -> None:
    """Below the kept part of a timeline there are no reposts: where these are tried, all is kept."""
    monkeypatch.setattr("social.feeds.timelines.CAP", cap)
    loop = asyncio.get_running_loop()
    lives = st.lists(st.tuples(st.sampled_from((*acts, "away", "read", "settle")), WHO, WHO), min_size=15, max_size=40)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(lives)
    def live(acts: list[tuple[str, int, int]]) -> None:
        asyncio.run_coroutine_threadsafe(_live(site, acts, at_once=cap == 5), loop).result(500)

    await asyncio.to_thread(live)


async def _live(site: Site, acts: list[tuple[str, int, int]], *, at_once: bool) -> None:
    life = next(NAMES)
    world = World(site, [await site.door.register(f"person{life}_{n}") for n in range(4)])
    for what, one, other in acts:
        await world.act(what, one, other)
    await world.settle()
    if at_once:
        await world.check()  # readers who were away are answered from the posts themselves
    for each in world.people:
        await each.feed()
    await world.settle()
    await world.check()  # and then from the timeline that was built for them
