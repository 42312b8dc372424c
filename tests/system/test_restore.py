"""A backup in a system whose Redis and RabbitMQ are empty: acknowledged writes are there, and notified."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymongo
import pytest
from support.eventually import eventually
from support.people import Door, Person
from support.processes import Program
from support.servers import RabbitServer
from support.site import Site, system

from social.contracts import events
from social.contracts.events import Group
from social.contracts.notifications import Notifications
from social.infra import clock
from social.ops import recount

NOTIFIED_AGAIN = {
    *(events.PostPublished, events.CommentAdded, events.PostLiked, events.CommentLiked, events.PostReposted),
    *(events.UserFollowed, events.FollowRequested, events.FollowAccepted),
}
# Withdrawals and later changes of a notification: no document has them. Withdrawn facts are not notified again.
NOT_NOTIFIED_AGAIN = {
    *(events.PostUnliked, events.CommentUnliked, events.PostUnreposted, events.PostDeleted, events.CommentDeleted),
    *(events.UserUnfollowed, events.FollowRequestClosed, events.UserBlocked, events.PostEdited, events.CommentEdited),
    *(events.NotificationsRead, events.NotificationsChanged, events.SuspensionChanged),
    *(events.RemovalContinued, events.PartingContinued),
}


class Machines:
    """The system runs on one database after the other, each time with an empty RabbitMQ."""

    def __init__(self, mongo_url: str, redis_url: str, rabbit: RabbitServer, folder: Path) -> None:
        self._mongo_url, self._redis_url, self._rabbit, self._folder = mongo_url, redis_url, rabbit, folder
        self.store: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(mongo_url)
        self._mine: list[str] = []

    def backup(self, of: str) -> str:
        """Copy all documents, as they are now, into a database of their own."""
        name = f"{of}_{len(self._mine)}"
        self._mine.append(name)
        for collection in self.store[of].list_collection_names():
            if rows := list(self.store[of][collection].find()):
                self.store[name][collection].insert_many(rows)
        return name

    @asynccontextmanager
    async def running(self, database: str, **more: Any) -> AsyncIterator[Site]:
        """Run the system on this database."""
        vhost = f"test-{uuid4().hex[:12]}"
        await self._rabbit.add_vhost(vhost)
        amqp_url = self._rabbit.url_of(vhost)
        try:
            async with system(self._mongo_url, database, broker_url=amqp_url, redis_url=self._redis_url, **more) as it:
                yield it
        finally:
            await self._rabbit.delete_vhost(vhost)

    async def restored(self, database: str, since: datetime) -> str:
        """Run the commands of an operator after a restore."""
        settings = {"MONGO_URL": self._mongo_url, "MONGO_DATABASE": database}
        program = Program("social", "restored", since.isoformat(), folder=self._folder, **settings)
        done = await program.start().ended()
        assert (done.code, done.err) == (0, ""), done
        return done.out

    def close(self) -> None:
        """Leave nothing behind."""
        for name in self._mine:
            self.store.drop_database(name)
        self.store.close()


@pytest.fixture
def machines(mongo_url: str, redis_url: str, rabbit_server: RabbitServer, tmp_path: Path) -> Iterator[Machines]:
    machines = Machines(mongo_url, redis_url, rabbit_server, tmp_path)
    yield machines
    machines.close()


def again(person: Person, door: Door) -> Person:
    """Return the person with a login at another door."""
    return Person(door, person.tokens)


async def notifications(person: Person) -> set[tuple[str, str]]:
    """Return the types of a person's notifications, and by whom they are."""
    return {(each.type, " ".join(who.username for who in each.actors)) for each in await person.notifications()}


def test_every_event_that_notifies_is_listed_as_notified_again_or_not() -> None:
    assert {
        each for each in events.EVENTS.values() if Group.NOTIFICATIONS in each.groups
    } == NOTIFIED_AGAIN | NOT_NOTIFIED_AGAIN


async def test_events_that_a_broker_had_taken_over_are_notified_by_the_next_one(
    machines: Machines, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recount, "COUNTS_SETTLE", timedelta(seconds=0.2))
    began = clock.now()
    async with machines.running(mongo_database, roles=()) as site:
        ada, bob, eve, leaver = [await site.door.register(name) for name in ("ada", "bob", "eve", "leaver")]
        await ada.edit(private=True)
        await bob.follow(ada)
        await ada.accept(bob)
        await eve.follow(ada)
        await eve.follow(bob)
        post = await bob.publish("hello @eve")
        first = await eve.comment(post, "first")
        await bob.reply(first, "and last")
        await bob.like_comment(first)
        await eve.like(post)
        assert (await eve.ask("PUT", f"/v1/posts/{post.id}/repost")).status == 200
        await leaver.like(post)
        assert (await leaver.ask("DELETE", "/v1/users/me", {"password": leaver.password})).status == 204
        await eventually(lambda: nothing_waits(site))
        site.plaza.publisher.offer = lambda envelopes: None  # type: ignore[method-assign]
        await ada.like(last := await ada.publish("to my followers"))
        assert await site.plaza.mongo.count("outbox", {}, limit=9) == 2
    database = machines.backup(mongo_database)
    assert "streams: 4 in another epoch" in await machines.restored(database, began)
    outbox = {row["type"] for row in machines.store[database]["outbox"].find()}
    assert outbox == {each.__name__ for each in (*NOTIFIED_AGAIN, events.AccountDeleted)}
    async with machines.running(database) as site:
        ada, bob, eve = (again(each, site.door) for each in (ada, bob, eve))
        assert (await bob.see(post)).text == post.text

        async def all_told() -> None:
            by_eve = {(kind, "eve") for kind in ("follow", "comment", "like", "repost")}
            assert await notifications(bob) == {("follow_accepted", "ada"), *by_eve}
            assert await notifications(eve) == {(kind, "bob") for kind in ("mention", "reply", "like")}
            assert await notifications(ada) == {("follow_request", "eve")}
            assert [each.id for each in (await bob.feed()).items] == [last.id, post.id]
            assert await site.plaza.mongo.count("interactions", {"user_id": leaver.id}, limit=1) == 0

        async def counted() -> None:
            mongo = site.plaza.mongo
            async for collection, ids in recount.everything(mongo):
                for doubt in await recount.doubts(mongo, collection, ids):
                    await recount.repair(mongo, doubt)
            seen, me = await bob.see(post), await bob.me()
            assert (seen.likes, seen.comments, seen.reposts, me.followers, me.posts) == (1, 2, 1, 1, 1)

        await eventually(all_told)
        await eventually(counted)
        before = [await each.notifications() for each in (ada, bob, eve)]
        await machines.restored(database, began)
        await eventually(lambda: nothing_waits(site))
        await eve.like(await bob.publish("and now"))

        async def told_of_that() -> None:
            for_bob = await bob.notifications()
            assert len(for_bob) == 6
            assert [await ada.notifications(), for_bob[1:], await eve.notifications()] == before

        await eventually(told_of_that)
        assert (await bob.see(post)).likes == 1, "counts are not folded again"


async def nothing_waits(site: Site) -> None:
    assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0


async def test_a_client_that_saw_more_than_the_backup_holds_must_fetch_again(
    machines: Machines, mongo_url: str, mongo_database: str
) -> None:
    """The stream of the restored system has gone back and on again, by equal numbers."""
    async with system(mongo_url, mongo_database) as site:
        ada, bob = [await site.door.register(name) for name in ("ada", "bob")]
        post, other = await ada.publish("hello"), await ada.publish("hello again")
        await until_notified(ada, 0)
        database = machines.backup(mongo_database)
        await bob.like(post)
        await bob.like(other)
        seen = (await until_notified(ada, 2)).offset
    async with system(mongo_url, database) as site:
        await machines.restored(database, clock.now())
        ada, bob = again(ada, site.door), again(bob, site.door)
        await bob.comment(post, "one")
        await bob.comment(other, "two")
        await bob.follow(ada)
        now = (await until_notified(ada, 3)).offset
        assert seq(now) > seq(seen), "the place is there again, and something else stands on it"
        missed = await ada.sync(seen)
        assert (missed.recovered, missed.events, missed.offset) == (False, [], now)
        assert (await ada.sync(now)).recovered


async def until_notified(person: Person, count: int) -> Notifications:
    """Wait until this many notifications are in a person's inbox and stream; return the inbox."""

    async def look() -> Notifications:
        inbox = await person.inbox()
        assert (len(inbox.items), seq(inbox.offset)) == (count, count)
        return inbox

    return await eventually(look)


def seq(offset: str) -> int:
    return int(offset.partition(".")[2])
