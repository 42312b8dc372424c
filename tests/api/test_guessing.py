"""Guessing passwords: guesses slow down, do not show whether an account exists, and lock nobody out."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from support.people import PASSWORD, Answer, Door, Person
from support.site import Site, system

from social.contracts.people import Tokens
from social.infra.redis import delays
from social.infra.redis.delays import FREE
from social.infra.security import passwords
from social.infra.store.mongo import Mongo, Transaction

FIRST_S = 60


async def guess(door: Door, name: str, password: str = "not the password") -> Answer:
    return await door.ask("POST", "/v1/auth/login", {"username": name, "password": password})


@pytest.fixture(autouse=True)
def long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first wait be long: on a busy machine a second may pass between two guesses."""
    assert delays.FIRST_S == 1
    monkeypatch.setattr(delays, "FIRST_S", FIRST_S)


async def until_it_waits(door: Door, name: str) -> Answer:
    for _ in range(FREE + 1):
        (await guess(door, name)).refused(401, "invalid_credentials")
    return await guess(door, name)


@pytest.mark.parametrize("name", ["ada", "nobody", "ada@example.org", "nobody@example.org"])
async def test_guessing_slows_down_whether_or_not_anybody_has_the_name(door: Door, ada: Person, name: str) -> None:
    began = time.monotonic()
    waits = await until_it_waits(door, name)
    waits.refused(429, "rate_limited")
    assert FIRST_S - (time.monotonic() - began) <= int(waits.headers["Retry-After"]) <= FIRST_S
    (await guess(door, name.upper())).refused(429, "rate_limited")
    (await guess(door, name, PASSWORD)).refused(429, "rate_limited")


async def test_a_login_after_the_wait_succeeds_and_resets_the_wait(
    site: Site, door: Door, ada: Person, bob: Person
) -> None:
    (await until_it_waits(door, "ada")).refused(429, "rate_limited")
    (await guess(door, "bob", PASSWORD)).ok(Tokens)
    for key in await site.plaza.redis.keys("delay:*"):
        await site.plaza.redis.hset(key, "until", "0")  # the wait is over
    (await guess(door, "ada", PASSWORD)).ok(Tokens)
    (await guess(door, "ada")).refused(401, "invalid_credentials")
    (await guess(door, "ada", PASSWORD)).ok(Tokens)


async def test_guessing_many_at_once_is_not_faster(door: Door, ada: Person) -> None:
    answers = await asyncio.gather(*(guess(door, "ada") for _ in range(40)))
    assert Counter(answer.status for answer in answers) == {401: FREE + 1, 429: 40 - FREE - 1}


async def test_the_password_cannot_be_guessed_with_a_token(door: Door, ada: Person) -> None:
    ask = {"current_password": "not the password", "new_password": "another password"}
    for _ in range(FREE + 1):
        (await ada.ask("POST", "/v1/auth/password", ask)).refused(403, "wrong_password")
    (await ada.ask("POST", "/v1/auth/password", ask)).refused(429, "rate_limited")
    (await ada.ask("PUT", "/v1/auth/email", {"password": PASSWORD, "email": "a@new.example"})).refused(
        429, "rate_limited"
    )
    (await guess(door, "ada", PASSWORD)).ok(Tokens)


async def test_a_name_that_looks_like_an_id_has_nothing_to_do_with_it(door: Door, ada: Person) -> None:
    """Ids are public, and usernames: neither can a namesake forgive guesses at a password, nor have its owner wait."""
    namesake = await door.register(ada.id)
    ask = {"current_password": "not the password", "new_password": "another password"}
    for _ in range(FREE + 1):
        (await ada.ask("POST", "/v1/auth/password", ask)).refused(403, "wrong_password")
    (await guess(door, namesake.username, PASSWORD)).ok(Tokens)
    (await ada.ask("POST", "/v1/auth/password", ask)).refused(429, "rate_limited")


async def test_who_recovers_a_password_does_not_wait(site: Site, door: Door, ada: Person) -> None:
    (await until_it_waits(door, "ada")).refused(429, "rate_limited")
    await door.ask("POST", "/v1/auth/password-reset/request", {"email": "ada@example.org"})
    token = await site.mailbox.token("ada@example.org", "new password")
    assert (await door.ask("POST", "/v1/auth/password-reset", {"token": token, "password": "new words"})).status == 204
    (await guess(door, "ada", "new words")).ok(Tokens)


async def test_a_crowd_that_is_sent_away_has_not_failed(
    door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crowded:
        crowded.setattr("social.infra.security.passwords.MOST_WAITING", 0)
        for _ in range(FREE * 2):
            answer = await guess(door, "ada", PASSWORD)
            answer.refused(429, "rate_limited")
            assert answer.headers["Retry-After"] == "1"
    (await guess(door, "ada", PASSWORD)).ok(Tokens)


async def test_a_login_takes_equal_work_with_and_without_an_account(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared are the reads and hashes in their order, and the words and headers of the answer."""
    async with system(mongo_url, mongo_database, roles=()) as site:
        await site.door.register("ada")
        done: list[Any] = []
        find, hashing = site.plaza.mongo.one, site.keys.passwords._run

        async def one(collection: str, where: Any, fields: Any = None) -> Any:
            done.append((collection, fields))
            return await find(collection, where, fields)

        async def run(work: Any, *words: str) -> object:
            done.append((work.__name__, words[1].split("$")[:4]))  # the kind of hash and its cost
            return await hashing(work, *words)

        with monkeypatch.context() as watching:
            watching.setattr("social.infra.security.passwords._nobody", await site.keys.passwords.hash("x"))
            watching.setattr(site.plaza.mongo, "one", one)
            watching.setattr(site.keys.passwords, "_run", run)
            alike = []
            for name in ("ada", "nobody", "ada@example.org", "nobody@example.org"):
                done.clear()
                answer = await guess(site.door, name)
                answer.refused(401, "invalid_credentials")
                said = {key: value for key, value in answer.body.items() if key != "request_id"}
                alike.append((list(done), said, set(answer.headers)))
        assert [each[0] for each in alike[0][0]] == ["users", "verify"]
        assert all(each == alike[0] for each in alike)


async def test_a_password_reset_takes_equal_work_with_and_without_an_account(
    mongo_url: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request does a single write for any address and looks nothing up, so that they cannot be told apart."""
    async with system(mongo_url, mongo_database, roles=()) as site:
        await site.door.register("ada")
        looked: list[str] = []

        async def one(_self: object, collection: str, *_: Any) -> Any:
            looked.append(collection)

        for what in (Mongo, Transaction):
            monkeypatch.setattr(what, "one", one)
        left = []
        for name in ("ada", "nobody"):
            before = {row["_id"] for row in await site.plaza.mongo.many("outbox", {})}
            answer = await site.door.ask("POST", "/v1/auth/password-reset/request", {"email": f"{name}@example.org"})
            rows = [row for row in await site.plaza.mongo.many("outbox", {}) if row["_id"] not in before]
            left.append((answer.status, answer.raw, set(answer.headers), [(row["type"], set(row)) for row in rows]))
        assert looked == []
        assert left[0] == left[1]
        assert len(left[0][3]) == 1


def test_verifying_a_password_costs_as_much_without_an_account() -> None:
    assert passwords._nobody.split("$")[:4] == passwords._hasher.hash("x").split("$")[:4]
