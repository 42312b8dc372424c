"""What each request costs the document store: how many round trips, and never a walk through a collection.

Whether there is an index is judged by the list that `migrate` creates: the store of the tests has rules of its own.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from support.commands import Command, Commands, heard
from support.operations import OPERATIONS, Operation, World
from support.plaza import system

from social.infra.schema import INDEXES

ENDS = ("change_password", "delete_me", "logout_all")  # of the session that asks

# Of a request by somebody new, for whom most lists are empty. None of them is for the token.
ROUND_TRIPS = {
    "get_sessions": 1,
    "jwks": 0,
    "get_me": 1,
    "get_user": 1,
    "search_users": 4,
    "get_followers": 2,
    "get_following": 2,
    "get_follow_requests": 1,
    "get_blocks": 1,
    "get_mutes": 1,
    "get_post": 1,
    "get_posts_of_user": 5,
    "get_comments": 4,
    "get_feed": 1,
    "get_notifications": 3,
    "get_unread_count": 1,
    "sync": 1,
}
ONE_THING = ("get_me", "get_user", "get_post", "get_unread_count", "sync")


@pytest.fixture
def commands() -> Iterator[Commands]:
    with heard() as commands:
        yield commands


@pytest.fixture
async def world(commands: Commands, mongo_url: str, mongo_database: str) -> AsyncIterator[World]:
    """Nobody works meanwhile: what is heard is the API's."""
    async with system(mongo_url, mongo_database, roles=()) as plaza:
        world = World(plaza.door, plaza)
        await world.begin()
        yield world


def _late(operation: Operation) -> tuple[bool, ...]:
    """First what changes nothing, at last what ends the session that asks."""
    return operation.name in ENDS, operation.method != "GET", operation.method == "DELETE"


async def walk(world: World, commands: Commands) -> dict[str, list[Command]]:
    """Through all operations, as anybody and as the owner; what the first that went well sent."""
    sent: dict[str, list[Command]] = {}
    for operation in sorted(OPERATIONS, key=_late):
        for column in ("other", "owner"):
            answer = await world.ask(operation, column)
            heard_of = commands.of(answer.headers["X-Request-ID"])
            if answer.status < 300:
                sent.setdefault(operation.name, heard_of)
    return sent


async def test_a_read_takes_so_many_round_trips_and_no_more(world: World, commands: Commands) -> None:
    sent = await walk(world, commands)
    reads = {each.name for each in OPERATIONS if each.method == "GET"}
    assert {name: len(found) for name, found in sent.items() if name in reads} == ROUND_TRIPS
    assert {name: ROUND_TRIPS[name] for name in ONE_THING if ROUND_TRIPS[name] > 1} == {}


async def test_nothing_is_looked_for_without_an_index(world: World, commands: Commands) -> None:
    await walk(world, commands)
    asked = [command for trace, command in commands.sent if trace is not None]
    assert len({command.collection for command in asked if command.filters()}) > 10
    for command in asked:
        for where in command.filters():
            assert indexed(command.collection, where), (command.collection, where)
        for collection, field in command.joins():
            assert indexed(collection, {field: 1}), (collection, field)


def indexed(collection: str, where: Mapping[str, Any]) -> bool:
    """Whether the store can begin at an index: `_id`, or one whose first field, and whose condition, are asked for."""
    if branches := where.get("$or"):
        others = {name: each for name, each in where.items() if name != "$or"}
        return all(indexed(collection, {**others, **branch}) for branch in branches)
    if "_id" in where:
        return True
    for index in INDEXES[collection]:
        first = next(iter(index.document["key"]))
        if first in where and set(index.document.get("partialFilterExpression", {})) <= set(where):
            return True
    return False


def test_a_filter_without_an_index_is_noticed() -> None:
    assert indexed("users", {"username": "ada", "deleted_at": None})
    assert indexed("posts", {"author_id": "x", "$or": [{"_id": 1}, {"text": 2}]})
    assert not indexed("users", {"display_name": "ada"})
    assert not indexed("users", {})
    assert not indexed("posts", {"$or": [{"author_id": 1}, {"text": 2}]})
    assert not indexed("edges", {"follows_at": 1})
