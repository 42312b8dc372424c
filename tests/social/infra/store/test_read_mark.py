"""A poller reads everything that becomes visible, whatever the store's clock does."""

from datetime import timedelta

from social.infra import clock
from social.infra.store.mongo import OVERLAP
from social.infra.store.read_mark import ReadMark

LATER = timedelta(minutes=5)


def test_each_poll_reads_what_the_one_before_may_have_missed() -> None:
    mark, now = ReadMark(), clock.now()
    assert mark.since(now, first=LATER) == now - LATER
    mark.advance(now)
    assert mark.since(now + LATER) == now - OVERLAP


def test_a_clock_that_was_set_back_hides_nothing() -> None:
    mark, now = ReadMark(), clock.now()
    mark.advance(now)
    assert mark.since(now - LATER) == now - LATER - OVERLAP
