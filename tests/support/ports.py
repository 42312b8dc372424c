"""Free ports, for servers that must come back on their port.

Many tests pick a port long before a program listens on it, and such a program takes no other one where it is taken. So
these ports are none of those that `devtools` picks, each of the workers that run tests side by side has its own, and
no worker picks a port a second time before it has picked all of them.
"""

import os

from devtools.cluster import ports
from devtools.cluster.ports import is_free, listens

__all__ = ["free_ports", "is_free", "listens"]

WORKERS, EACH = 5, 2_000
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
BAD = {10_080}  # browsers and Node's fetch connect to no such port, whatever listens there
OWN = sorted({*range(10_000 + WORKER * EACH, 10_000 + (WORKER + 1) * EACH)} - BAD)


_unused: list[int] = []


def free_ports(count: int) -> list[int]:
    """Return free ports."""
    if len(_unused) < EACH // 4:  # some of the rest may be taken by programs that are none of ours
        _unused[:] = OWN
    picked = ports.free_ports(count, _unused)
    _unused[:] = [each for each in _unused if each not in picked]
    return picked
