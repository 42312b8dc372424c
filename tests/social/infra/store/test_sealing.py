"""Seals: all processes share the keys, which change by themselves while older cursors are still accepted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from social.contracts.problems import ValidationFailed
from social.infra import clock
from social.infra.store import sealing
from social.infra.store.mongo import Mongo
from social.infra.store.rows import CURSOR_KEYS
from social.infra.store.sealing import Seals

LIST = ("posts", "of ada", "read by bob")


@pytest.fixture
async def mongo(mongo_url: str, mongo_database: str) -> AsyncIterator[Mongo]:
    client = Mongo(mongo_url, mongo_database)
    yield client
    client.close()


async def ready(mongo: Mongo) -> Seals:
    """Return a sealer as a process has it that has just started."""
    seals = Seals(mongo)
    await seals.ready()
    return seals


async def test_processes_that_start_together_have_the_same_key(mongo: Mongo) -> None:
    several = await asyncio.gather(*(ready(mongo) for _ in range(5)))
    sealed = {seals.seal(b"here", LIST) for seals in several}
    assert len(sealed) == 1
    for seals in several:
        assert await seals.open(sealed.copy().pop(), LIST) == b"here"


@given(packed=st.binary(max_size=400))
def test_what_is_sealed_is_opened_whatever_it_is(packed: bytes) -> None:
    async def there_and_back() -> bytes:
        seals = Seals(_Kept())
        await seals.ready()
        return await seals.open(seals.seal(packed, LIST), LIST)

    assert asyncio.run(there_and_back()) == packed


class _Kept:
    """A store that holds one key."""

    async def many(self, *_: object, **__: object) -> list[dict[str, object]]:
        return [{"_id": 300, "key": bytes(range(64)), "at": clock.now()}]

    async def insert(self, *_: object) -> None:
        raise AssertionError("there is a key")

    async def delete(self, *_: object) -> int:
        raise AssertionError("there is a key")


@pytest.mark.parametrize("bound", [("posts", "of ada", "read by eve"), ("posts", "of adaread by bob"), ("posts",), ()])
async def test_different_bindings_of_a_cursor_are_distinguished(mongo: Mongo, bound: tuple[str, ...]) -> None:
    seals = await ready(mongo)
    with pytest.raises(ValidationFailed):
        await seals.open(seals.seal(b"here", LIST), bound)


async def test_keys_change_and_the_cursors_of_the_last_one_are_still_taken(
    mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await ready(mongo)
    cursor = first.seal(b"here", LIST)
    _later(monkeypatch, sealing.CHANGES + timedelta(days=1))
    second = await ready(mongo)
    newer = second.seal(b"here", LIST)
    assert newer != cursor
    assert await second.open(cursor, LIST) == b"here"
    monkeypatch.setattr(sealing, "LOOK_AGAIN_S", 0)
    assert await first.open(newer, LIST) == b"here", "who knows only the older key looks for the newer"
    assert first.seal(b"here", LIST) == newer
    _later(monkeypatch, 2 * sealing.CHANGES + timedelta(days=2))
    third = await ready(mongo)
    with pytest.raises(ValidationFailed):
        await third.open(cursor, LIST)
    assert await third.open(newer, LIST) == b"here"
    assert await mongo.count(CURSOR_KEYS, {}, limit=9) == sealing.KEPT


async def test_cursors_of_made_up_keys_do_not_make_it_look_each_time(mongo: Mongo) -> None:
    seals = await ready(mongo)
    looked = seals._looked_at
    for made_up in ("", "AA", "_" * 80, "AAAA", "é", "\0", "x" * 513, "=" * 8):
        with pytest.raises(ValidationFailed):
            await seals.open(made_up, LIST)
    assert seals._looked_at == looked


def _later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    now: datetime = clock.EPOCH + (datetime.now(tz=clock.EPOCH.tzinfo) - clock.EPOCH) + by
    monkeypatch.setattr(clock, "now", lambda: now)
