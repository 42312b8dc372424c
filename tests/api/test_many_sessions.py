"""Many sessions of a person: at most 100 live, and all of them end in a single write."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from support.commands import Commands, recording
from support.eventually import eventually
from support.people import PASSWORD, Door, Person
from support.site import Site

from social.accounts import session_ends
from social.contracts.auth import Sessions
from social.contracts.people import Tokens
from social.infra import clock
from social.infra.security.revocations import Revocations
from social.infra.store.mongo import Mongo

MANY = 3_000


@pytest.fixture
def commands() -> Iterator[Commands]:
    """Record the commands of the site, which is made after this."""
    with recording() as commands:
        yield commands


async def hoard(mongo: Mongo, user_id: str, count: int) -> None:
    """Store sessions as an earlier release left them: more than allowed, and without a generation."""
    now = clock.now()
    row = {"user_id": user_id, "hash": "-", "created_at": now, "rotated_at": now, "revoked_at": None}
    later = now + timedelta(days=30)
    await mongo.insert_missing("sessions", [{"_id": clock.new_id(), **row, "expires_at": later} for _ in range(count)])


async def open_rows(mongo: Mongo, user_id: str) -> int:
    return await mongo.count("sessions", {"user_id": user_id, "revoked_at": None}, limit=MANY + 200)


async def log_in(door: Door) -> Tokens:
    return (await door.ask("POST", "/v1/auth/login", {"username": "ada", "password": PASSWORD})).ok(Tokens)


async def me(door: Door, tokens: Tokens) -> int:
    return (await door.ask("GET", "/v1/users/me", token=tokens.access_token)).status


@pytest.mark.parametrize(("end", "many"), [("logout-all", MANY), ("password", 500), ("delete", 500)])
async def test_thousands_of_sessions_end_at_once_and_their_rows_follow(
    commands: Commands, site: Site, door: Door, ada: Person, bob: Person, end: str, many: int
) -> None:
    mongo = site.plaza.mongo
    phone = await log_in(door)
    await hoard(mongo, ada.id, many)
    asks = {
        "logout-all": ("POST", "/v1/auth/logout-all", None),
        "password": ("POST", "/v1/auth/password", {"current_password": PASSWORD, "new_password": "another word"}),
        "delete": ("DELETE", "/v1/users/me", {"password": PASSWORD}),
    }
    before = len(commands.sent)
    ended, other = await asyncio.gather(ada.ask(*asks[end]), bob.ask("GET", "/v1/users/me"))
    assert (ended.status, other.status) == (204, 200)
    written = [each for _, each in commands.sent[before:] if each.name in ("update", "delete")]
    rows = [where for each in written if each.collection == "sessions" for where in each.filters()]
    assert all("_id" in where for where in rows), "as fast as for somebody with one session"
    assert any(each.collection == "users" for each in written)
    assert await me(door, phone) == 401
    again = await door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": phone.refresh_token})
    assert again.status == 401
    assert await me(door, ada.tokens) == (200 if end == "password" else 401)
    fresh = Revocations(mongo)
    await fresh.poll()
    verify = site.keys.verifier.verify
    assert fresh.reason(verify(phone.access_token)), "a process that starts knows it too"
    assert (fresh.reason(verify(ada.tokens.access_token)) is None) == (end == "password")
    if end == "delete":  # the workers delete the sessions that it left
        await eventually(lambda: _none_open(mongo, ada.id))
        return
    for _ in range(many // session_ends.CHUNK + 2):
        await session_ends.sweep(mongo)
    assert await open_rows(mongo, ada.id) == (1 if end == "password" else 0)
    assert not await mongo.one("users", {"_id": ada.id, "sessions_ended.rows": True}), "nothing is left to do"


async def _none_open(mongo: Mongo, user_id: str) -> None:
    assert await open_rows(mongo, user_id) == 0


async def test_beyond_a_hundred_sessions_the_oldest_ends(site: Site, door: Door, ada: Person) -> None:
    await hoard(site.plaza.mongo, ada.id, session_ends.MOST_LIVING - 1)
    assert await me(door, ada.tokens) == 200, "the hundredth"
    phone = await log_in(door)
    assert await me(door, ada.tokens) == 401
    assert await me(door, phone) == 200
    assert await open_rows(site.plaza.mongo, ada.id) == session_ends.MOST_LIVING
    await asyncio.gather(*(log_in(door) for _ in range(5)))
    assert await open_rows(site.plaza.mongo, ada.id) == session_ends.MOST_LIVING


async def test_what_an_earlier_release_left_open_is_brought_down_to_a_hundred(
    site: Site, door: Door, ada: Person
) -> None:
    await hoard(site.plaza.mongo, ada.id, 500)
    for _ in range(3):
        await log_in(door)
    assert await open_rows(site.plaza.mongo, ada.id) == session_ends.MOST_LIVING


async def test_a_session_that_was_kept_once_ends_with_the_next_end_of_all(door: Door, ada: Person) -> None:
    change = {"current_password": PASSWORD, "new_password": "another word"}
    assert (await ada.ask("POST", "/v1/auth/password", change)).status == 204
    ask = {"username": "ada", "password": "another word"}
    phone = (await door.ask("POST", "/v1/auth/login", ask)).ok(Tokens)
    assert [await me(door, ada.tokens), await me(door, phone)] == [200, 200]
    listed = (await ada.ask("GET", "/v1/auth/sessions")).ok(Sessions)
    assert len(listed.items) == 2
    change = {"current_password": "another word", "new_password": PASSWORD}
    assert (await door.ask("POST", "/v1/auth/password", change, token=phone.access_token)).status == 204
    assert [await me(door, ada.tokens), await me(door, phone)] == [401, 200]


async def test_a_login_beside_the_end_of_all_sessions_is_let_in(site: Site, door: Door, ada: Person) -> None:
    """The login comes after the end of all others, and is not refused."""
    logins = [log_in(door) for _ in range(4)]
    *tokens, _ = await asyncio.gather(*logins, ada.ask("POST", "/v1/auth/logout-all"))
    assert len(tokens) == 4
    assert await me(door, ada.tokens) == 401
