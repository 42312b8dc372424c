"""Groups that have an event already while others do not, so that a failing queue does not flood those that work."""

import time
from collections.abc import Iterable

from social.contracts.events import Group

KEPT_S = 60.0  # after the last attempt; an operator may send an event again, which all its groups are to get


class Reached:
    """The groups that events reached, by id, in the order of the last attempts."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[float, frozenset[Group]]] = {}

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._groups

    def pop(self, event_id: str) -> frozenset[Group]:
        """Return the groups that have an event, and forget them until this attempt has failed, too."""
        self._forget_old()
        return self._groups.pop(event_id, (0.0, frozenset[Group]()))[1]

    def add(self, event_id: str, groups: Iterable[Group]) -> None:
        """Remember the groups that have an event, if any."""
        _, known = self._groups.pop(event_id, (0.0, frozenset[Group]()))
        if all_groups := known.union(groups):
            self._groups[event_id] = time.monotonic(), all_groups

    def _forget_old(self) -> None:
        while self._groups:
            oldest = next(iter(self._groups))
            if self._groups[oldest][0] >= time.monotonic() - KEPT_S:
                return
            del self._groups[oldest]
