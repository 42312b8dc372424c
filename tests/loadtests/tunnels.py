"""The locustfile with people who lose their connection all the time."""

from typing import Any

import gevent
from locust import events

from loadtests.locustfile import *  # noqa: F403 - whatever Locust looks for there


@events.test_start.add_listener
def begin(environment: Any, **_: Any) -> None:
    """One after another."""

    def lose() -> None:
        run = environment.plaza
        while not run.quiet:
            for user in list(run.people.values()):
                gevent.sleep(0.1)
                user.lose_connection()

    gevent.spawn(lose)
