"""What requests, and what follows from them, cost the document store: round trips, and no walk through a collection.

Whether there is an index is judged by the list that `migrate` creates: the store of the tests has rules of its own.
"""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from support.commands import Command, Commands, heard, indexed, unindexed
from support.eventually import eventually
from support.operations import OPERATIONS, Operation, World
from support.people import PASSWORD, Person
from support.plaza import system

from social import one_time
from social.contracts.people import Tokens
from social.one_time import Purpose

PARTS = ("delete_comment", "delete_post", "block_user", "unblock_user")  # after which little is left to be done
ENDS = ("end_session", "logout", "logout_all", "change_password", "delete_me")  # of the session that asks

# At most, whether somebody new asks or the owner of what is asked for. None of them is for the token.
ROUND_TRIPS = {
    "get_sessions": 1,
    "jwks": 0,
    "get_me": 1,
    "get_user": 1,
    "search_users": 4,
    "search": 4,
    "get_followers": 2,
    "get_following": 2,
    "get_follow_requests": 1,
    "get_blocks": 2,
    "get_mutes": 1,
    "get_post": 1,
    "get_posts_of_user": 3,
    "get_posts_of_hashtag": 2,
    "get_post_history": 2,
    "get_bookmarks": 2,
    "get_comments": 5,
    "get_comment": 1,
    "get_replies": 2,
    "get_likes_of_post": 4,
    "get_likes_of_comment": 2,
    "get_feed": 3,
    "get_notifications": 5,
    "get_unread_count": 1,
    "get_notification_preferences": 1,
    "sync": 1,
    "get_media": 2,
    "get_thumbnail": 2,
}
ONE_THING = (
    "get_me",
    "get_user",
    "get_post",
    "get_comment",
    "get_unread_count",
    "get_notification_preferences",
    "sync",
)
FOLLOW = [("update", "edges"), ("insert", "outbox")]
POST = [("find", "users"), ("bulkWrite", "1")]
REPOST = LIKE = [("aggregate", "posts"), ("bulkWrite", "1")]
COMMENT_LIKE = [("aggregate", "comments"), ("bulkWrite", "1")]


@pytest.fixture
def commands() -> Iterator[Commands]:
    with heard() as commands:
        yield commands


@pytest.fixture
async def world(
    commands: Commands, mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Everybody works; the owner was told of a like."""
    monkeypatch.setattr("social.forgetting.SETTLES", timedelta(seconds=1))
    async with system(mongo_url, mongo_database) as plaza:
        commands.sent.clear()  # the start itself reads whole collections
        world = World(plaza.door, plaza)
        await world.begin()
        owner, other = world.public, world.people["other"]
        assert other is not None
        await other.like(owner.post)
        await other.ask("PUT", f"/v1/posts/{owner.post.id}/bookmark")

        async def told() -> None:
            assert await owner.person.unread() == 1

        await eventually(told)
        yield world


def _late(operation: Operation) -> tuple[int, int, bool, bool]:
    """First what changes nothing, at last what ends the session that asks."""
    ends, parts = (each.index(operation.name) + 1 if operation.name in each else 0 for each in (ENDS, PARTS))
    return ends, parts, operation.method != "GET", operation.method == "DELETE"


async def walk(world: World, commands: Commands) -> dict[str, list[Command]]:
    """Through all operations, as anybody and as the owner; what the longer one of those that went well sent."""
    sent: dict[str, list[Command]] = {}
    people = {"other": world.people["other"], "owner": world.public.person}
    for operation in sorted(OPERATIONS, key=_late):
        for column, person in people.items():
            assert person is not None
            if operation.name in ENDS:
                await log_in(person)
            answer = await world.ask(operation, column)
            heard_of = commands.of(answer.headers["X-Request-ID"])
            if answer.status < 300:
                sent[operation.name] = max(sent.get(operation.name, []), heard_of, key=len)
    return sent


async def log_in(person: Person) -> None:
    """Again: the last session has ended."""
    ask = {"username": person.username, "password": PASSWORD}
    person.tokens = (await person.door.ask("POST", "/v1/auth/login", ask)).ok(Tokens)


async def test_a_request_takes_so_many_round_trips_and_no_more(world: World, commands: Commands) -> None:
    sent = await walk(world, commands)
    reads = {each.name for each in OPERATIONS if each.method == "GET"}
    assert {name: len(found) for name, found in sent.items() if name in reads} == ROUND_TRIPS
    assert {name: ROUND_TRIPS[name] for name in ONE_THING if ROUND_TRIPS[name] > 1} == {}
    for name, asked in (
        ("follow_user", FOLLOW),
        ("like_post", LIKE),
        ("like_comment", COMMENT_LIKE),
        ("create_post", POST),
        ("repost_post", REPOST),
    ):
        *before, commit = sent[name]
        assert ([(each.name, each.collection) for each in before], commit.name) == (asked, "commitTransaction")


async def test_nothing_is_looked_for_without_an_index(world: World, commands: Commands) -> None:
    for purpose, path, more in (
        (Purpose.EMAIL, "/v1/auth/verify-email", {}),
        (Purpose.PASSWORD, "/v1/auth/password-reset", {"password": PASSWORD}),
    ):
        owner = world.public.person
        token = await one_time.mint(world.plaza.social.mongo, purpose, owner.id, owner.email)
        assert (await owner.door.ask("POST", path, {"token": token, **more})).status == 204
    await log_in(owner)
    sent = await walk(world, commands)
    assert {each.name for each in OPERATIONS} - set(sent) == {"verify_email", "reset_password"}

    async def forgotten() -> None:
        buried = [each for _, each in commands.sent if (each.name, each.document.get("delete")) == ("delete", "users")]
        assert len(buried) == 2

    await eventually(forgotten, timeout_s=40)
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
