"""E-mail addresses and usernames: their normal spelling, their owner, and their allowed characters."""

import asyncio
from datetime import timedelta

import pytest
from support.people import PASSWORD, Answer, Door, Person
from support.site import Site

from social.accounts import unproven
from social.contracts.people import Tokens
from social.infra import clock
from social.infra.store.schema import migrate

IN_LETTERS, IN_DNS = "ada@bücher.example", "ada@xn--bcher-kva.example"
LATE = unproven.PROVE_WITHIN + timedelta(minutes=1)
SOON = unproven.PROVE_WITHIN - timedelta(minutes=1)


async def register(door: Door, username: str, email: str, password: str = PASSWORD) -> Answer:
    return await door.ask("POST", "/v1/auth/register", {"username": username, "email": email, "password": password})


async def log_in(door: Door, name: str, password: str = PASSWORD) -> Answer:
    return await door.ask("POST", "/v1/auth/login", {"username": name, "password": password})


async def verify(door: Door, token: str) -> Answer:
    return await door.ask("POST", "/v1/auth/verify-email", {"token": token})


async def forget(door: Door, email: str) -> None:
    assert (await door.ask("POST", "/v1/auth/password-reset/request", {"email": email})).status == 204


async def email_of(door: Door, tokens: Tokens) -> tuple[str | None, bool]:
    """Return the e-mail address as its owner sees it."""
    me = (await door.ask("GET", "/v1/users/me", token=tokens.access_token)).body
    return me["email"], me["email_verified"]


async def since(site: Site, username: str, age: timedelta) -> None:
    """Set the age of an account."""
    changed = await site.plaza.mongo.update(
        "users", {"username": username}, {"$set": {"created_at": clock.now() - age}}
    )
    assert changed


@pytest.mark.parametrize("typed", [IN_LETTERS, IN_DNS, " ADA@BÜCHER.example\u00a0", "ada@bu\u0308cher。example"])
async def test_an_address_is_one_however_its_domain_is_spelled(site: Site, door: Door, typed: str) -> None:
    tokens = (await register(door, "ada", typed)).ok(Tokens, 201)
    assert await email_of(door, tokens) == (IN_DNS, False)
    for other in (IN_LETTERS, IN_DNS, IN_DNS.upper()):
        (await register(door, "eve", other)).refused(409, "email_taken")
        (await log_in(door, f" {other}\n")).ok(Tokens)
    await forget(door, f"{IN_LETTERS} ")
    await site.mailbox.mail(IN_DNS, "new password")
    assert (await verify(door, await site.mailbox.token(IN_DNS, "Confirm"))).status == 204


async def test_a_guess_counts_whichever_spelling_it_is_for(site: Site, door: Door) -> None:
    await register(door, "ada", IN_DNS)
    answers = [await log_in(door, name, "not the password") for name in (IN_LETTERS, IN_DNS) * 8]
    assert answers[-1].status == 429


async def test_spaces_around_a_name_are_taken_off_at_every_door(door: Door, bob: Person) -> None:
    ada = (await register(door, " Ada ", "\tada@example.org\n")).ok(Tokens, 201)
    assert (ada.user.username, await email_of(door, ada)) == ("ada", ("ada@example.org", False))
    for name in ("ada ", "\u00a0Ada", "ada@example.org ", " ADA@example.org"):
        (await log_in(door, name)).ok(Tokens)
    (await register(door, "ada\u3000", "other@example.org")).refused(409, "username_taken")
    (await register(door, "other", "ada@example.org ")).refused(409, "email_taken")
    assert (await bob.ask("GET", "/v1/users/ada%20")).body["username"] == "ada"
    assert (await bob.ask("PUT", "/v1/users/%20ada/follow")).body["username"] == "ada"


async def stored_as(site: Site, username: str, email: str) -> None:
    """Store an address as an older release did."""
    assert await site.plaza.mongo.update("users", {"username": username}, {"$set": {"email": email}})


async def test_what_an_older_release_stored_is_moved_and_logs_in_before_and_after(site: Site, door: Door) -> None:
    await register(door, "ada", "ada@example.org")
    await stored_as(site, "ada", IN_LETTERS)
    (await log_in(door, IN_LETTERS)).ok(Tokens)
    await site.plaza.mongo.insert(
        "one_time_tokens",
        {"_id": "x", "purpose": "email", "user_id": "y", "email": IN_LETTERS, "expires_at": clock.now() + LATE},
    )
    for _ in range(2):
        await migrate(site.plaza.mongo)
        for name in (IN_LETTERS, IN_DNS):
            assert await email_of(door, (await log_in(door, name)).ok(Tokens)) == (IN_DNS, False)
    assert await site.plaza.mongo.count("one_time_tokens", {"_id": "x", "email": IN_DNS}, limit=1) == 1
    (await register(door, "eve", IN_LETTERS)).refused(409, "email_taken")


async def test_of_two_accounts_with_one_address_neither_is_lost(
    site: Site, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.infra.store.migrations.EMAILS", 2)
    await register(door, "ada", IN_DNS)
    for name in ("bob", "carol", "dave", "eve"):
        await register(door, name, f"{name}@example.org", f"{name}'s password")
    await stored_as(site, "bob", IN_LETTERS)
    await stored_as(site, "eve", "eve@bücher.example")
    for _ in range(2):
        await migrate(site.plaza.mongo)
    assert (await log_in(door, IN_LETTERS)).ok(Tokens).user.username == "ada"
    assert (await log_in(door, "bob", "bob's password")).ok(Tokens).user.username == "bob"
    assert (await log_in(door, "eve@xn--bcher-kva.example", "eve's password")).ok(Tokens).user.username == "eve"


async def test_people_keep_names_that_nobody_can_register_any_more(site: Site, door: Door, bob: Person) -> None:
    await register(door, "ada", "ada@example.org")
    await site.plaza.mongo.update("users", {"username": "ada"}, {"$set": {"username": "root", "email": "ö..@x.de"}})
    for name in ("root", "Root ", "ö..@x.de"):
        (await log_in(door, name)).ok(Tokens)
    assert (await bob.ask("PUT", "/v1/users/root/follow")).status == 200
    await forget(door, "ö..@x.de")


async def test_an_address_that_nobody_proved_within_a_week_no_longer_blocks_its_owner(
    site: Site, door: Door, ada: Person
) -> None:
    await since(site, "ada", SOON)
    (await register(door, "lovelace", "ada@example.org")).refused(409, "email_taken")
    await forget(door, "ada@example.org")
    reset = await site.mailbox.token("ada@example.org", "new password")
    await since(site, "ada", LATE)
    hers = (await register(door, "lovelace", "Ada@example.org ")).ok(Tokens, 201)
    assert await email_of(door, hers) == ("ada@example.org", False)
    assert await email_of(door, ada.tokens) == (None, False), "the other account goes on"
    assert (await log_in(door, "ada@example.org")).ok(Tokens).user.username == "lovelace"
    (await log_in(door, "ada")).ok(Tokens)
    spent = await door.ask("POST", "/v1/auth/password-reset", {"token": reset, "password": "another horse"})
    spent.refused(400, "invalid_one_time_token")
    assert (await ada.ask("POST", "/v1/auth/verify-email/request")).status == 204
    answer = await ada.ask("POST", "/v1/auth/password", {"current_password": PASSWORD, "new_password": "another horse"})
    assert answer.status == 204
    ask = {"password": "another horse", "email": "ada@new.example"}
    assert (await ada.ask("PUT", "/v1/auth/email", ask)).status == 204
    assert (await verify(door, await site.mailbox.token("ada@new.example", "Confirm"))).status == 204
    assert await email_of(door, ada.tokens) == ("ada@new.example", True)


@pytest.mark.parametrize("proof", ["Confirm", "new password"])
async def test_an_address_that_was_proven_stays_its_owners(site: Site, door: Door, ada: Person, proof: str) -> None:
    if proof == "Confirm":
        assert (await verify(door, await site.mailbox.token("ada@example.org", proof))).status == 204
    else:
        await forget(door, "ada@example.org")
        token = await site.mailbox.token("ada@example.org", proof)
        ask = {"token": token, "password": "another horse battery"}
        assert (await door.ask("POST", "/v1/auth/password-reset", ask)).status == 204
    await since(site, "ada", 100 * LATE)
    (await register(door, "eve", "ada@example.org")).refused(409, "email_taken")


async def test_of_many_who_want_an_address_that_is_free_again_one_gets_it(
    site: Site, door: Door, ada: Person, bob: Person
) -> None:
    await since(site, "ada", LATE)
    (await register(door, "bob", "ada@example.org")).refused(409, "username_taken")
    assert await email_of(door, ada.tokens) == ("ada@example.org", False), "nobody else got it"
    answers = await asyncio.gather(*(register(door, f"lovelace{n}", "ada@example.org") for n in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]


async def test_who_proves_an_address_takes_it_from_whom_did_not(
    site: Site, door: Door, ada: Person, bob: Person
) -> None:
    assert (await bob.ask("PUT", "/v1/auth/email", {"password": PASSWORD, "email": "ada@example.org"})).status == 204
    token = await site.mailbox.token("ada@example.org", "Confirm", 2)
    (await verify(door, token)).refused(409, "email_taken")
    await since(site, "ada", LATE)
    assert (await verify(door, token)).status == 204
    assert await email_of(door, bob.tokens) == ("ada@example.org", True)
    assert await email_of(door, ada.tokens) == (None, False)
