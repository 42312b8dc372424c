"""Claims of a socket id: the latest wins, in whichever order gateways hear of them; no server takes part."""

from typing import Any
from unittest.mock import AsyncMock

import pytest

from realtime import resume
from realtime.claims import Claims
from realtime.limits import Bucket
from realtime.resume import Claim, Pid
from realtime.sockets import Socket, Sockets
from social.infra.security.tokens import Access

SID, USER, LOGIN, HERE = "sid", "a" * 24, "b" * 24, "here"
PID = Pid(SID, USER, LOGIN, "epoch", 0, HERE, 0)


class Gateway:
    """Claims of a gateway, its sockets, and those it aborted."""

    def __init__(self) -> None:
        self.sockets, self.aborted = Sockets(), list[Socket]()
        channels: Any = AsyncMock(node=HERE)
        self.claims = Claims(AsyncMock(), channels, self.sockets, abort=self.aborted.append)

    def socket(self, *, connected: bool, gen: int = 0) -> Socket:
        """Return a socket that has this sid by a claim, or connects with it."""
        socket = Socket(Access(USER, LOGIN, 0), "", Bucket(1, 1))
        socket.sid, socket.connected, socket.claim_gen = SID, connected, gen
        if connected:
            self.sockets.add_connecting(socket)
            self.sockets.add(socket)
        else:
            self.claims.take(socket, SID)
        return socket


@pytest.fixture
def gateway() -> Gateway:
    """A gateway without sockets."""
    return Gateway()


@pytest.mark.parametrize("gen", [4, 5])
def test_word_of_an_earlier_claim_evicts_nobody(gateway: Gateway, gen: int) -> None:
    held, _ = gateway.socket(connected=True, gen=5), gateway.claims.evict(SID, gen)
    assert gateway.aborted == []
    gateway.claims.evict(SID, 6)
    assert gateway.aborted == [held]


async def test_a_socket_whose_id_was_claimed_elsewhere_while_it_claims_it_does_not_get_in(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for later, ended in ((7, False), (8, True)):

        async def claim(*_: Any, later: int = later) -> Claim:
            gateway.claims.evict(SID, later)
            return Claim(7, HERE, [], False)

        monkeypatch.setattr(resume, "claim", claim)
        socket = gateway.socket(connected=False)
        assert await gateway.claims.claim(socket, PID) == ()
        assert socket.ended == ended


async def test_a_connection_that_a_later_claim_ended_claims_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = AsyncMock()
    monkeypatch.setattr(resume, "claim", asked)
    first, _ = gateway.socket(connected=False), gateway.socket(connected=False)
    assert await gateway.claims.claim(first, PID) == ()
    assert first.ended
    asked.assert_not_awaited()
