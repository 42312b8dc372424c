"""The mark up to which a poller has read the writes of other processes, by times that the store's clock stamps."""

from datetime import datetime, timedelta

from social.infra.store.mongo import OVERLAP


class ReadMark:
    """The time up to which a poller has read everything; it reads the last `OVERLAP` again each time.

    Rows become visible up to `OVERLAP` after their stamp: a poller that went on from the newest row would miss some.
    """

    def __init__(self) -> None:
        self._until: datetime | None = None  # by the store's clock

    def since(self, now: datetime, *, first: timedelta = OVERLAP) -> datetime:
        """Return the time to read from; the first time that is `first` before `now`.

        Where the store's clock was set back, or another member with another clock took over, that is `OVERLAP` before
        `now` by the new clock.
        """
        return min(self._until, now - OVERLAP) if self._until else now - first

    def advance(self, now: datetime) -> datetime:
        """Record that all rows visible at `now` were read; return the time from which the next poll reads."""
        self._until = now - OVERLAP
        return self._until
