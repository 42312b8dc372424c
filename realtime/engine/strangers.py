"""Connections that nobody stands for yet: so many in all and of one origin, and the oldest makes room for the newest.

None is refused for those that are there: who will prove themselves in a moment must not wait for who never will.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.engine.session import Session


class Strangers:
    """Sessions without an owner, by where they come from, the oldest first."""

    def __init__(self, most: int | None = None, most_of_one: int | None = None) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._all: OrderedDict[Session, None] = OrderedDict()
        self._of: dict[str, OrderedDict[Session, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, session: "Session", *, again: bool = False) -> "Session | None":
        """Count a session; the answer is the one that goes for it. One that had an owner goes first."""
        here = self._of.setdefault(session.origin, OrderedDict())
        for each in (self._all, here):
            each[session] = None
            each.move_to_end(session, last=not again)
        if self._most_of_one is not None and len(here) > self._most_of_one:
            oldest = next(iter(here))
        elif self._most is not None and len(self._all) > self._most:
            oldest = next(iter(self._all))
        else:
            return None
        self.remove(oldest)
        return oldest

    def remove(self, session: "Session") -> None:
        """Stop counting a connection that has logged in or closed."""
        if session not in self._all:
            return
        del self._all[session]
        here = self._of[session.origin]
        del here[session]
        if not here:
            del self._of[session.origin]
