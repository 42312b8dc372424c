"""Places in a home timeline, as text."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from social.feeds import cursors
from social.feeds.cursors import MOST_SEEN, Newer, Older
from social.infra import clock
from social.infra.store import paging
from social.infra.store.mongo import Mongo

PLACES = st.binary(min_size=12, max_size=12).map(bytes.hex)
SEEN = st.frozensets(st.integers(0, 0xFFFFFF), max_size=MOST_SEEN)
NEAR = st.integers(1, 2**32 - 1).map(lambda seconds: f"{seconds:08x}{'0' * 16}")
OLDER = st.tuples(PLACES, st.booleans()) | st.tuples(PLACES, st.just(True), NEAR)
TIMES = st.integers(0, 2**32 * 1000 - 1000).map(clock.at_millis)


@given(OLDER.map(lambda parts: Older(*parts)) | st.builds(Newer, PLACES, PLACES, TIMES, SEEN))
def test_every_place_is_read_back(at: Older | Newer) -> None:
    assert cursors.unpack(cursors.pack(at)) == at


@pytest.fixture
async def mongo(mongo_url: str, mongo_database: str) -> AsyncIterator[Mongo]:
    client = Mongo(mongo_url, mongo_database)
    yield client
    client.close()


async def test_the_longest_cursor_is_taken(mongo: Mongo) -> None:
    at = Newer("f" * 24, "0" * 24, clock.at_millis(0), frozenset(range(MOST_SEEN)))
    await mongo.seals.ready()
    assert 400 < len(mongo.seals.seal(cursors.pack(at), ("feed", "f" * 24))) <= paging.LONGEST
