"""A run of a scenario: the people who take part, and the account of what arrived and what went wrong."""

import logging
import time
from collections import defaultdict
from typing import Any

import gevent
from locust.env import Environment

from loadtests.deliveries import Deliveries
from loadtests.person import Person
from loadtests.progress import Progress
from loadtests.wire import Problem

DUPLICATES_WITHIN_S = 0.5  # a second copy is right behind the first, a higher count within one pace of a stream (0.3 s)
# What a gateway published so shortly before it died, and did not forget, the relay publishes again; a hint may repeat.
UNFORGOTTEN_S = 3.0  # half a second, and the time of a write
PUSHES = {
    "like": "like → author",
    "comment": "comment → author",
    "follow": "follow → followed",
    "post": "post → follower",
}


class Run:
    """State that all users of a run share."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.deliveries = Deliveries(self._delivered)
        self.people: dict[str, Person] = {}  # those with sockets, by id
        self.progress = Progress(environment, self.people, self.deliveries)
        self.posts: list[tuple[str, Person]] = []  # published in this run by people with sockets
        self.names: list[str] = []  # usernames of people without sockets
        self.read: list[str] = []  # ids of their posts
        self.celebrity: Person | None = None
        self.quiet = False  # nobody begins anything new
        self.acting = 0  # writes that are not answered yet, and people who have not begun yet
        self.unanswered = 0  # writes that never were answered: their effect is unknown, and nothing is expected of them
        self.gave_up = ""  # why the scenario cannot be run
        self.began = 0  # people
        self.stranded = 0  # people who could not begin, or lost their socket for good
        self.failed = 0  # requests that were repeated in vain, or refused at once
        self.broken = 0  # other errors: answers that are not valid
        self.resumed: list[tuple[float, bool]] = []  # seconds a socket was away, and whether its stream went on
        self.killed: list[tuple[float, str]] = []  # when a gateway was killed, and its name
        self.seconds: dict[str, list[float]] = defaultdict(list)  # from a write to its live push, by kind

    def begin(self) -> None:
        """Start the clock."""
        self.environment.events.user_error.add_listener(self._count_error)
        self.progress.begin()

    def give_up(self, why: str) -> None:
        """Log why this scenario cannot be run here, and end the run."""
        logging.getLogger("plaza").error(why)
        self.gave_up, self.quiet = why, True
        gevent.spawn(self.environment.runner.quit)

    def settle(self) -> None:
        """Let nobody begin anything; wait until what was acknowledged has arrived, or is late enough to be lost."""
        self.quiet = True
        deadline = time.perf_counter() + self.environment.parsed_options.settle
        while time.perf_counter() < deadline and (self.acting or not self._arrived()):
            gevent.sleep(0.05)
        self.failed += self.acting
        self.stranded += sum(not person.there for person in self.people.values())
        gevent.sleep(DUPLICATES_WITHIN_S)
        if not self.acting and not self.unanswered:  # else some of what is shown may be their effect
            self.deliveries.duplicates["count"] += self.deliveries.surplus()
        for at, _ in self.killed:
            self.deliveries.excuse_posts(at - UNFORGOTTEN_S, at)
        for kind, missing in self.deliveries.missing().items():
            for _ in range(missing):
                self._report_push(kind, 0, Exception("lost"))
        for _ in range(self.deliveries.holes):
            self._report_push("stream", 0, Exception("lost: a number is missing"))
        for what, times in self.deliveries.duplicates.items():
            for _ in range(times):
                self._report_push(what, 0, Exception("came twice"))

    def end(self) -> None:
        """Stop the clock."""
        self.progress.end()
        self.environment.events.user_error.remove_listener(self._count_error)

    def all_there(self) -> bool:
        """Return whether everybody is connected."""
        return all(person.there for person in self.people.values())

    def crowded(self) -> bool:
        """Return whether as many people take part as were requested."""
        runner = self.environment.runner
        return runner is not None and runner.user_count == runner.target_user_count == len(self.people)

    def gateway_killed(self, name: str) -> None:
        """Record that a gateway was killed just now."""
        self.killed.append((time.perf_counter(), name))

    def _arrived(self) -> bool:
        return self.deliveries.complete() and self.all_there()

    def _delivered(self, kind: str, seconds: float, resumed: bool) -> None:
        if not resumed:
            self.seconds[kind].append(seconds)
            self.progress.arrived(kind, seconds)
            self._report_push(kind, seconds)

    def _report_push(self, kind: str, seconds: float, exception: Exception | None = None) -> None:
        """Report a push to Locust, which counts it as a request."""
        self.environment.events.request.fire(
            request_type="PUSH",
            name=PUSHES.get(kind, kind),
            response_time=1000 * seconds,
            response_length=0,
            exception=exception,
            context={},
        )

    def _count_error(self, exception: Exception, **_: Any) -> None:
        self.broken += not isinstance(exception, Problem)  # a Problem is counted where it is raised
