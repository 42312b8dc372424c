"""Every end of a session closes its sockets everywhere, with the reason, and no other sockets."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from support.forging import KINDS, forgeries
from support.people import Door
from support.site import serving
from support.sockets import until

from social.accounts import login, mailed_tokens, session_ends
from social.contracts.auth import SessionEnd
from social.contracts.people import Login
from social.infra import clock

PASSWORD = "a word, and another"  # of `World.person`
WITHIN_S = 2.0


@pytest.fixture
async def api(world) -> AsyncIterator[Door]:
    """The API of the test's world, as another process: gateways learn of its ends by Redis or from the store."""
    plaza = world.new_social()
    await plaza.revocations.poll()
    polling = asyncio.create_task(plaza.revocations.run())
    async with serving(plaza, world.keys) as door:
        yield door
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)
    await plaza.close()


@pytest.fixture(params=["redis up", "redis down"])
async def redis_state(request, redis_server) -> AsyncIterator[Any]:
    """Return what sets Redis to the state under test."""
    yield redis_server.kill if request.param == "redis down" else lambda: asyncio.sleep(0)
    await redis_server.start()


async def log_in(world, person) -> Any:
    return await login.login(world.plaza, world.keys, Login(username=person.username, password=PASSWORD))


async def ask(door: Door, method: str, path: str, tokens: Any, body: Any = None) -> int:
    return (await door.ask(method, path, body, token=tokens.access_token)).status


def session_of(world, tokens: Any) -> str:
    return world.verifier.verify(tokens.access_token).session_id


async def closed_within_two_seconds(world, wires: list[Any], reason: str) -> None:
    await world.within(WITHIN_S + 0.5, asyncio.gather(*(wire.disconnected_for_good() for wire in wires)))
    assert [wire.named("session.revoked") for wire in wires] == [[{"reason": reason}]] * len(wires)


async def two_logins(world, gateway, person) -> tuple[Any, Any, Any]:
    """Connect a socket for a person's first login and one for a second; return both with the second login's tokens."""
    phone = await log_in(world, person)
    first = await person.connect(gateway)
    second = await world.wire(gateway.port, {"token": phone.access_token})
    return first, second, phone


async def test_logging_out_everywhere_closes_every_socket(world, api, ada, bob, redis_state):
    gateway = await world.gateway()
    first, second, _ = await two_logins(world, gateway, ada)
    his = await bob.connect(gateway)
    await redis_state()
    assert await ask(api, "POST", "/v1/auth/logout-all", ada.tokens) == 204
    await closed_within_two_seconds(world, [first, second], "logout_all")
    assert not his.closed.is_set()


async def test_ending_one_session_closes_its_sockets_alone(world, api, ada, redis_state):
    gateway = await world.gateway()
    first, second, phone = await two_logins(world, gateway, ada)
    await redis_state()
    assert await ask(api, "DELETE", f"/v1/auth/sessions/{session_of(world, phone)}", ada.tokens) == 204
    await closed_within_two_seconds(world, [second], "session_removed")
    assert (await first.ask("sync", {"after": "x"}))["ok"]


async def test_a_changed_password_closes_the_sockets_of_the_other_sessions(world, api, ada, redis_state):
    gateway = await world.gateway()
    first, second, _ = await two_logins(world, gateway, ada)
    await redis_state()
    body = {"current_password": PASSWORD, "new_password": "another word"}
    assert await ask(api, "POST", "/v1/auth/password", ada.tokens, body) == 204
    await closed_within_two_seconds(world, [second], "password_changed")
    assert (await first.ask("sync", {"after": "x"}))["ok"]
    assert (await world.wire(gateway.port, {"token": ada.token})).connected


async def test_a_reset_password_closes_every_socket(world, api, ada, redis_state):
    gateway = await world.gateway()
    first, second, _ = await two_logins(world, gateway, ada)
    user = await world.plaza.mongo.one("users", {"_id": ada.id})
    token = await mailed_tokens.mint(world.plaza.mongo, mailed_tokens.Purpose.PASSWORD, ada.id, user["email"])
    await redis_state()
    answer = await api.ask("POST", "/v1/auth/password-reset", {"token": token, "password": "another word"})
    assert answer.status == 204
    await closed_within_two_seconds(world, [first, second], "password_reset")


async def test_a_suspension_closes_every_socket_without_a_word_over_redis(world, ada):
    gateway = await world.gateway()
    first, second, _ = await two_logins(world, gateway, ada)

    async def suspend(tx):
        session_ends.end_all(tx, ada.id, SessionEnd.SUSPENDED)

    await world.plaza.mongo.transact(suspend)
    await closed_within_two_seconds(world, [first, second], "account_suspended")


@pytest.mark.parametrize("thief_first", [True, False], ids=["the thief refreshes first", "the owner refreshes first"])
async def test_a_stolen_refresh_token_closes_the_sockets_of_both(world, api, ada, redis_state, thief_first):
    """The second use of a stolen token, after the first user refreshed, ends the session for both."""
    gateway = await world.gateway()

    async def refresh(token: str) -> Any:
        return await api.ask("POST", "/v1/auth/refresh-token", {"refresh_token": token})

    stolen = ada.tokens.refresh_token
    owners = await ada.connect(gateway)
    first = (await refresh(stolen)).body
    thiefs = await world.wire(gateway.port, {"token": first["access_token"] if thief_first else ada.token})
    second = (await refresh(first["refresh_token"])).body  # whoever was first goes on
    await redis_state()
    (await refresh(stolen)).refused(401, "refresh_token_reused")
    await closed_within_two_seconds(world, [owners, thiefs], "refresh_token_reused")
    for tokens in (first, second):
        (await api.ask("GET", "/v1/users/me", token=tokens["access_token"])).refused(401, "session_revoked")
        (await refresh(tokens["refresh_token"])).refused(401, "session_revoked")
        wire = await world.wire(gateway.port, {"token": tokens["access_token"]})
        assert wire.refused["data"]["code"] == "session_revoked"


async def test_a_lost_answer_within_ten_seconds_closes_nothing(world, api, ada):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    answers = [
        await api.ask("POST", "/v1/auth/refresh-token", {"refresh_token": ada.tokens.refresh_token}) for _ in range(3)
    ]
    assert len({answer.body["refresh_token"] for answer in answers}) == 1
    assert (await wire.ask("session.renew", {"token": answers[-1].body["access_token"]}))["ok"]


async def test_who_was_not_refused_by_the_old_gateway_is_refused_by_a_new_one(world, ada):
    await login.logout_all(world.plaza, ada.id)
    gateway = await world.gateway()
    assert (await ada.connect(gateway)).refused["data"]["code"] == "session_revoked"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_forged_token_opens_no_socket_and_renews_none(world, gateway, ada, kind):
    forged = forgeries(world.pem, ada.token)[kind]
    refused = await world.wire(gateway.port, {"token": forged})
    assert refused.connected is None
    expected = "validation_failed" if len(forged) > 4_096 else "invalid_token"
    assert refused.refused["data"]["code"] == "invalid_token"
    wire = await ada.connect(gateway)
    answer = await wire.ask("session.renew", {"token": forged})
    assert answer["problem"]["code"] == expected
    assert (await wire.ask("session.renew", {"token": ada.token}))["ok"]


async def test_a_token_of_a_hundred_kilobytes_opens_no_socket(world, gateway, ada):
    wire = await world.wire(gateway.port, {"token": "x" * 100_000})
    await until(wire.closed.is_set)
    assert wire.connected is None
    assert (await ada.connect(gateway)).connected


async def test_a_token_that_is_over_says_so_on_the_socket(world, gateway, ada):
    session = world.verifier.verify(ada.token).session_id
    over = world.keys.signer.sign(ada.id, session, clock.now() - timedelta(minutes=12))
    wire = await world.wire(gateway.port, {"token": over})
    assert wire.refused["data"]["code"] == "token_expired"
