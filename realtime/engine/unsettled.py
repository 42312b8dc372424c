"""Bounds on unsettled sessions, which have not logged in yet: in all and of one origin, the oldest makes room.

No newcomer is refused for them: clients that log in in a moment must not wait for clients that never do.
"""

from collections import OrderedDict

from realtime.engine.session import Session


class Unsettled:
    """Sessions that nothing has settled (see `Engine.settle`), by origin, the oldest first."""

    def __init__(self, most: int | None = None, most_of_one: int | None = None) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._all: OrderedDict[Session, None] = OrderedDict()
        self._by_origin: dict[str, OrderedDict[Session, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, session: Session, *, again: bool = False) -> Session | None:
        """Add a session; return the session that makes room for it; sessions that were settled before go first."""
        same_origin = self._by_origin.setdefault(session.origin, OrderedDict())
        for each in (self._all, same_origin):
            each[session] = None
            each.move_to_end(session, last=not again)
        if self._most_of_one is not None and len(same_origin) > self._most_of_one:
            oldest = next(iter(same_origin))
        elif self._most is not None and len(self._all) > self._most:
            oldest = next(iter(self._all))
        else:
            return None
        self.remove(oldest)
        return oldest

    def remove(self, session: Session) -> None:
        """Remove a session that was settled or has closed."""
        if session not in self._all:
            return
        del self._all[session]
        same_origin = self._by_origin[session.origin]
        del same_origin[session]
        if not same_origin:
            del self._by_origin[session.origin]
