"""A scenario in which gateways die with all their sockets, again and again, while people post, comment and like."""

import gevent

from loadtests import own_system
from loadtests.run import Run
from loadtests.scenarios.post import Talker

CALM_S = 5.0  # from the moment everybody is connected to the end of the next gateway

USERS = [Talker]


def during(run: Run) -> None:
    """Kill (SIGKILL) the gateway with the most sockets, whenever everybody has been connected for a while."""
    try:
        own_system.gateways()
        _storm(run)
    except own_system.NoOwnSystem as error:
        run.give_up(str(error))


def _storm(run: Run) -> None:
    while not run.quiet:
        calm = 0.0
        while calm < CALM_S and not run.quiet:
            gevent.sleep(0.2)
            calm = calm + 0.2 if run.crowded() and run.all_there() else 0.0
        if not run.quiet:
            run.gateway_killed(own_system.kill_gateway([user.wire.node for user in run.people.values() if user.wire]))
