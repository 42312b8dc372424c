"""The place of a fault: a running system, and the crowd on it."""

from typing import NamedTuple

from support.crowd import Crowd

from loadtests.chaos.system import System


class Scene(NamedTuple):
    """The place of a fault: the system, and the crowd on it."""

    system: System
    crowd: Crowd
