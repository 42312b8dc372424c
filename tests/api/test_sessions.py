"""Open sessions: their list, and their end."""

import asyncio

import pytest
from support.people import PASSWORD, Answer, Door, Person
from support.site import Site

from social.accounts import session_ends
from social.contracts.auth import Session, SessionEnd, Sessions
from social.contracts.people import Tokens
from social.infra import clock
from social.infra.store.mongo import Transaction


async def log_in(door: Door, username: str = "ada", **more: str) -> Tokens:
    headers = {"User-Agent": more.pop("agent")} if "agent" in more else {}
    ask = {"username": username, "password": PASSWORD, **more}
    return (await door.ask("POST", "/v1/auth/login", ask, headers=headers)).ok(Tokens)


async def sessions(person: Person, query: str = "", token: str | None = None) -> list[Session]:
    token = token or person.tokens.access_token
    return (await person.ask("GET", f"/v1/auth/sessions{query}", token=token)).ok(Sessions).items


async def me(door: Door, tokens: Tokens) -> Answer:
    return await door.ask("GET", "/v1/users/me", token=tokens.access_token)


async def test_each_login_is_listed_with_its_device_the_newest_first(door: Door, ada: Person) -> None:
    await log_in(door, device="Ada's phone")
    await log_in(door, agent="Firefox/140")
    listed = await sessions(ada)
    assert [each.device for each in listed[:2]] == ["Firefox/140", "Ada's phone"]
    assert [each.current for each in listed] == [False, False, True]
    assert {each.ip for each in listed} == {"127.0.0.1"}
    assert all(each.created_at <= each.last_used_at for each in listed)


async def test_a_refresh_is_a_use(ada: Person) -> None:
    (before,) = await sessions(ada)
    await asyncio.sleep(0.002)
    (await ada.refresh()).ok(Tokens)
    (after,) = await sessions(ada)
    assert after.last_used_at > before.last_used_at
    assert after.created_at == before.created_at


async def test_the_list_comes_in_pages(door: Door, ada: Person) -> None:
    for n in range(4):
        await log_in(door, device=f"device {n}")
    first = (await ada.ask("GET", "/v1/auth/sessions?limit=3")).ok(Sessions)
    rest = (await ada.ask("GET", f"/v1/auth/sessions?limit=3&cursor={first.next}")).ok(Sessions)
    assert [each.device for each in first.items] == ["device 3", "device 2", "device 1"]
    assert rest.items[0].device == "device 0"
    assert (len(rest.items), rest.next) == (2, None)


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("", None),
        ("x" * 5_000, "x" * 200),
        ("a\u202eb\u200bc  d\t", "ab c d"),
        ("\u200f", None),
        ("\u200d\u200c", None),
    ],
)
async def test_a_user_agent_is_shown_without_what_could_disguise_it(
    door: Door, ada: Person, agent: str, shown: str | None
) -> None:
    await log_in(door, agent=agent)
    assert (await sessions(ada))[0].device == shown


async def test_a_device_is_named_as_text_that_can_be_read(door: Door, ada: Person) -> None:
    await log_in(door, device="  \u202ephone\u0000 of\nAda ")
    assert (await sessions(ada))[0].device == "phone of Ada"
    await log_in(door, device="\u2068Ada\u2069's 👩\u200d💻")
    assert (await sessions(ada))[0].device == "Ada's 👩\u200d💻"
    answer = await door.ask("POST", "/v1/auth/login", {"username": "ada", "password": PASSWORD, "device": "x" * 201})
    assert answer.wrong_fields() == {"/device": "string_too_long"}


async def test_nobody_sees_or_ends_anybody_elses_session(ada: Person, eve: Person) -> None:
    (hers,) = await sessions(ada)
    assert [each.id for each in await sessions(eve)] != [hers.id]
    (await eve.ask("DELETE", f"/v1/auth/sessions/{hers.id}")).refused(404, "not_found")
    (await eve.ask("DELETE", f"/v1/auth/sessions/{'0' * 24}")).refused(404, "not_found")
    assert (await ada.me()).id == ada.id


async def test_an_ended_session_is_refused_and_no_longer_listed(door: Door, ada: Person) -> None:
    phone = await log_in(door, device="phone")
    listed = await sessions(ada)
    for _ in range(2):
        assert (await ada.ask("DELETE", f"/v1/auth/sessions/{listed[0].id}")).status == 204
    (await me(door, phone)).refused(401, "session_revoked")
    again = await door.ask("POST", "/v1/auth/refresh-token", {"refresh_token": phone.refresh_token})
    again.refused(401, "session_revoked")
    assert [each.id for each in await sessions(ada)] == [listed[1].id]


async def test_logging_out_everywhere_ends_this_session_too_and_nobody_elses(
    door: Door, ada: Person, bob: Person
) -> None:
    phone = await log_in(door)
    assert (await ada.ask("POST", "/v1/auth/logout-all")).status == 204
    (await me(door, phone)).refused(401, "session_revoked")
    (await me(door, ada.tokens)).refused(401, "session_revoked")
    (await ada.refresh()).refused(401, "session_revoked")
    assert (await bob.me()).id == bob.id
    assert [each.current for each in await sessions(ada, token=(await log_in(door)).access_token)] == [True]


async def suspend(tx: Transaction, user_id: str) -> None:
    tx.update("users", {"_id": user_id}, {"$set": {"suspended_at": clock.now()}})
    session_ends.end_all(tx, user_id, SessionEnd.SUSPENDED)


async def test_a_suspension_is_shown_only_to_people_with_the_password(site: Site, door: Door, ada: Person) -> None:
    await site.plaza.commit(suspend, ada.id)
    await session_ends.announce_all(site.plaza, ada.id)
    (await me(door, ada.tokens)).refused(401, "session_revoked")
    (await ada.refresh()).refused(403, "account_suspended")
    right = {"username": "ada", "password": PASSWORD}
    (await door.ask("POST", "/v1/auth/login", right)).refused(403, "account_suspended")
    (await door.ask("POST", "/v1/auth/login", right | {"password": "wrong"})).refused(401, "invalid_credentials")


async def test_no_login_slips_past_the_end_of_all_sessions(site: Site, door: Door, ada: Person) -> None:
    """In either order the later request sees the earlier: afterwards no session is open."""
    for _ in range(5):
        logins = [door.ask("POST", "/v1/auth/login", {"username": "ada", "password": PASSWORD}) for _ in range(4)]
        *answers, _ = await asyncio.gather(*logins, site.plaza.commit(suspend, ada.id))
        assert {answer.status for answer in answers} <= {200, 401, 403}
        open_ = await session_ends.living(site.plaza.mongo, ada.id)
        assert await site.plaza.mongo.count("sessions", open_, limit=10) == 0
        await site.plaza.mongo.update("users", {"_id": ada.id}, {"$unset": {"suspended_at": 1}})
