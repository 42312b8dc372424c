"""The ledger of the demo: the acts that were acknowledged, the pushes that arrived, and the table of both.

A like counts as delivered to its author when a push of its group shows a `count` that reaches its place in the group.
"""

import statistics
import time
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from social.contracts.codec import encode

Key = tuple[str, str, str]  # recipient, type, target


@dataclass
class Ledger:
    """The acts that were acknowledged, and what arrived where."""

    asked: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    arrived: dict[Key, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    posted: dict[str, tuple[float, set[str]]] = field(default_factory=dict)
    shown: dict[tuple[str, str], float] = field(default_factory=dict)
    offsets: set[tuple[str, str]] = field(default_factory=set)
    duplicates: int = 0
    refused: int = 0

    def pushed(self, person: str, event: str, data: Any, offset: str | None) -> None:
        """Note a frame that arrived on a person's socket."""
        now = time.perf_counter()
        if event == "feed.post":
            self.duplicates += (person, data["id"]) in self.shown
            self.shown.setdefault((person, data["id"]), now)
            return
        self.duplicates += (person, str(offset)) in self.offsets
        self.offsets.add((person, str(offset)))
        if event in ("notification", "notification.updated"):
            self.arrived[person, data["type"], data["target"]["id"]].append((data["count"], now))

    def outcome(self, kind: str) -> tuple[int, int, list[float]]:
        """Return acknowledged, missing, and the seconds the others took, of one notification type."""
        acknowledged, missing, seconds = 0, 0, []
        for key, sent in self.asked.items():
            if key[1] != kind:
                continue
            arrivals = sorted(self.arrived[key], key=lambda each: each[1])
            highest, counts = 0, []
            for count, _ in arrivals:
                highest = max(highest, count)
                counts.append(highest)
            for place, at in enumerate(sorted(sent), start=1):
                acknowledged += 1
                index = bisect_left(counts, place)
                if index == len(counts):
                    missing += 1
                else:
                    seconds.append(max(0.0, arrivals[index][1] - at))
        return acknowledged, missing, seconds

    def posts(self) -> tuple[int, int, list[float]]:
        """Return acknowledged, missing, and the seconds the others took, of posts on their way to followers."""
        expected = [(person, post_id, at) for post_id, (at, people) in self.posted.items() for person in people]
        seconds = [self.shown[person, post] - at for person, post, at in expected if (person, post) in self.shown]
        return len(expected), len(expected) - len(seconds), seconds

    def complete(self) -> bool:
        """Return whether everything acknowledged has arrived."""
        return not self.posts()[1] and not any(self.outcome(kind)[1] for kind in ("like", "comment", "follow"))


def report(ledger: Ledger, *, as_json: bool) -> int:
    """Print what was acknowledged, delivered and missing; return 1 if anything is missing or came twice, else 0."""
    rows = {
        "like → notification": ledger.outcome("like"),
        "comment → notification": ledger.outcome("comment"),
        "follow → notification": ledger.outcome("follow"),
        "post → followers' feed.post": ledger.posts(),
    }
    table = Table("", *(f"[bold]{name}" for name in ("acknowledged", "delivered", "missing", "p50", "p95", "p99")))
    for name, (acknowledged, missing, seconds) in rows.items():
        spread = [f"{1000 * each:.0f} ms" for each in _percentiles(seconds)] or ["-"] * 3
        table.add_row(name, str(acknowledged), str(acknowledged - missing), str(missing), *spread)
    console = Console()
    console.print(table)
    console.print(f"duplicates: {ledger.duplicates}   refused: {ledger.refused}")
    missing = sum(row[1] for row in rows.values())
    if as_json:
        result = {
            "acknowledged": sum(row[0] for row in rows.values()),
            "missing": missing,
            "duplicates": ledger.duplicates,
            "refused": ledger.refused,
            "like_to_push_ms": [round(1000 * each, 1) for each in _percentiles(rows["like → notification"][2])],
        }
        print(encode(result).decode())
    return 1 if missing or ledger.duplicates else 0


def _percentiles(seconds: list[float]) -> list[float]:
    """Return the 50th, 95th and 99th percentiles."""
    if len(seconds) < 2:
        return seconds * 3
    hundredths = statistics.quantiles(seconds, n=100, method="inclusive")
    return [hundredths[49], hundredths[94], hundredths[98]]
