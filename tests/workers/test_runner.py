"""The order in which the runner handles, parks and acks messages; no server takes part."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from support.likes import Like

from social.contracts.envelope import Envelope
from social.contracts.events import Group
from social.contracts.problems import Unavailable
from social.infra.broker.inbox import ReceivedEvent
from social.infra.process.plaza import Plaza
from workers import runner
from workers.deaths import Turns
from workers.runner import Consumer

pytestmark = pytest.mark.parametrize("broker", ["local"])

REDIS: Any = AsyncMock(**{"get.return_value": None, "incr.return_value": 1})
PLAZA: Any = SimpleNamespace(mongo=None, redis=REDIS)  # the tests reach no server


class Message(Like):
    """A message that notes in `happened`, under its name, what is done with it."""

    def __init__(self, happened: list[str], name: str, *, redelivered: bool = False, attempt: int = 0) -> None:
        super().__init__(name.encode().hex().zfill(24), redelivered=redelivered, attempt=attempt)
        self.happened, self.name = happened, name

    def note(self, what: str) -> None:
        self.happened.append(f"{what} {self.name}")


def name_of(event_id: str) -> str:
    """Return the name of the message that an event came with."""
    return bytes.fromhex(event_id).lstrip(b"\0").decode()


class Unreadable(Message):
    """A message that is no event."""

    def envelope(self) -> Envelope:
        raise ValueError("no event")


@pytest.fixture
def happened() -> list[str]:
    """Return the list of what happens, in order."""
    return []


@pytest.fixture
def consumer(happened: list[str]) -> Consumer:
    """A consumer that notes which events it handled together, with a `?` behind those that may have taken effect."""

    async def handle(_plaza: Plaza, events: Sequence[ReceivedEvent]) -> None:
        happened.append("handle " + " ".join(name_of(each.id) + "?" * each.again for each in events))

    return Consumer(Group.COUNTERS, handle)


async def test_a_message_is_acked_after_it_was_handled(happened: list[str], consumer: Consumer) -> None:
    await runner.handle(PLAZA, consumer, [Message(happened, "a"), Message(happened, "b")], Turns())
    assert happened == ["handle a b", "ack a", "ack b"]


async def test_a_fresh_message_waits_for_a_redelivered_one_with_its_key(
    happened: list[str], consumer: Consumer
) -> None:
    taken = [Message(happened, "new"), Message(happened, "old", redelivered=True)]
    await runner.handle(PLAZA, consumer, taken, Turns())
    assert happened == ["handle old?", "ack old", "handle new", "ack new"]


async def test_a_handler_learns_which_events_may_have_taken_effect(happened: list[str], consumer: Consumer) -> None:
    again = [Message(happened, "left", redelivered=True), Message(happened, "failed", attempt=1)]
    await runner.handle(PLAZA, consumer, again, Turns())
    assert [each for each in happened if each.startswith("handle")] == ["handle left?", "handle failed?"]


async def test_a_message_that_nobody_can_handle_is_parked_before_it_is_acked(
    happened: list[str], consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def park(*_: Any) -> None:
        happened.append("park")

    monkeypatch.setattr(runner.parked, "park", park)
    await runner.handle(PLAZA, consumer, [Unreadable(happened, "a")], Turns())
    assert happened == ["park", "ack a"]


@pytest.mark.parametrize(("takes_writes", "end"), [(False, "ack a"), (True, "retry a")], ids=["away", "there"])
async def test_a_message_waits_for_a_store_that_is_away_and_not_for_one_that_works(
    happened: list[str], monkeypatch: pytest.MonkeyPatch, takes_writes: bool, end: str
) -> None:
    monkeypatch.setattr(runner, "PAUSE_S", 0)
    tries = 2 * runner.MOST_TIMEOUTS

    async def handle(_plaza: Plaza, events: Sequence[ReceivedEvent]) -> None:
        happened.append("handle")
        if happened.count("handle") < tries:
            raise Unavailable

    plaza: Any = SimpleNamespace(mongo=SimpleNamespace(takes_writes=AsyncMock(return_value=takes_writes)))
    await runner.handle(plaza, Consumer(Group.COUNTERS, handle), [Message(happened, "a")], Turns())
    assert happened == ["handle"] * (runner.MOST_TIMEOUTS if takes_writes else tries) + [end]
