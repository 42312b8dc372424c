"""Logins that end, tokens that expire, clients beyond their rates, gateways that stop."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import aiohttp
import pytest
from support.eventually import LONG_S
from support.sockets import until

from realtime import limits
from social.accounts import login
from social.contracts.problems import SessionRevoked
from social.infra import clock
from social.infra.security.tokens import ACCESS_LIVES, LEEWAY


def nearly_over(world, person, left_s: float) -> str:
    """Return an access token of a person's login that is accepted for so long."""
    session = world.verifier.verify(person.token).session_id
    signed = clock.now() - ACCESS_LIVES - LEEWAY + timedelta(seconds=left_s + 1)
    return world.keys.signer.sign(person.id, session, signed)


async def test_logging_out_closes_the_sockets_of_that_login_everywhere(world, gateway, ada, bob):
    other = await world.gateway()
    wires = [await ada.connect(gateway), await ada.connect(other)]
    his = await bob.connect(gateway)
    await login.logout(world.plaza, world.keys, ada.tokens.refresh_token)
    await world.within(2, asyncio.gather(*(wire.disconnected_for_good() for wire in wires)))
    assert [wire.named("session.revoked") for wire in wires] == [[{"reason": "logout"}]] * 2
    assert not his.closed.is_set()
    refused = await ada.connect(gateway)
    assert refused.refused["data"]["code"] == "session_revoked"


async def test_logging_out_closes_the_sockets_without_redis_too(world, ada, redis_server):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    await redis_server.kill()
    try:
        await login.logout(world.plaza, world.keys, ada.tokens.refresh_token)
        await world.within(2.5, wire.disconnected_for_good())
    finally:
        await redis_server.start()


async def test_a_login_that_ends_while_its_socket_connects_does_not_get_in(world, gateway, ada):
    session_id = world.verifier.verify(ada.token).session_id
    confirmed = gateway.redis_channels.confirmed

    async def slow(room: str, timeout_s: float) -> bool:
        gateway.plaza.revocations.add(session_id)
        return await confirmed(room, timeout_s)

    gateway.redis_channels.confirmed = slow
    wire = await ada.connect(gateway)
    assert wire.refused["data"]["code"] == "session_revoked"
    assert len(gateway.sockets) == 0
    assert gateway.sockets.users() == []


async def test_a_login_that_ends_at_the_moment_of_its_connect_is_closed(world, gateway, ada, monkeypatch):
    checks = []

    def ends(login):
        checks.append(login)
        if len(checks) > 1:
            raise SessionRevoked

    monkeypatch.setattr(gateway.plaza.revocations, "check", ends)
    wire = await ada.connect(gateway)
    await wire.disconnected_for_good()
    await until(lambda: len(gateway.sockets) == 0)


async def test_a_token_that_runs_out_closes_the_socket_so_that_it_returns(world, gateway, ada):
    wire = await world.wire(gateway.port, {"token": nearly_over(world, ada, 2)})
    assert wire.sid
    await asyncio.wait_for(wire.closed.wait(), LONG_S)
    assert not wire.disconnected
    again = await world.wire(gateway.port, {"token": nearly_over(world, ada, -2), "pid": wire.pid})
    assert again.refused["data"]["code"] == "token_expired"
    assert (await ada.back(wire, gateway)).sid == wire.sid


async def test_a_renewed_session_stays(world, gateway, ada, bob):
    wire = await world.wire(gateway.port, {"token": nearly_over(world, ada, 2)})
    assert (await wire.ask("session.renew", {"token": bob.token}))["problem"]["code"] == "invalid_token"
    assert (await wire.ask("session.renew", {"token": "nonsense"}))["problem"]["code"] == "invalid_token"
    answer = await wire.ask("session.renew", {"token": ada.token})
    assert answer["data"]["expires_at"].endswith("Z")
    await asyncio.sleep(3.5)
    assert (await wire.ask("sync", {"after": "x"}))["ok"]


async def test_who_sends_too_much_is_told_so(world, ada):
    gateway = await world.gateway(events_per_s=0.001, events_burst=3)
    wire = await ada.connect(gateway)
    answers = [await wire.ask("sync", {"after": "x"}) for _ in range(5)]
    assert [answer["ok"] for answer in answers[:3]] == [True] * 3
    assert answers[4]["problem"]["code"] == "rate_limited"


async def test_the_messages_of_a_person_are_counted_over_all_sockets(world, ada, bob):
    gateway = await world.gateway(rate_user="4/3600")
    sockets = [await ada.connect(gateway) for _ in range(2)]
    answers = [await wire.ask("sync", {"after": "x"}) for wire in sockets * 3]
    assert [answer["ok"] for answer in answers] == [True] * 4 + [False] * 2
    assert answers[-1]["problem"]["code"] == "rate_limited"
    assert (await (await bob.connect(gateway)).ask("sync", {"after": "x"}))["ok"]


async def test_one_person_holds_so_many_sockets(world, ada):
    gateway = await world.gateway(sockets_per_user=2)
    first, second = await ada.connect(gateway), await ada.connect(gateway)
    third = await ada.connect(gateway)
    assert third.refused["data"]["code"] == "too_many_sockets"
    await second.close()
    await until(lambda: len(gateway.sockets) == 1)
    assert (await ada.connect(gateway)).sid
    assert (await ada.back(first, gateway)).sid == first.sid  # who returns takes their own place


async def test_too_many_connects_at_once_are_sent_back(world, ada, monkeypatch):
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: 0.0))  # all of them come at once
    gateway = await world.gateway(handshakes_per_s=2, sockets_per_user=100)
    wires = await asyncio.gather(*(ada.connect(gateway) for _ in range(6)))
    assert sum(wire.connected is not None for wire in wires) == 2
    assert all(wire.closed.is_set() for wire in wires if wire.connected is None)


@pytest.mark.parametrize("origin", ["http://localhost:8080", None])
async def test_our_own_pages_may_connect(world, gateway, http, origin):
    url = f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport=polling"
    async with http.get(url, headers={"Origin": origin} if origin else {}) as answer:
        assert answer.status == 200


async def test_a_strangers_page_may_not_connect(world, gateway, http):
    url = f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport=polling"
    async with http.get(url, headers={"Origin": "http://evil.example"}) as answer:
        assert answer.status in (400, 403)


async def test_a_gateway_that_stops_sends_its_clients_to_another_one_by_one(world, ada, http):
    gateway = await world.gateway(drain_s=0.6)
    other = await world.gateway()
    wires = [await ada.connect(gateway) for _ in range(4)]
    draining = asyncio.create_task(gateway.drain())
    waits = [(await wire.event("drain"))["after_ms"] for wire in wires]
    assert len(set(waits)) == 4
    assert max(waits) <= 600
    async with http.get(f"http://127.0.0.1:{gateway.port}/readyz") as answer:
        assert answer.status == 503
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await ada.connect(gateway)
    assert refused.value.status == 503
    await draining
    for wire in wires:
        await asyncio.wait_for(wire.closed.wait(), LONG_S)
        assert not wire.disconnected
        assert (await ada.back(wire, other)).sid == wire.sid


async def test_a_store_that_is_away_is_named_in_the_ack(world, ada, document_store):
    world.store_timeout_s = 3
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    await document_store.kill()
    try:
        answer = await wire.ask("post.create", {"text": "hello"})
        assert answer["problem"]["code"] == "unavailable"
        assert answer["problem"]["status"] == 503
        assert (await ada.connect(gateway)).closed.is_set()  # comes back by itself, until it is in
    finally:
        await document_store.start()

    async def works():
        return (await wire.ask("post.create", {"text": "hello again"}))["ok"]

    await until(works)
