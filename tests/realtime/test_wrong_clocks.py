"""Ended sessions and changed visibility are found in the store, with any clock at the process that wrote them.

Redis does not pass them on here: they are written by another process with a connection to the store alone.
"""

import asyncio
from datetime import timedelta

import pytest
from support.skew import clock_ahead, skew
from support.sockets import until

from social.accounts import lifecycle
from social.accounts import login as auth
from social.accounts.session_ends import revoke
from social.contracts.auth import SessionEnd
from social.people import blocks

__all__ = ["skew"]

pytestmark = pytest.mark.usefixtures("skew")

WRONG_S = (-600, -12, 600)
WITHIN_S = 2.5


@pytest.mark.parametrize("ahead_s", WRONG_S)
async def test_a_suspension_closes_every_socket_whatever_time_the_operator_has(world, ada, ahead_s):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    await asyncio.sleep(1.2)  # a poll ago
    with clock_ahead(ahead_s):
        await lifecycle.suspend(world.plaza.mongo, ada.username, None)
    await world.within(WITHIN_S, wire.disconnected_for_good())
    assert wire.named("session.revoked") == [{"reason": "account_suspended"}]


@pytest.mark.parametrize("ahead_s", WRONG_S)
async def test_a_session_that_ends_closes_its_sockets_whatever_time_it_is_there(world, ada, ahead_s, monkeypatch):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    await asyncio.sleep(1.2)
    session_id = world.verifier.verify(ada.token).session_id
    monkeypatch.setattr(world.plaza.pushes, "control", lambda *_: asyncio.sleep(0))
    with clock_ahead(ahead_s):
        await revoke(world.plaza, session_id, SessionEnd.REMOVED)
    await world.within(WITHIN_S, wire.disconnected_for_good())


@pytest.mark.parametrize("ahead_s", WRONG_S)
async def test_a_block_is_found_whatever_the_time_of_who_blocks(world, ada, bob, ahead_s):
    gateway = await world.gateway()
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    await asyncio.sleep(1.2)
    with clock_ahead(ahead_s):
        await world.plaza.mongo.transact(lambda tx: blocks.block(tx, bob.username, by=ada.id))
    sockets = [(gateway.sockets.get(hers.sid), bob.id), (gateway.sockets.get(his.sid), ada.id)]
    await world.within(WITHIN_S, until(lambda: all(socket.hides(other) for socket, other in sockets)))


@pytest.mark.parametrize("gateway_ahead_s", [-12, 600])
async def test_a_gateway_with_a_wrong_clock_still_hears_of_what_ends(world, ada, gateway_ahead_s, monkeypatch):
    with clock_ahead(gateway_ahead_s):  # its own tasks begin here
        gateway = await world.gateway()
    monkeypatch.setattr(world.plaza.pushes, "control", lambda *_: asyncio.sleep(0))
    await auth.logout_all(world.plaza, ada.id)

    def heard() -> bool:
        login = world.verifier.verify(ada.token)
        return gateway.plaza.revocations.reason(login) is not None

    await world.within(WITHIN_S, until(heard))


async def test_what_a_store_whose_clock_was_set_back_stamps_is_found(world, ada, monkeypatch):
    """The clock was ten minutes ahead when a process began to poll, as that of another primary may be."""
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    mongo = gateway.plaza.mongo
    right = mongo.now

    async def ahead():
        return await right() + timedelta(seconds=600)

    monkeypatch.setattr(mongo, "now", ahead)
    await asyncio.sleep(1.5)
    monkeypatch.setattr(mongo, "now", right)
    await lifecycle.suspend(world.plaza.mongo, ada.username, None)
    await world.within(WITHIN_S, wire.disconnected_for_good())
