"""The part of a folded count that is shown."""

from collections.abc import Mapping
from typing import Any

HIDDEN = "hidden"  # how much of each count is hidden: `hidden_counts`


def shown(document: Mapping[str, Any], name: str) -> int:
    """Return a count as everybody is shown it; never negative, whatever the deltas say meanwhile."""
    count, hidden = document.get(name, 0), document.get(HIDDEN)
    if hidden:
        count -= max(0, hidden.get(name, 0))
    return count if count > 0 else 0
