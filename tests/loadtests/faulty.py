"""The locustfile over a network that loses, or repeats, the first push of a like: FAULT says which."""

import os

from loadtests.locustfile import *  # noqa: F403 - whatever Locust looks for there
from loadtests.users import SocketUser
from loadtests.wire import Wire

FAULTS = {"lost": 0, "repeated": 2}
done = []


class FaultyWire(Wire):
    """Wrong once in a run."""

    def hear(self, frame: str) -> None:
        times = 1
        if not done and frame.startswith('42["notification') and '"like"' in frame:
            done.append(frame)
            times = FAULTS[os.environ["FAULT"]]
        for _ in range(times):
            super().hear(frame)


def new_wire(user: SocketUser) -> Wire:
    """A faulty one."""
    return FaultyWire(user.environment.parsed_options.realtime, user._heard)


SocketUser.new_wire = new_wire
