"""The locustfile, ended as soon as enough has happened: UNTIL names the condition, and FAULT a fault to inject."""

import os
import re
from typing import Any

import gevent
from locust import events
from locust.contrib.fasthttp import FastHttpSession

from loadtests import rest_user, socket_user
from loadtests.locustfile import *  # noqa: F403 - whatever Locust looks for there
from loadtests.results import result
from loadtests.run import Run
from loadtests.socket_user import SocketUser
from loadtests.wire import Wire

UNTIL = {
    "read": lambda run: "GET /v1/feed" in result(run)["requests"],
    "liked": lambda run: run.deliveries.delivered["like"] >= 5,
    "wrong": lambda run: len(done) == len(FAULTS[FAULT]) and run.deliveries.delivered["like"] >= 10,
    "posted": lambda run: run.deliveries.delivered["post"] >= 5,
    "back": lambda run: run.killed and run.resumed and run.all_there(),
    "recovered": lambda run: run.deliveries.recovered.total() >= 3,
    "renewed": lambda run: "POST /v1/auth/refresh-token" in result(run)["requests"],
}
FAULTS = {  # frames that are received instead of the pushes of likes, each fault in its turn
    "lost": [lambda frame: []],
    "repeated": [
        lambda frame: [frame, frame],
        lambda frame: [re.sub(r'"rev":\d+', '"rev":0', frame)],  # more often than the group changed
        lambda frame: [re.sub(r'"count":(\d+)', lambda found: f'"count":{int(found[1]) + 1}', frame)],
    ],
}
FAULT = os.environ.get("FAULT", "")
done: list[str] = []


class FaultyWire(Wire):
    """A connection with the faults of a run, each once; a wrong count stays wrong."""

    def handle(self, frame: str) -> None:
        """Receive a frame, or its faulty replacement."""
        heard = [frame]
        if frame.startswith('42["notification') and '"like"' in frame:
            faults = FAULTS[FAULT]
            if len(done) < len(faults):
                done.append(frame)
                heard = faults[len(done) - 1](frame)
            elif len(faults) > 1:
                heard = faults[-1](frame)
        for each in heard:
            super().handle(each)


@events.test_start.add_listener
def begin(environment: Any, **_: Any) -> None:
    """Watch for the condition, and lose connections where that is the fault."""
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


if os.environ["UNTIL"] == "renewed":
    rest_user.RENEW_AFTER_S = socket_user.RENEW_AFTER_S = 0.5
if FAULT == "unheard registrations":
    request = FastHttpSession.request

    def registered_before(session: FastHttpSession, method: str, path: str, **more: Any) -> Any:
        """Send a registration once before: its answer is lost."""
        if path == rest_user.REGISTRATION:
            request(session, method, path, **more | {"catch_response": False})
        return request(session, method, path, **more)

    FastHttpSession.request = registered_before
if FAULT in FAULTS:
    SocketUser.new_wire = lambda user: FaultyWire(user.realtime, user._receive)
