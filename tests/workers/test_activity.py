"""The activity log of an account: logins and failed logins, ended sessions, changed credentials, blocks."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.eventually import eventually
from support.people import PASSWORD, Answer, Door, Person
from support.processes import Ended, Program
from support.site import Site
from support.traces import traces

from social.accounts import lifecycle
from social.contracts.activity import Activities, Activity, ActivityKind
from social.contracts.events import ActivityNoted
from social.contracts.people import Tokens
from social.infra import clock
from social.infra.broker.outbox import SPARE_ROWS
from social.people import activity
from social.people.activity import Entry

# A single broker: the promises of both brokers are in test_pipeline.py.
pytestmark = pytest.mark.parametrize("broker", ["local"])


async def log_in(door: Door, name: str = "ada", password: str = PASSWORD, **more: Any) -> Answer:
    return await door.ask("POST", "/v1/auth/login", {"username": name, "password": password, **more})


async def page(person: Person, query: str = "") -> Activities:
    return (await person.ask("GET", f"/v1/users/me/activity{query}")).ok(Activities)


async def settled(site: Site) -> None:
    """Wait until no event waits."""

    async def look() -> None:
        await site.plaza.best_effort.finish(5)
        assert await site.plaza.mongo.count("outbox", {}, limit=1) == 0

    await eventually(look)


async def says(site: Site, person: Person) -> list[Activity]:
    """Return the log of a person once all events are in it, the oldest entry first."""
    await settled(site)
    return (await page(person, "?limit=100")).items[::-1]


async def test_a_log_says_who_logged_in_from_which_device(site: Site, door: Door, ada: Person) -> None:
    (await log_in(door, device="Ada's phone")).ok(Tokens)
    (await log_in(door, password="a guess", device="a stranger's")).refused(401, "invalid_credentials")
    (await log_in(door, ada.email, "a guess", device="a stranger's")).refused(401, "invalid_credentials")
    entries = await says(site, ada)
    assert [(each.what, each.device, each.ip) for each in entries[1:]] == [
        ("logged_in", "Ada's phone", "127.0.0.1"),
        ("login_failed", "a stranger's", "127.0.0.1"),
        ("login_failed", "a stranger's", "127.0.0.1"),
    ]
    sessions = (await ada.ask("GET", "/v1/auth/sessions")).body["items"]
    assert [each.session_id for each in entries[1::-1]] == [each["id"] for each in sessions]
    assert entries[0].what == "registered"


async def test_a_log_says_what_was_done_to_the_account(site: Site, door: Door, ada: Person, bob: Person) -> None:
    phone, tablet = (await log_in(door)).ok(Tokens), (await log_in(door)).ok(Tokens)
    await door.ask("POST", "/v1/auth/logout", {"refresh_token": phone.refresh_token})
    await door.ask("POST", "/v1/auth/logout", {"refresh_token": phone.refresh_token})  # which changes nothing
    (newest, *_) = (await ada.ask("GET", "/v1/auth/sessions")).body["items"]
    await ada.ask("DELETE", f"/v1/auth/sessions/{newest['id']}")
    for _ in range(2):
        await ada.block(bob)
    await ada.unblock(bob)
    change = {"current_password": PASSWORD, "new_password": "another password"}
    assert (await ada.ask("POST", "/v1/auth/password", change)).status == 204
    email = {"password": "another password", "email": "ada@new.example"}
    assert (await ada.ask("PUT", "/v1/auth/email", email)).status == 204
    token = await site.mailbox.token("ada@new.example", "Confirm")
    assert (await door.ask("POST", "/v1/auth/verify-email", {"token": token})).status == 204
    entries = await says(site, ada)
    assert [(each.what, each.reason) for each in entries] == [
        ("registered", None),
        ("logged_in", None),
        ("logged_in", None),
        ("session_ended", "logout"),
        ("session_ended", "session_removed"),
        ("blocked", None),
        ("unblocked", None),
        ("password_changed", None),
        ("email_change_requested", None),
        ("email_changed", None),
    ]
    assert [each.user.username for each in entries if each.user] == ["bob", "bob"]
    assert {each.ip for each in entries} == {"127.0.0.1"}
    opened = [each.session_id for each in entries if each.what == "logged_in"]
    assert [each.session_id for each in entries if each.what == "session_ended"] == opened
    assert tablet.user.id == ada.id
    assert [each.what for each in await says(site, bob)] == ["registered"], "who was blocked is not told"


async def test_a_reset_the_end_of_all_sessions_and_a_suspension_are_in_the_log(
    site: Site, door: Door, ada: Person
) -> None:
    await door.ask("POST", "/v1/auth/password-reset/request", {"email": ada.email})
    token = await site.mailbox.token(ada.email, "new password")
    reset = {"token": token, "password": PASSWORD}
    assert (await door.ask("POST", "/v1/auth/password-reset", reset)).status == 204
    ada.tokens = (await log_in(door)).ok(Tokens)
    await ada.ask("POST", "/v1/auth/logout-all")
    for _ in range(2):
        await lifecycle.suspend(site.plaza.mongo, "ada", "spam")
    (await log_in(door)).refused(403, "account_suspended")
    for _ in range(2):
        await lifecycle.lift(site.plaza.mongo, "ada")
    ada.tokens = (await log_in(door)).ok(Tokens)

    async def all_of_it() -> None:
        whats = [each.what for each in await says(site, ada)]
        expected = ["registered", "password_reset", "logged_in", "all_sessions_ended", "suspended", "login_failed"]
        assert whats == [*expected, "suspension_lifted", "logged_in"]

    await eventually(all_of_it)  # a relay brings what the operator's command recorded


async def test_a_token_used_twice_is_in_the_log(site: Site, door: Door, ada: Person) -> None:
    first, ada.tokens = ada.tokens, (await ada.refresh()).ok(Tokens)
    ada.tokens = (await ada.refresh()).ok(Tokens)
    answer = await door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": first.refresh_token})
    answer.refused(401, "refresh_token_reused")
    ada.tokens = (await log_in(door)).ok(Tokens)
    assert [each.reason for each in await says(site, ada)] == [None, "refresh_token_reused", None]


async def test_the_session_that_made_room_is_in_the_log(
    site: Site, door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.accounts.session_ends.MOST_LIVING", 2)
    ada.tokens = [(await log_in(door)).ok(Tokens) for _ in range(2)][-1]
    ended = [each for each in await says(site, ada) if each.what == "session_ended"]
    assert [(each.reason, each.session_id) for each in ended] == [
        ("too_many_sessions", (await says(site, ada))[0].session_id)
    ]


async def test_a_log_is_walked_in_pages_by_its_owner_alone(site: Site, door: Door, ada: Person, bob: Person) -> None:
    for _ in range(4):
        (await log_in(door)).ok(Tokens)
    await settled(site)
    first = await page(ada, "?limit=3")
    rest = await page(ada, f"?limit=3&cursor={first.next}")
    assert ([each.what for each in first.items], rest.next) == (["logged_in"] * 3, None)
    assert [each.what for each in rest.items] == ["logged_in", "registered"]
    answer = await bob.ask("GET", f"/v1/users/me/activity?cursor={first.next}")
    assert answer.wrong_fields() == {"?cursor": "cursor"}
    assert (await page(ada, f"?cursor={first.prev}")).items == []


async def test_a_name_that_nobody_has_leaves_nothing_and_takes_the_same_writes(site: Site, door: Door) -> None:
    before = await site.plaza.mongo.count("activity", {}, limit=100)
    (await log_in(door, "nobody", "secret words")).refused(401, "invalid_credentials")
    await settled(site)
    assert await site.plaza.mongo.count("activity", {}, limit=100) == before
    assert await traces(site.plaza.mongo, "nobody", "secret words") == []


async def test_one_kind_fills_no_more_than_its_share_of_a_day(site: Site, ada: Person, bob: Person) -> None:
    await settled(site)
    now = clock.now()

    def entries(many: int, what: ActivityKind, person: Person) -> list[Entry]:
        noted = ActivityNoted(user_id=person.id, what=what)
        return [Entry(clock.new_id(), now, noted) for _ in range(many)]

    flood = entries(activity.MOST_A_DAY * 3, ActivityKind.LOGIN_FAILED, ada)
    for batch in (flood[:70], flood[:70], flood[70:]):  # the second comes again
        await activity.keep(site.plaza.mongo, batch + entries(1, ActivityKind.LOGIN_FAILED, bob))
    await activity.keep(site.plaza.mongo, entries(1, ActivityKind.PASSWORD_CHANGED, ada))
    kept = Counter((row["user_id"], row["what"]) for row in await site.plaza.mongo.many("activity", {}))
    assert kept[ada.id, "login_failed"] == activity.MOST_A_DAY
    assert (kept[bob.id, "login_failed"], kept[ada.id, "password_changed"]) == (3, 1)


async def test_a_time_from_the_future_is_kept_no_longer_than_others(site: Site, ada: Person) -> None:
    entry = Entry(clock.new_id(), clock.now() + timedelta(days=365), ActivityNoted(user_id=ada.id, what="blocked"))
    await activity.keep(site.plaza.mongo, [entry])
    (row,) = await site.plaza.mongo.many("activity", {"_id": entry.id})
    assert row["at"] <= clock.now()


async def test_guesses_are_not_noted_while_many_events_wait(site: Site, door: Door, ada: Person) -> None:
    await settled(site)
    site.plaza.outbox._rows = SPARE_ROWS
    (await log_in(door, password="a guess")).refused(401, "invalid_credentials")
    site.plaza.outbox._overloaded = True  # where other writes are refused
    ada.tokens = (await log_in(door)).ok(Tokens)
    (await ada.ask("POST", "/v1/posts", {"text": "hello"})).refused(503, "unavailable")
    assert (await ada.ask("POST", "/v1/auth/logout-all")).status == 204
    site.plaza.outbox._overloaded = False
    ada.tokens = (await log_in(door)).ok(Tokens)
    whats = [each.what for each in await says(site, ada)]
    assert whats == ["registered", "logged_in", "all_sessions_ended", "logged_in"]


async def test_a_deleted_account_leaves_one_entry_without_an_address(
    site: Site,
    ada: Person,
    bob: Person,
    tmp_path: Path,
    mongo_url: str,
    mongo_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("social.accounts.erasure.SETTLES", timedelta(seconds=1))
    monkeypatch.setattr("social.accounts.erasure.CHUNK", 2)
    for who, whom in ((bob, ada), (ada, bob)):
        await who.block(whom)
    await settled(site)
    mongo = site.plaza.mongo
    assert (await ada.ask("DELETE", "/v1/users/me", {"password": PASSWORD})).status == 204

    async def forgotten() -> None:
        assert await mongo.one("users", {"_id": "@ada"})

    await eventually(forgotten, every_s=0.2)
    late = Entry(clock.new_id(), clock.now(), ActivityNoted(user_id=ada.id, what="login_failed", ip="203.0.113.7"))
    await activity.keep(mongo, [late])
    await settled(site)
    left = await traces(mongo, ada.id, ada.email, "203.0.113.7")
    assert [each for each in left if each.startswith(("activity", "outbox"))] == []
    assert [(each.what, each.user) for each in await says(site, bob)][1:] == [("blocked", None)]

    async def notified(*words: str) -> Ended:
        program = Program(
            "social", "activity", *words, folder=tmp_path, MONGO_URL=mongo_url, MONGO_DATABASE=mongo_database
        )
        return await program.start().ended()

    (hers,) = (await notified("ada")).out.splitlines()
    assert hers.endswith("account_deleted  ada  -")
    lines = [line.split("  ")[1:4] for line in (await notified()).out.splitlines()]
    assert lines == [
        ["account_deleted", "ada", "-"],
        ["blocked", "bob", "127.0.0.1"],
        ["registered", "bob", "127.0.0.1"],
    ]
    unknown = await notified("nobody")
    assert (unknown.code, unknown.err) == (1, "plaza: There is no account 'nobody'\n")
