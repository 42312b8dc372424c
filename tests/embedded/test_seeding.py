"""`make run SEED=200`: an empty system gets made-up people, of whom it prints some to log in as."""

import re
import signal
from typing import Any

import pytest
from support.eventually import eventually
from support.people import Person, door_to
from support.processes import Program

from social.contracts.people import Tokens


async def test_people_who_are_made_up_can_log_in_and_have_much_to_see(machine: Any) -> None:
    program = await machine.running(SEED=12)

    async def said() -> tuple[str, str]:
        found = re.search(r"Log in as (\w+).* password ([\w-]+)\.", program.out)
        assert found is not None
        return found[1], found[2]

    username, password = await eventually(said)
    async with door_to(machine.url) as door:
        answer = await door.ask("POST", "/v1/auth/login", {"username": username, "password": password})
        person = Person(door, answer.ok(Tokens), password)
        assert len((await person.feed()).items) > 3
        assert await person.notifications()
        face = (await person.me()).avatar_url
        assert (await door.ask("GET", face)).headers["Content-Type"] == "image/webp"
    seeding = Program("social", "seed", "--users", "10", folder=machine.folder, PLAZA_VAR=machine.var)
    refused = await seeding.start().ended()
    assert refused.code == 1
    assert "plaza: there are people already" in refused.err
    await program.signal(signal.SIGTERM)
    again = await machine.running(SEED=12)

    async def said_again() -> None:
        assert f"Log in as {username}," in again.out
        assert "with the password that was printed when they were made." in again.out

    await eventually(said_again)
    assert password not in again.out


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"SEED": 9}, "fewer than 10 people"),
        ({"SEED": 20, "HOST": "0.0.0.0"}, "for this machine alone"),
        ({"SEED": 20, "MONGO_URL": "mongodb://mongo.example.org/"}, "no database on another machine"),
    ],
)
async def test_a_system_that_others_reach_gets_no_made_up_people(
    machine: Any, settings: dict[str, Any], says: str
) -> None:
    ended = await machine.start(**settings).ended()
    assert ended.code == 1
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1
