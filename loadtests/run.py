"""One run of a scenario: who takes part, what arrived, how it went second by second, and how it ended."""

import json
import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import psutil
from locust.env import Environment

from loadtests.deliveries import Deliveries
from loadtests.origin import commit, machine
from loadtests.wire import Problem

if TYPE_CHECKING:
    from loadtests.users import SocketUser

BUSY = 0.9  # of a core: from here on it is the client that is measured
TOO_MUCH_WITHIN_S = 0.5  # a second copy is right behind the first, a higher count within one pace of a stream (0.3 s)
WRONG = {
    "lost": "{} acknowledged and never delivered",
    "duplicated": "{} had an effect twice",
    "stranded": "{} people never began, or never came back",
    "failed": "{} requests were refused, or not answered for a minute",
    "broken": "{} times people could not go on: locust.log says why",
}
PUSHES = {
    "like": "like → author",
    "comment": "comment → author",
    "follow": "follow → followed",
    "post": "post → follower",
}


class Run:
    """What all users of one run share."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.deliveries = Deliveries(self._told)
        self.people: dict[str, SocketUser] = {}
        self.posts: list[tuple[str, SocketUser]] = []  # published in this run by people with sockets
        self.names: list[str] = []  # of people without
        self.read: list[str] = []  # their posts
        self.celebrity: SocketUser | None = None
        self.quiet = False  # nobody begins anything new
        self.acting = 0  # writes that are not answered yet
        self.unanswered = 0  # writes that never were: their effect is not known, and nothing is expected of them
        self.gave_up = ""  # why
        self.began = 0  # people
        self.stranded = 0  # people who could not, or lost their socket for good
        self.failed = 0  # what was asked for again and again, or refused at once
        self.broken = 0  # what went wrong besides: answers that were none
        self.resumed: list[tuple[float, bool]] = []  # seconds a socket was away, and whether its stream went on
        self.shots: list[tuple[float, str]] = []  # when which gateway was killed
        self.timeline: list[dict[str, Any]] = []
        self.seconds: dict[str, list[float]] = defaultdict(list)  # of what came live
        self._fresh: dict[str, list[float]] = defaultdict(list)  # the same, of this second
        self._requests: Counter[str] = Counter()
        self._process = psutil.Process()
        self._began = time.perf_counter()
        self._watch: gevent.Greenlet | None = None

    # ---- what happens

    def begin(self) -> None:
        """The clock starts."""
        self._began = time.perf_counter()
        self._process.cpu_percent()
        self.environment.events.request.add_listener(self._requested)
        self.environment.events.user_error.add_listener(self._stumbled)
        self._watch = gevent.spawn(self._look)

    def give_up(self, why: str) -> None:
        """This scenario cannot be run here; says so and ends."""
        logging.getLogger("plaza").error(why)
        self.gave_up, self.quiet = why, True
        gevent.spawn(self.environment.runner.quit)

    def settle(self) -> None:
        """Nobody begins anything; wait until what was acknowledged has arrived, or is late enough to be lost."""
        self.quiet = True
        deadline = time.perf_counter() + self.environment.parsed_options.settle
        while time.perf_counter() < deadline and (self.acting or not self._arrived()):
            gevent.sleep(0.05)
        self.failed += self.acting
        self.stranded += sum(not user.there for user in self.people.values())
        gevent.sleep(TOO_MUCH_WITHIN_S)
        if not self.acting and not self.unanswered:  # else some of what is shown may be what they did
            self.deliveries.duplicates += self.deliveries.surplus()
        for kind, missing in self.deliveries.missing().items():
            for _ in range(missing):
                self._push(kind, 0, Exception("lost"))
        for _ in range(self.deliveries.holes):
            self._push("stream", 0, Exception("lost: a number is missing"))
        for _ in range(self.deliveries.duplicates):
            self._push("stream", 0, Exception("came twice"))

    def end(self) -> None:
        """The clock stops."""
        if self._watch is not None:
            self._watch.kill()
        self.environment.events.request.remove_listener(self._requested)
        self.environment.events.user_error.remove_listener(self._stumbled)

    def _arrived(self) -> bool:
        return self.deliveries.complete() and self.all_there()

    def all_there(self) -> bool:
        """Whether everybody is connected."""
        return all(user.there for user in self.people.values())

    def crowded(self) -> bool:
        """Whether as many take part as were asked for."""
        runner = self.environment.runner
        return runner is not None and runner.user_count == runner.target_user_count == len(self.people)

    def killed(self, gateway: str) -> None:
        """A gateway was."""
        self.shots.append((time.perf_counter(), gateway))

    def _told(self, kind: str, seconds: float, resumed: bool) -> None:
        if not resumed:
            self.seconds[kind].append(seconds)
            self._fresh[kind].append(seconds)
            self._push(kind, seconds)

    def _push(self, kind: str, seconds: float, exception: Exception | None = None) -> None:
        self.environment.events.request.fire(
            request_type="PUSH",
            name=PUSHES.get(kind, kind),
            response_time=1000 * seconds,
            response_length=0,
            exception=exception,
            context={},
        )

    def _stumbled(self, exception: Exception, **_: Any) -> None:
        self.broken += not isinstance(exception, Problem)  # which is counted where it is raised

    def _requested(self, request_type: str, **_: Any) -> None:
        self._requests["pushes" if request_type == "PUSH" else "requests"] += 1

    # ---- second by second

    def _look(self) -> None:
        at = 0
        while True:
            gevent.sleep(max(0.0, self._began + at + 1 - time.perf_counter()))
            at += 1
            lag = time.perf_counter() - self._began - at
            requests, self._requests = self._requests, Counter()
            fresh, self._fresh = self._fresh, defaultdict(list)
            people = list(self.people.values())
            row = {
                "at_s": at,
                "users": self.environment.runner.user_count if self.environment.runner else 0,
                "sockets": sum(user.there for user in people),
                "away": sum(not user.there for user in people),
                "requests": requests["requests"],
                "pushes": requests["pushes"],
                "like_p50_ms": percentile_ms(fresh["like"], 50),
                "like_p99_ms": percentile_ms(fresh["like"], 99),
                "post_p50_ms": percentile_ms(fresh["post"], 50),
                "post_p99_ms": percentile_ms(fresh["post"], 99),
                "awaited": sum(self.deliveries.missing().values()),
                "cpu": self._process.cpu_percent() / 100,
                "lag_ms": round(1000 * lag, 1),
            }
            self.timeline.append(row)
            self._say(row)

    def _say(self, row: dict[str, Any]) -> None:
        options = self.environment.parsed_options
        if not (options and options.headless):
            return
        last = "" if row["like_p50_ms"] is None else f"  like → push {row['like_p50_ms']:.0f} ms"
        line = (
            f"{row['at_s']:>4} s  {row['users']} users, {row['sockets']} sockets  {row['requests']} requests/s"
            f"  {row['pushes']} pushes/s{last}  {row['awaited']} on their way"
        )
        if sys.stdout.isatty():
            print(f"\r\033[K{line}", end="", flush=True)
        elif row["at_s"] % 5 == 0:
            print(line, flush=True)

    # ---- the result

    def result(self) -> dict[str, Any]:
        """Everything in one object; `wrong` says in words why the run does not count."""
        result = self._result()
        wrong = [self.gave_up] if self.gave_up else [] if self.began else ["nobody did anything"]
        wrong += [words.format(result[name]) for name, words in WRONG.items() if result[name]]
        return {**result, "wrong": wrong}

    def _result(self) -> dict[str, Any]:
        options, deliveries, stats = self.environment.parsed_options, self.deliveries, self.environment.stats
        cpu = [row["cpu"] for row in self.timeline]
        return {
            "scenario": options.scenario,
            "host": self.environment.host,
            "users": max((row["users"] for row in self.timeline), default=0),
            "seconds": len(self.timeline),
            "lost": sum(deliveries.missing().values()) + deliveries.holes,
            "duplicated": deliveries.duplicates,
            "unanswered": self.unanswered,
            "began": self.began,
            "stranded": self.stranded,
            "failed": self.failed,
            "broken": self.broken,
            "gave_up": self.gave_up,
            "deliveries": {
                kind: {
                    "acknowledged": acknowledged,
                    "delivered": deliveries.delivered[kind],
                    "recovered": deliveries.recovered[kind],
                    "p50_ms": percentile_ms(self.seconds[kind], 50),
                    "p95_ms": percentile_ms(self.seconds[kind], 95),
                    "p99_ms": percentile_ms(self.seconds[kind], 99),
                }
                for kind, acknowledged in sorted(deliveries.acknowledged.items())
                if acknowledged
            },
            "requests": {
                f"{method} {name}": {
                    "count": entry.num_requests,
                    "failed": entry.num_failures,
                    "per_s": round(entry.total_rps, 1),
                    "p50_ms": entry.get_response_time_percentile(0.5),
                    "p99_ms": entry.get_response_time_percentile(0.99),
                }
                for (name, method), entry in sorted(stats.entries.items())
                if method != "PUSH"
            },
            "gateways_killed": [{"at_s": round(at - self._began, 1), "name": name} for at, name in self.shots],
            "came_back": {
                "sockets": len(self.resumed),
                "stream_went_on": sum(went_on for _, went_on in self.resumed),
                "p50_ms": percentile_ms([away for away, _ in self.resumed], 50),
                "p99_ms": percentile_ms([away for away, _ in self.resumed], 99),
            },
            "client": {
                "cpu_mean": round(sum(cpu) / max(1, len(cpu)), 2),
                "cpu_most": round(max(cpu, default=0), 2),
                "lag_most_ms": max((row["lag_ms"] for row in self.timeline), default=0),
                "busy": sum(each > BUSY for each in cpu) > len(cpu) / 10,
            },
            "machine": machine(),
            "commit": commit(),
            "timeline": self.timeline,
        }


def percentile_ms(seconds: Sequence[float], percent: int) -> float | None:
    """Of so many seconds, in milliseconds; None of none."""
    if not seconds:
        return None
    return round(1000 * sorted(seconds)[min(len(seconds) - 1, len(seconds) * percent // 100)], 1)


def write(result: dict[str, Any], path: Path) -> None:
    """As JSON."""
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
