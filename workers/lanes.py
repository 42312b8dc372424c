"""The lanes in which messages wait for their batch, so that a busy key does not hold up the others."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from social.infra.broker.broker import Delivery

MOST_AT_ONCE = 256  # messages of a batch
BUSY = 32  # waiting messages with a key, above which the key is busy
PIECE_S = 0.05  # for a piece of the busy lane, before the quiet lane has its turn


class Lanes:
    """Waiting messages in two lanes that take turns: busy keys, to which much happens, and all others (quiet)."""

    def __init__(self) -> None:
        self._quiet: list[Delivery] = []
        self._busy: list[Delivery] = []
        self._waiting: Counter[str] = Counter()  # messages of each key in both lanes
        self._in_busy: Counter[str] = Counter()  # and those of them in the busy lane
        self._turn, self._busy_turn = False, False
        self._piece = MOST_AT_ONCE

    @property
    def waiting(self) -> bool:
        """Whether messages wait for the next batch."""
        return bool(self._quiet or self._busy)

    def put(self, taken: Sequence[Delivery]) -> None:
        """Add messages; all of a key are in the same lane, so that they keep their order."""
        keys = [key(each) for each in taken]
        self._waiting.update(keys)
        self._make_busy({each for each in keys if self._waiting[each] > BUSY and not self._in_busy[each]})
        for each, its_key in zip(taken, keys, strict=True):
            if self._waiting[its_key] > BUSY or self._in_busy[its_key]:
                self._busy.append(each)
                self._in_busy[its_key] += 1
            else:
                self._quiet.append(each)

    def _make_busy(self, keys: set[str]) -> None:
        if keys and self._quiet:
            moved = [each for each in self._quiet if key(each) in keys]
            self._in_busy.update(map(key, moved))
            self._busy += moved
            self._quiet = [each for each in self._quiet if key(each) not in keys]

    def next(self) -> list[Delivery]:
        """Return the next batch: the lanes take turns, and a turn of the busy lane is only a piece of it."""
        self._turn = not self._turn or not self._busy
        self._busy_turn = bool(self._busy) and not (self._turn and self._quiet)
        lane, most = (self._busy, self._piece) if self._busy_turn else (self._quiet, MOST_AT_ONCE)
        batch, lane[:] = lane[:most], lane[most:]
        keys = [key(each) for each in batch]
        for waiting in (self._waiting, self._in_busy) if self._busy_turn else (self._waiting,):
            waiting.subtract(keys)
            waiting += Counter()  # drops keys at zero
        return [each for each in batch if each.held]  # a partition may have gone to another worker meanwhile

    @contextmanager
    def handling(self, count: int) -> Iterator[None]:
        """Measure a batch, to size pieces of the busy lane so that each takes about `PIECE_S`."""
        started = time.monotonic()
        yield
        if self._busy_turn:
            fits = round(count * PIECE_S / max(time.monotonic() - started, 0.001))
            self._piece = max(BUSY, min(MOST_AT_ONCE, fits))


def key(delivery: Delivery) -> str:
    """Return the key of a message's event; of an unreadable message, which will be parked, none."""
    try:
        return delivery.envelope().key
    except ValueError:
        return ""
