"""Commands to the document store of requests and their events: their number, and no scan of a collection.

Whether there is an index is judged by the list that `migrate` creates: the store of the tests has rules of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import NamedTuple

import pytest
from support.commands import Commands, indexed, recording, unindexed
from support.eventually import eventually
from support.operations import OPERATIONS, PUBLIC, Operation, World
from support.people import PASSWORD, Person
from support.reads import Reads, watched
from support.site import system

from social.accounts import mailed_tokens
from social.accounts.mailed_tokens import Purpose
from social.contracts.people import Tokens
from social.infra.store.ttl_cache import TtlCache

PARTS = ("delete_comment", "delete_post", "block_user", "unblock_user")  # after which little is left to be done
ENDS = ("end_session", "logout", "logout_all", "change_password", "delete_me")  # of the requesting session

# Commands of a request in a row, and in all, where the process has cached nobody: the larger number of those for a new
# person and for the owner of the thing. None of them is for the token.
ASKED = {
    "get_activity": (2, 2),
    "get_avatar": (2, 3),
    "get_blocks": (2, 2),
    "get_bookmarks": (3, 5),
    "get_comment": (3, 5),
    "get_comments": (4, 6),
    "get_feed": (3, 6),
    "get_follow_requests": (1, 1),
    "get_followers": (3, 3),
    "get_following": (3, 3),
    "get_likes_of_comment": (4, 6),
    "get_likes_of_post": (4, 6),
    "get_me": (1, 1),
    "get_media": (3, 4),
    "get_mutes": (1, 1),
    "get_notification_preferences": (1, 1),
    "get_notifications": (3, 5),
    "get_post": (2, 4),
    "get_post_history": (3, 4),
    "get_posts_of_hashtag": (3, 5),
    "get_posts_of_user": (5, 7),
    "get_replies": (4, 6),
    "get_sent_follow_requests": (1, 1),
    "get_sessions": (2, 2),
    "get_thumbnail": (3, 4),
    "get_unread_count": (1, 1),
    "get_user": (2, 2),
    "jwks": (0, 0),
    "search": (3, 7),
    "search_users": (2, 4),
    "sync": (1, 1),
}
# Those numbers for frequent writes, with the commit.
WRITES = {
    "like_post": (3, 5),
    "like_comment": (4, 6),
    "repost_post": (3, 5),
    "bookmark_post": (3, 5),
    "create_post": (2, 2),
    "create_comment": (4, 5),
    "follow_user": (3, 3),
}


@pytest.fixture
def reads() -> Iterator[Reads]:
    with watched() as reads:
        yield reads


@pytest.fixture
def commands() -> Iterator[Commands]:
    with recording() as commands:
        yield commands


@pytest.fixture
async def world(
    commands: Commands, reads: Reads, mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A whole Plaza whose workers run; the owner was notified of a like."""
    monkeypatch.setattr("social.accounts.erasure.SETTLES", timedelta(seconds=1))
    async with system(mongo_url, mongo_database) as site:
        commands.sent.clear()  # the start itself reads whole collections
        world = World(site.door, site)
        await world.begin()
        owner, other = world.public, world.people["other"]
        assert other is not None
        await other.like(owner.post)
        await other.ask("PUT", f"/v1/posts/{owner.post.id}/bookmark")

        async def notified() -> None:
            assert await owner.person.unread() == 1

        await eventually(notified)
        yield world


def _late(operation: Operation) -> tuple[int, int, bool, bool]:
    """Sort reads first, and operations that end the requesting session last."""
    ends, parts = (each.index(operation.name) + 1 if operation.name in each else 0 for each in (ENDS, PARTS))
    return ends, parts, operation.method != "GET", operation.method == "DELETE"


class Took(NamedTuple):
    """The commands of a request."""

    in_a_row: int
    asked: list[str]


async def walk(world: World, reads: Reads) -> dict[str, Took]:
    """Do all operations, as a new person and as the owner; return the larger cost of those that succeeded."""
    took: dict[str, Took] = {}
    people = {"other": world.people["other"], "owner": world.public.person}
    for operation in sorted(OPERATIONS, key=_late):
        for column, person in people.items():
            assert person is not None
            if operation.name in ENDS:
                await log_in(person)
            world.site.plaza.mongo.memory = TtlCache()
            answer = await world.ask(operation, column)
            request = answer.headers["X-Request-ID"]
            if answer.status < 300:
                found = Took(reads.in_a_row(request), reads.of(request))
                took[operation.name] = max(
                    took.get(operation.name, found), found, key=lambda each: (each.in_a_row, len(each.asked))
                )
    return took


async def log_in(person: Person) -> None:
    """Log in again: the last session has ended."""
    ask = {"username": person.username, "password": PASSWORD}
    person.tokens = (await person.door.ask("POST", "/v1/auth/login", ask)).ok(Tokens)


async def test_a_request_asks_so_often_and_no_more(world: World, reads: Reads) -> None:
    took = await walk(world, reads)
    cost = {name: (found.in_a_row, len(found.asked)) for name, found in took.items()}
    assert {
        each.name: cost[each.name] for each in OPERATIONS if each.method == "GET" and each.name not in PUBLIC
    } == ASKED
    assert {name: cost[name] for name in WRITES} == WRITES
    assert all(took[name].asked[-1] == "commit" for name in WRITES)


async def test_who_was_just_read_is_not_read_again(world: World, reads: Reads) -> None:
    owner, other = world.public, world.people["other"]
    assert other is not None
    await asyncio.sleep(1.1)  # a younger post has its author's card read anew
    await other.see(owner.post)
    again = await other.ask("GET", f"/v1/posts/{owner.post.id}")
    assert "get users" not in reads.of(again.headers["X-Request-ID"])


async def test_requests_at_the_same_time_share_their_commands(world: World, commands: Commands) -> None:
    owner, other = world.public.person, world.people["other"]
    assert other is not None
    posts = [await owner.publish(f"post {at}") for at in range(24)]
    for ask in (lambda: [other.see(each) for each in posts], lambda: [other.feed() for _ in posts]):
        before = len(commands.sent)
        await asyncio.gather(*ask())
        finds = [each for _, each in commands.sent[before:] if each.name == "find" and each.by_id()]
        assert len(finds) <= 24, "less than one a request, where each by itself sends five"


async def test_nothing_is_looked_for_without_an_index(world: World, commands: Commands, reads: Reads) -> None:
    for purpose, path, more in (
        (Purpose.EMAIL, "/v1/auth/verify-email", {}),
        (Purpose.PASSWORD, "/v1/auth/password-reset", {"password": PASSWORD}),
    ):
        owner = world.public.person
        token = await mailed_tokens.mint(world.site.plaza.mongo, purpose, owner.id, owner.email)
        assert (await owner.door.ask("POST", path, {"token": token, **more})).status == 204
    await log_in(owner)
    sent = await walk(world, reads)
    assert {each.name for each in OPERATIONS} - set(sent) == {"verify_email", "reset_password"} | PUBLIC

    async def forgotten() -> None:
        buried = [each for _, each in commands.sent if (each.name, each.document.get("delete")) == ("delete", "users")]
        assert len(buried) == 2

    await eventually(forgotten)
    asked = [command for _, command in commands.sent]
    assert len({command.collection for command in asked if command.filters()}) > 15
    assert unindexed(asked) == []


def test_a_filter_without_an_index_is_noticed() -> None:
    assert indexed("users", {"username": "ada", "deleted_at": None})
    assert indexed("posts", {"author_id": "x", "$or": [{"_id": 1}, {"text": 2}]})
    assert not indexed("users", {"display_name": "ada"})
    assert not indexed("users", {})
    assert not indexed("users", {"_id": {"$ne": 1}})
    assert not indexed("posts", {"$or": [{"author_id": 1}, {"text": 2}]})
    assert not indexed("edges", {"follows_at": 1})
