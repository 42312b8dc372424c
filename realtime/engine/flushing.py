"""The time at which published frames are written: at once after a quiet time, later and together under load."""

from time import perf_counter

WORTH_S = 0.001  # a flush that took less than this is not worth a wait
LONGEST_WAIT_S = 0.1
MOST_BYTES = 65_536  # the limits of slow clients do not count gathered frames, so a client may have only so many


class FlushRule:
    """Decides in each turn of the event loop whether the frames published so far are written or wait for more.

    Frames that are published after a quiet time are written in the next callback of the loop. A flush costs the
    kernel's price of a send per subscriber, however many frames it carries. So for as long as the last flush took,
    counted from its end, frames of successive turns wait for each other: no wait is longer than the flush that it
    saves. The first turn that publishes nothing ends the wait.
    """

    __slots__ = ("_began", "_bytes", "_published", "_seen", "_until")

    def __init__(self) -> None:
        self._published = 0  # frames since the last flush
        self._seen = 0  # of these, those that an earlier turn decided to gather
        self._bytes = 0
        self._began = 0.0
        self._until = 0.0  # gathering ends

    def published(self, size: int) -> None:
        """Count a frame that waits for the next flush."""
        self._published += 1
        self._bytes += size

    @property
    def costly(self) -> bool:
        """Return whether the last flush took so long that frames published now should wait for more."""
        return perf_counter() < self._until

    @property
    def gathering(self) -> bool:
        """Return whether frames wait and may go on waiting; changes nothing."""
        return self._published > 0 and self._bytes < MOST_BYTES and self.costly

    def waits(self) -> bool:
        """Return whether to wait for the next turn; called once a turn."""
        if self._published == self._seen or not self.gathering:
            return False
        self._seen = self._published
        return True

    def begin(self) -> bool:
        """Note that a flush begins; return whether it has frames to write."""
        had, self._published, self._seen, self._bytes = self._published, 0, 0, 0
        self._began = perf_counter()
        return had > 0

    def end(self) -> None:
        """Note that the flush has ended: the next frames may wait for as long as it took."""
        now = perf_counter()
        took_s = now - self._began
        self._until = now + min(took_s, LONGEST_WAIT_S) if took_s >= WORTH_S else 0.0
