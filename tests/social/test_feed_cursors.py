"""Places in a home timeline, as text."""

from hypothesis import given
from hypothesis import strategies as st

from social.feeds import cursors
from social.feeds.cursors import MOST_SEEN, Newer, Older
from social.infra import clock, paging

PLACES = st.binary(min_size=12, max_size=12).map(bytes.hex)
SEEN = st.frozensets(st.integers(0, 0xFFFFFF), max_size=MOST_SEEN)
NEAR = st.integers(0, 2**32 - 1).map(lambda seconds: f"{seconds:08x}{'0' * 16}")
OLDER = st.tuples(PLACES, st.booleans()) | st.tuples(PLACES, st.just(True), NEAR)
TIMES = st.integers(0, 2**32 * 1000 - 1000).map(clock.at_millis)


@given(OLDER.map(lambda parts: Older(*parts)) | st.builds(Newer, PLACES, PLACES, TIMES, SEEN))
def test_every_place_is_read_back_and_no_cursor_is_too_long_to_be_taken(at: Older | Newer) -> None:
    cursor = cursors.write(at)
    assert cursors.read(cursor) == at
    assert len(cursor) <= paging.LONGEST


def test_the_longest_cursor_is_taken() -> None:
    at = Newer("f" * 24, "0" * 24, clock.at_millis(0), frozenset(range(MOST_SEEN)))
    assert 400 < len(cursors.write(at)) <= paging.LONGEST
