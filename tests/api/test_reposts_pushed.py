"""Reposts in open timelines: pushed to those whose timeline shows the post because of it, as it is there."""

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.by_hand import work
from support.people import Person
from support.site import Site, system

from social.contracts.codec import decode, encode
from social.contracts.posts import FeedPostPublic
from social.contracts.pushes import Push, channel, user_room
from social.posts import reposts

Pushed = dict[str, list[dict[str, Any]]]  # bodies of `feed.post`, by the person


@pytest.fixture
async def quiet(mongo_url: str, mongo_database: str) -> AsyncIterator[Site]:
    """A Plaza whose workers run only when the test calls them."""
    async with system(mongo_url, mongo_database, roles=()) as running:
        yield running


class Scene:
    """People of whom some are connected, and what is pushed to these."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._listener = site.plaza.redis.pubsub()
        self._names: dict[bytes, str] = {}

    async def connected(self, *people: Person) -> None:
        """Have these people's rooms held, as by a gateway."""
        for each in people:
            room = channel(user_room(each.id))
            self._names[room.encode()] = each.username
            await self._listener.subscribe(room)
        await self._listener.subscribe("end")

    async def repost(self, person: Person, post_id: str, verb: str = "repost") -> Pushed:
        """Repost a post, have the workers handle that, and return what they pushed."""
        await self.site.plaza.commit(getattr(reposts, verb), post_id, by=person.id)
        return await self.worked()

    async def worked(self) -> Pushed:
        await work(self.site)
        await self.site.plaza.redis.publish("end", b"")
        pushed: Pushed = defaultdict(list)
        async for message in self._listener.listen():
            if message["type"] == "message" and message["channel"] == b"end":
                return pushed
            if message["type"] == "message":
                event, body = decode(Push.parse(message["data"]).frame[2:])
                if event == "feed.post":
                    pushed[self._names[message["channel"]]].append(body)
        raise AssertionError("the listener ended")

    async def close(self) -> None:
        await self._listener.aclose()


@pytest.fixture
async def scene(quiet: Site) -> AsyncIterator[Scene]:
    scene = Scene(quiet)
    yield scene
    await scene.close()


async def people(site: Site, *names: str) -> list[Person]:
    return [await site.door.register(name) for name in names]


async def test_it_reaches_each_follower_whose_timeline_shows_it_and_nobody_else(scene: Scene) -> None:
    author, bob, hal, ada, cyd, dan, fay, gus = await people(
        scene.site, "eve", "bob", "hal", "ada", "cyd", "dan", "fay", "gus"
    )
    for each in (ada, cyd, dan, fay, gus, author):
        await each.follow(bob)
    await ada.follow(hal)
    await cyd.follow(author)
    await dan.mute(author)
    await author.block(fay)
    post = await author.publish("hello")
    await work(scene.site)
    await scene.connected(author, bob, hal, ada, cyd, dan, fay)
    pushed = await scene.repost(bob, post.id)
    (shown,) = (await ada.feed()).items
    line = FeedPostPublic.model_construct(**{name: getattr(shown, name) for name in FeedPostPublic.model_fields})
    assert pushed == {"ada": [decode(encode(line))]}
    assert (shown.place > post.id, shown.reposted_by and shown.reposted_by.username) == (True, "bob")
    assert [each.id for each in (await gus.feed()).items] == [post.id]
    assert await scene.repost(hal, post.id) == {}, "it is there already"
    assert await scene.repost(bob, post.id, "unrepost") == {}


@pytest.mark.parametrize(
    "what", ["the author is private", "the reposter is muted", "the post is deleted", "it is undone"]
)
async def test_what_is_not_to_be_seen_any_more_is_not_pushed(scene: Scene, what: str) -> None:
    author, bob, ada = await people(scene.site, "eve", "bob", "ada")
    await ada.follow(bob)
    post = await author.publish("hello")
    await work(scene.site)
    await scene.connected(ada)
    plaza = scene.site.plaza
    await plaza.commit(reposts.repost, post.id, by=bob.id)
    match what:
        case "the author is private":
            await author.edit(private=True)
        case "the reposter is muted":
            await ada.mute(bob)
        case "the post is deleted":
            await author.ask("DELETE", f"/v1/posts/{post.id}")
        case "it is undone":
            await plaza.commit(reposts.unrepost, post.id, by=bob.id)
    assert await scene.worked() == {}


async def test_a_post_of_somebody_you_follow_is_pushed_with_its_own_place(scene: Scene) -> None:
    bob, ada = await people(scene.site, "bob", "ada")
    await ada.follow(bob)
    await work(scene.site)
    await scene.connected(ada, bob)
    post = await bob.publish("hello")
    pushed = await scene.worked()
    assert [(name, body["place"], body["reposted_by"]) for name, (body,) in sorted(pushed.items())] == [
        ("ada", post.id, None),
        ("bob", post.id, None),
    ]
