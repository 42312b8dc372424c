"""What each request costs the document store: how many round trips, and never a walk through a collection."""

from collections.abc import AsyncIterator, Iterator

import pytest
from support.commands import Command, Commands, heard
from support.operations import OPERATIONS, Operation, World
from support.plaza import system

ENDS = ("change_password", "delete_me", "logout_all")  # of the session that asks

ROUND_TRIPS: dict[str, int] = {}


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
    """Everybody's way through all operations; what each of them sent when all went well."""
    sent: dict[str, list[Command]] = {}
    for operation in sorted(OPERATIONS, key=_late):
        for column in ("owner", "other"):
            answer = await world.ask(operation, column)
            of_this = commands.of(answer.headers["X-Request-ID"])
            sent.setdefault(operation.name + ("" if answer.status < 300 else " refused"), of_this)
    return sent


async def test_dump(world, commands):
    sent = await walk(world, commands)
    for name, found in sent.items():
        print(
            name,
            len(found),
            [(c.name, c.collection if c.name not in ("commitTransaction", "abortTransaction") else "") for c in found],
        )
    db = world._plaza.social.mongo.database
    for f in ({"bio": "x"}, {"username": "x"}):
        try:
            print(await db.command({"explain": {"find": "users", "filter": f}, "verbosity": "queryPlanner"}))
        except Exception as e:
            print("EXPLAIN", e)
    assert 0
