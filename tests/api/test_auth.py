"""Accounts and sessions, as an app uses them."""

import asyncio
from datetime import timedelta

import pytest
from support.people import PASSWORD, Answer, Door, Person
from support.revocations import polled
from support.site import Site, serving, system

from social.accounts import refreshing
from social.contracts.people import Me, Tokens


async def test_who_registers_is_signed_in(door: Door) -> None:
    answer = await door.ask(
        "POST", "/v1/auth/register", {"username": "Ada", "email": "Ada@Example.org", "password": PASSWORD}
    )
    tokens = answer.ok(Tokens, 201)
    assert (tokens.user.username, tokens.user.display_name) == ("ada", "ada")
    assert (tokens.token_type, tokens.expires_in) == ("Bearer", 600)
    me = (await door.ask("GET", "/v1/users/me", token=tokens.access_token)).ok(Me)
    assert (me.username, me.email) == ("ada", "ada@example.org")
    assert (me.followers, me.following, me.posts) == (0, 0, 0)


async def test_no_answer_contains_a_password(ada: Person) -> None:
    for path in ("/v1/users/me", "/v1/users/ada"):
        answer = await ada.ask("GET", path)
        assert b"argon2" not in answer.raw
        assert "password" not in answer.body


async def test_a_username_belongs_to_one_person_whatever_its_case(door: Door, ada: Person) -> None:
    ask = {"username": "ADA", "email": "another@example.org", "password": PASSWORD}
    (await door.ask("POST", "/v1/auth/register", ask)).refused(409, "username_taken")


async def test_an_email_address_belongs_to_one_person_whatever_its_case(door: Door, ada: Person) -> None:
    ask = {"username": "another", "email": "ADA@example.org", "password": PASSWORD}
    (await door.ask("POST", "/v1/auth/register", ask)).refused(409, "email_taken")


async def test_a_taken_username_that_looks_like_a_field_is_still_a_username(door: Door) -> None:
    await door.register("my_email")
    ask = {"username": "my_email", "email": "another@example.org", "password": PASSWORD}
    (await door.ask("POST", "/v1/auth/register", ask)).refused(409, "username_taken")


async def test_of_many_who_want_a_name_at_once_one_gets_it(door: Door) -> None:
    asks = [{"username": "ada", "email": f"ada{n}@example.org", "password": PASSWORD} for n in range(6)]
    answers = await asyncio.gather(*(door.ask("POST", "/v1/auth/register", ask) for ask in asks))
    assert sorted(answer.status for answer in answers) == [201, *[409] * 5]


async def test_who_was_refused_a_name_can_still_use_the_address(door: Door, ada: Person) -> None:
    ask = {"username": "ada", "email": "new@example.org", "password": PASSWORD}
    (await door.ask("POST", "/v1/auth/register", ask)).refused(409, "username_taken")
    (await door.ask("POST", "/v1/auth/register", ask | {"username": "adele"})).ok(Tokens, 201)


@pytest.mark.parametrize("name", ["ada", "ADA", "ada@example.org", "Ada@Example.ORG"])
async def test_people_log_in_by_username_or_address(door: Door, ada: Person, name: str) -> None:
    answer = await door.ask("POST", "/v1/auth/login", {"username": name, "password": PASSWORD})
    tokens = answer.ok(Tokens)
    assert tokens.user.id == ada.id
    assert tokens.refresh_token != ada.tokens.refresh_token


async def test_a_wrong_name_and_a_wrong_password_are_refused_alike(door: Door, ada: Person) -> None:
    for ask in (
        {"username": "ada", "password": "not the password"},
        {"username": "nobody", "password": PASSWORD},
        {"username": "nobody@example.org", "password": PASSWORD},
    ):
        answer = await door.ask("POST", "/v1/auth/login", ask)
        answer.refused(401, "invalid_credentials")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_password_keeps_its_spaces_and_its_case(door: Door) -> None:
    await door.register("ada", password="  Spaces Matter ")
    answer = await door.ask("POST", "/v1/auth/login", {"username": "ada", "password": "spaces matter"})
    answer.refused(401, "invalid_credentials")
    (await door.ask("POST", "/v1/auth/login", {"username": "ada", "password": "  Spaces Matter "})).ok(Tokens)


async def test_a_refresh_token_buys_the_next_pair(ada: Person) -> None:
    following = (await ada.refresh()).ok(Tokens)
    assert following.refresh_token != ada.tokens.refresh_token
    assert following.user.id == ada.id
    assert (await ada.ask("GET", "/v1/users/me", token=following.access_token)).status == 200


async def test_a_client_that_lost_the_answer_gets_the_same_one_again(ada: Person) -> None:
    first = (await ada.refresh()).ok(Tokens)
    again = (await ada.refresh()).ok(Tokens)
    assert again.refresh_token == first.refresh_token


async def test_many_refreshes_of_one_token_give_one_successor(ada: Person) -> None:
    answers = await asyncio.gather(*(ada.refresh() for _ in range(50)))
    assert len({answer.ok(Tokens).refresh_token for answer in answers}) == 1


async def test_many_refreshes_of_one_token_in_two_processes_give_one_successor(
    site: Site, ada: Person, mongo_url: str, mongo_database: str
) -> None:
    async with system(mongo_url, mongo_database, roles=()) as another:
        there = Person(another.door, ada.tokens)
        answers = await asyncio.gather(*((ada, there)[n % 2].refresh() for n in range(50)))
    successors = {answer.ok(Tokens).refresh_token for answer in answers}
    assert len(successors) == 1
    (await refreshed(site.door, successors.pop())).ok(Tokens)


async def test_a_refresh_token_used_after_its_successor_ends_the_whole_session(door: Door, ada: Person) -> None:
    second = (await ada.refresh()).ok(Tokens)
    third = (await refreshed(door, second.refresh_token)).ok(Tokens)
    stolen = await ada.refresh()
    stolen.refused(401, "refresh_token_reused")
    assert "WWW-Authenticate" in stolen.headers
    for tokens in (ada.tokens, second, third):
        (await door.ask("GET", "/v1/users/me", token=tokens.access_token)).refused(401, "session_revoked")
        (await refreshed(door, tokens.refresh_token)).refused(401, "session_revoked")


async def test_a_refresh_token_used_again_too_late_ends_the_session(site: Site, door: Door, ada: Person) -> None:
    second = (await ada.refresh()).ok(Tokens)
    await pass_by(site, refreshing.LATE + timedelta(seconds=1))
    (await ada.refresh()).refused(401, "refresh_token_reused")
    (await refreshed(door, second.refresh_token)).refused(401, "session_revoked")


async def pass_by(site: Site, time: timedelta) -> None:
    """Move the last refresh, and the last late retry, further into the past."""
    (session,) = await site.plaza.mongo.many("sessions", {})
    earlier = {"rotated_at": session["rotated_at"] - time}
    if last := session.get("late_retry"):
        earlier["late_retry.at"] = last["at"] - time
    await site.plaza.mongo.update("sessions", {"_id": session["_id"]}, {"$set": earlier})


async def test_an_answer_that_was_lost_is_given_again_a_day_later(site: Site, door: Door, ada: Person) -> None:
    second = (await ada.refresh()).ok(Tokens)
    await pass_by(site, refreshing.LATE - timedelta(minutes=1))
    answers = await asyncio.gather(*(ada.refresh() for _ in range(10)))
    answers.append(await ada.refresh())  # and its answer is lost again
    assert {answer.ok(Tokens).refresh_token for answer in answers} == {second.refresh_token}
    (await door.ask("GET", "/v1/users/me", token=answers[-1].ok(Tokens).access_token)).ok(Me)
    (await refreshed(door, second.refresh_token)).ok(Tokens)
    (await ada.refresh()).refused(401, "refresh_token_reused")


async def test_nobody_lives_on_a_token_that_was_traded_and_left_lying(site: Site, door: Door, ada: Person) -> None:
    second = (await ada.refresh()).ok(Tokens)
    for _ in range(6):
        await pass_by(site, refreshing.LASTS / 6 - timedelta(seconds=1))
        assert (await ada.refresh()).ok(Tokens).refresh_token == second.refresh_token
    await pass_by(site, refreshing.LASTS / 3)
    (await ada.refresh()).refused(401, "refresh_token_reused")
    (await refreshed(door, second.refresh_token)).refused(401, "session_revoked")


async def test_two_who_live_on_one_session_are_found_out(site: Site, door: Door, ada: Person) -> None:
    """A thief with an old token keeps up with its owner, each a little later than the other, for a single refresh."""
    owner, thief = (await ada.refresh()).ok(Tokens), ada.tokens
    await pass_by(site, timedelta(minutes=5))
    thief = (await refreshed(door, thief.refresh_token)).ok(Tokens)
    assert thief.refresh_token == owner.refresh_token
    await pass_by(site, timedelta(minutes=5))
    (await refreshed(door, owner.refresh_token)).ok(Tokens)
    await pass_by(site, timedelta(minutes=5))
    (await refreshed(door, thief.refresh_token)).refused(401, "refresh_token_reused")
    (await door.ask("GET", "/v1/users/me", token=thief.access_token)).refused(401, "session_revoked")


async def test_another_answer_may_be_lost_a_day_after_the_last(site: Site, ada: Person) -> None:
    for _ in range(2):
        successor = (await ada.refresh()).ok(Tokens)
        await pass_by(site, timedelta(minutes=5))
        assert (await ada.refresh()).ok(Tokens).refresh_token == successor.refresh_token
        ada.tokens = successor
        await pass_by(site, refreshing.LATE)


async def test_reuse_ends_only_that_session(door: Door, ada: Person) -> None:
    other = (await door.ask("POST", "/v1/auth/login", {"username": "ada", "password": PASSWORD})).ok(Tokens)
    second = (await ada.refresh()).ok(Tokens)
    await refreshed(door, second.refresh_token)
    (await ada.refresh()).refused(401, "refresh_token_reused")
    assert (await door.ask("GET", "/v1/users/me", token=other.access_token)).status == 200
    (await refreshed(door, other.refresh_token)).ok(Tokens)


async def test_a_forged_refresh_token_of_a_known_session_ends_nothing(door: Door, ada: Person) -> None:
    session, secret, mac = ada.tokens.refresh_token.split(".")
    for forged in (f"{session}.{secret[::-1]}.{mac}", f"{session}.{secret}.{mac[::-1]}", f"{session}..", session):
        (await refreshed(door, forged)).refused(401, "invalid_refresh_token")
        assert (await door.ask("POST", "/v1/auth/logout", {"refresh_token": forged})).status == 204
    assert (await ada.me()).id == ada.id
    (await ada.refresh()).ok(Tokens)


@pytest.mark.parametrize(
    "nonsense", ["x", "a.b.c", "....", "é.ü.ß", "\U0001f600.b.c", "a" * 256, " ", "\x00.\x00.\x00"]
)
async def test_a_refresh_token_that_is_none_is_refused(door: Door, nonsense: str) -> None:
    (await refreshed(door, nonsense)).refused(401, "invalid_refresh_token")
    assert (await door.ask("POST", "/v1/auth/logout", {"refresh_token": nonsense})).status == 204


async def test_after_logout_nothing_of_the_session_works(door: Door, ada: Person) -> None:
    await ada.logout()
    answer = await ada.ask("GET", "/v1/users/me")
    answer.refused(401, "session_revoked")
    assert "WWW-Authenticate" in answer.headers
    (await ada.refresh()).refused(401, "session_revoked")
    await ada.logout()  # a second time is answered alike


async def test_another_process_refuses_within_two_seconds_of_a_logout(
    site: Site, ada: Person, mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with system(mongo_url, mongo_database, roles=()) as another:
        token = ada.tokens.access_token
        assert (await another.door.ask("GET", "/v1/users/me", token=token)).status == 200
        await ada.logout()
        await polled(another.plaza.revocations, monkeypatch)
        assert (await another.door.ask("GET", "/v1/users/me", token=token)).status == 401


async def test_a_process_that_starts_knows_who_was_logged_out_before(site: Site, ada: Person) -> None:
    await ada.logout()
    fresh = type(site.plaza.revocations)(site.plaza.mongo)
    await fresh.poll()
    async with serving(site.plaza.__class__(**{**vars(site.plaza), "revocations": fresh}), site.keys) as door:
        (await door.ask("GET", "/v1/users/me", token=ada.tokens.access_token)).refused(401, "session_revoked")


async def refreshed(door: Door, token: str) -> Answer:
    return await door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": token})
