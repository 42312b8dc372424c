"""A run second by second: how many take part, what they request, what arrives, and how busy the client is."""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import gevent
import psutil
from locust.env import Environment

from loadtests.deliveries import Deliveries
from loadtests.person import Person

PRINTS_EVERY_S = 5  # where the output is not a terminal


class Progress:
    """The rows of a run, a second each; a headless run also prints them."""

    def __init__(self, environment: Environment, people: Mapping[str, Person], deliveries: Deliveries) -> None:
        self.rows: list[dict[str, Any]] = []
        self.began = time.perf_counter()
        self._environment = environment
        self._people = people
        self._deliveries = deliveries
        self._live: dict[str, list[float]] = defaultdict(list)  # seconds to each live push of this second, by kind
        self._requests: Counter[str] = Counter()  # of this second
        self._process = psutil.Process()
        self._watch: gevent.Greenlet | None = None

    def begin(self) -> None:
        """Start the clock and the rows."""
        self.began = time.perf_counter()
        self._process.cpu_percent()
        self._environment.events.request.add_listener(self._count_request)
        self._watch = gevent.spawn(self._record)

    def end(self) -> None:
        """Write no more rows."""
        if self._watch is not None:
            self._watch.kill()
        self._environment.events.request.remove_listener(self._count_request)

    def arrived(self, kind: str, seconds: float) -> None:
        """Count a push that arrived live, `seconds` after its write was sent."""
        self._live[kind].append(seconds)

    def _count_request(self, request_type: str, **_: Any) -> None:
        self._requests["pushes" if request_type == "PUSH" else "requests"] += 1

    def _record(self) -> None:
        at = 0
        while True:
            gevent.sleep(max(0.0, self.began + at + 1 - time.perf_counter()))
            at += 1
            lag = time.perf_counter() - self.began - at
            requests, self._requests = self._requests, Counter()
            live, self._live = self._live, defaultdict(list)
            people = list(self._people.values())
            row = {
                "at_s": at,
                "users": self._environment.runner.user_count if self._environment.runner else 0,
                "sockets": sum(person.there for person in people),
                "away": sum(not person.there for person in people),
                "requests": requests["requests"],
                "pushes": requests["pushes"],
                "like_p50_ms": percentile_ms(live["like"], 50),
                "like_p99_ms": percentile_ms(live["like"], 99),
                "post_p50_ms": percentile_ms(live["post"], 50),
                "post_p99_ms": percentile_ms(live["post"], 99),
                "awaited": sum(self._deliveries.missing().values()),
                "cpu": self._process.cpu_percent() / 100,
                "lag_ms": round(1000 * lag, 1),
            }
            self.rows.append(row)
            self._print(row)

    def _print(self, row: dict[str, Any]) -> None:
        options = self._environment.parsed_options
        if not (options and options.headless):
            return
        latency = "" if row["like_p50_ms"] is None else f"  like → push {row['like_p50_ms']:.0f} ms"
        line = (
            f"{row['at_s']:>4} s  {row['users']} users, {row['sockets']} sockets  {row['requests']} requests/s"
            f"  {row['pushes']} pushes/s{latency}  {row['awaited']} on their way"
        )
        if sys.stdout.isatty():
            print(f"\r\033[K{line}", end="", flush=True)
        elif row["at_s"] % PRINTS_EVERY_S == 0:
            print(line, flush=True)


def percentile_ms(seconds: Sequence[float], percent: int) -> float | None:
    """Return a percentile of durations in milliseconds; None where there are no durations."""
    if not seconds:
        return None
    return round(1000 * sorted(seconds)[min(len(seconds) - 1, len(seconds) * percent // 100)], 1)
