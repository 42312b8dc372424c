"""Cards of people and posts, which a process caches for two seconds: all processes see a change at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from support.eventually import eventually
from support.people import Door, Person
from support.servers import RedisServer
from support.site import Site, serving, system

from social.accounts import lifecycle
from social.contracts.people import Tokens
from social.infra.process import process
from social.infra.process.plaza import Plaza
from social.infra.redis.cards import watch_cards
from social.infra.redis.redis import connect
from social.infra.store.mongo import Mongo

FOR_EVER = 3_600.0


@dataclass
class Two:
    """A whole Plaza, and a second API process beside it."""

    site: Site
    beside: Door

    def elsewhere(self, person: Person) -> Person:
        """Return the person as a client of the second process."""
        return Person(self.beside, person.tokens)


@asynccontextmanager
async def two(mongo_url: str, database: str, redis_url: str) -> AsyncIterator[Two]:
    async with system(mongo_url, database, redis_url=redis_url) as site:
        mongo, redis, tasks = Mongo(mongo_url, database), connect(redis_url), process.Tasks()
        plaza = Plaza.over(mongo, redis, site.plaza.broker, site.plaza.outbox)
        await plaza.revocations.poll()
        tasks.start("revocations", plaza.revocations.run())
        tasks.start("cards", watch_cards(redis, mongo.memory))
        try:
            async with serving(plaza, site.keys) as beside:
                yield Two(site, beside)
            assert not tasks.failed
        finally:
            await tasks.cancel()
            await redis.aclose()
            mongo.close()


async def log_in(person: Person) -> None:
    """Open a new session."""
    ask = {"username": person.username, "password": person.password}
    person.tokens = (await person.door.ask("POST", "/v1/auth/login", ask)).ok(Tokens)


async def all_hear(redis_url: str) -> None:
    """Wait until both processes are subscribed to Redis."""
    redis = connect(redis_url)

    async def heard() -> None:
        assert (await redis.pubsub_numsub("ctl"))[0][1] == 2

    await eventually(heard)
    await redis.aclose()


@pytest.fixture
def never_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep cached entries from expiring."""
    monkeypatch.setattr("social.infra.store.ttl_cache.FRESH_S", FOR_EVER)


@pytest.mark.usefixtures("never_old")
async def test_with_redis_other_processes_see_a_change_at_once(
    mongo_url: str, mongo_database: str, redis_url: str
) -> None:
    async with two(mongo_url, mongo_database, redis_url) as there:
        ada, bob = await there.site.door.register("ada"), await there.site.door.register("bob")
        post, elsewhere = await ada.publish("hello"), there.elsewhere(bob)
        await asyncio.sleep(1.1)  # until a card may be older than the post
        await all_hear(redis_url)
        assert (await elsewhere.see(post)).author.display_name == "ada"

        await ada.ask("PATCH", "/v1/users/me", {"display_name": "Ada L."})

        async def renamed() -> None:
            assert (await elsewhere.see(post)).author.display_name == "Ada L."

        await eventually(renamed)
        await ada.ask("PATCH", "/v1/users/me", {"private": True})

        async def hidden() -> None:
            (await elsewhere.ask("GET", f"/v1/posts/{post.id}")).refused(404, "not_found")

        await eventually(hidden)
        await ada.ask("PATCH", "/v1/users/me", {"private": False})

        async def shown() -> None:
            assert (await elsewhere.see(post)).text == "hello"

        await eventually(shown)
        by_operator = Mongo(mongo_url, mongo_database)  # this process has no Redis: the workers publish for it
        await lifecycle.suspend(by_operator, "ada", None)
        await eventually(hidden)
        await lifecycle.lift(by_operator, "ada")
        await eventually(shown)
        by_operator.close()
        await log_in(ada)
        assert (await ada.ask("DELETE", "/v1/users/me", {"password": ada.password})).status == 204
        await eventually(hidden)


@pytest.mark.usefixtures("never_old")
async def test_with_redis_every_timeline_shows_a_post_as_it_was_edited_and_none_that_was_deleted(
    mongo_url: str, mongo_database: str, redis_url: str
) -> None:
    async with two(mongo_url, mongo_database, redis_url) as there:
        ada, bob = await there.site.door.register("ada"), await there.site.door.register("bob")
        await bob.follow(ada)
        post, elsewhere = await ada.publish("hello"), there.elsewhere(bob)
        await all_hear(redis_url)

        def shows(*texts: str) -> Callable[[], Awaitable[None]]:
            async def look() -> None:
                for reader in (bob, elsewhere):
                    found = await reader.ask("GET", "/v1/feed")
                    assert [each["text"] for each in found.body["items"]] == list(texts)

            return look

        await eventually(shows("hello"))
        await ada.ask("PATCH", f"/v1/posts/{post.id}", {"text": "hello again"})
        await eventually(shows("hello again"))
        await ada.ask("DELETE", f"/v1/posts/{post.id}")
        await eventually(shows())


async def test_without_redis_other_processes_see_a_change_within_two_seconds(
    mongo_url: str, mongo_database: str, redis_url: str, redis_server: RedisServer
) -> None:
    async with two(mongo_url, mongo_database, redis_url) as there:
        ada, bob = await there.site.door.register("ada"), await there.site.door.register("bob")
        post, elsewhere = await ada.publish("hello"), there.elsewhere(bob)
        await asyncio.sleep(1.1)
        await redis_server.kill()
        await elsewhere.see(post)
        await ada.ask("PATCH", "/v1/users/me", {"private": True})
        await asyncio.sleep(2.1)
        (await elsewhere.ask("GET", f"/v1/posts/{post.id}")).refused(404, "not_found")


@pytest.mark.usefixtures("never_old")
async def test_posts_of_an_account_that_went_private_are_hidden_before_every_process_has_heard_of_it(
    mongo_url: str, mongo_database: str, redis_url: str, redis_server: RedisServer
) -> None:
    async with two(mongo_url, mongo_database, redis_url) as there:
        ada, bob = await there.site.door.register("ada"), await there.site.door.register("bob")
        old, elsewhere = await ada.publish("hello"), there.elsewhere(bob)
        await asyncio.sleep(1.1)
        await redis_server.kill()
        await elsewhere.see(old)
        await ada.ask("PATCH", "/v1/users/me", {"private": True})
        assert (await elsewhere.see(old)).text == "hello", "the second process remembers an open account"
        secret = await ada.publish("for friends")
        (await elsewhere.ask("GET", f"/v1/posts/{secret.id}")).refused(404, "not_found")


async def test_a_block_and_an_unfollow_are_never_remembered(
    mongo_url: str, mongo_database: str, redis_url: str, redis_server: RedisServer
) -> None:
    async with two(mongo_url, mongo_database, redis_url) as there:
        ada, bob = await there.site.door.register("ada"), await there.site.door.register("bob")
        await redis_server.kill()
        await bob.follow(ada)
        closer = (await ada.ask("POST", "/v1/posts", {"text": "for friends", "visibility": "followers"})).body["id"]
        elsewhere = there.elsewhere(bob)
        assert (await elsewhere.ask("GET", f"/v1/posts/{closer}")).status == 200
        await bob.ask("DELETE", "/v1/users/ada/follow")
        (await elsewhere.ask("GET", f"/v1/posts/{closer}")).refused(404, "not_found")
        post = await ada.publish("for all")
        assert (await elsewhere.see(post)).text == "for all"
        await ada.ask("PUT", "/v1/users/bob/block")
        (await elsewhere.ask("GET", f"/v1/posts/{post.id}")).refused(404, "not_found")
