"""The locustfile, until enough has happened: UNTIL says what, and FAULT what goes wrong meanwhile."""

import os
from typing import Any

import gevent
from locust import events

from loadtests.locustfile import *  # noqa: F403 - whatever Locust looks for there
from loadtests.run import Run
from loadtests.users import SocketUser
from loadtests.wire import Wire

UNTIL = {
    "read": lambda run: "GET /v1/feed" in run.result()["requests"],
    "liked": lambda run: run.deliveries.delivered["like"] >= 5,
    "wrong": lambda run: done and run.deliveries.delivered["like"] >= 10,
    "posted": lambda run: run.deliveries.delivered["post"] >= 5,
    "back": lambda run: run.shots and run.resumed and run.all_there(),
    "recovered": lambda run: run.deliveries.recovered.total() >= 3,
}
FRAMES = {"lost": 0, "repeated": 2}  # how often the first push of a like is heard
FAULT = os.environ.get("FAULT", "")
done: list[str] = []


class FaultyWire(Wire):
    """Wrong once in a run."""

    def hear(self, frame: str) -> None:
        """A frame, as often as it is heard."""
        times = 1
        if not done and frame.startswith('42["notification') and '"like"' in frame:
            done.append(frame)
            times = FRAMES[FAULT]
        for _ in range(times):
            super().hear(frame)


@events.test_start.add_listener
def begin(environment: Any, **_: Any) -> None:
    """Watch it, and lose connections where that is what goes wrong."""
    run: Run = environment.plaza

    def watch() -> None:
        while not UNTIL[os.environ["UNTIL"]](run):
            gevent.sleep(0.05)
        environment.runner.quit()

    def tunnels() -> None:
        while not run.quiet:
            gevent.sleep(0.1)
            for user in list(run.people.values()):
                gevent.sleep(0.1)
                user.lose_connection()

    gevent.spawn(watch)
    if FAULT == "tunnels":
        gevent.spawn(tunnels)


if FAULT in FRAMES:
    SocketUser.new_wire = lambda user: FaultyWire(user.host, user._heard)
