"""The plan of a run: which faults happen when, to what, for how long. The seed alone decides."""

import random
from collections.abc import Mapping
from typing import NamedTuple

BEGINS_S = (0.5, 4.0)  # after the crowd began to act
MOST_FAULTS = 4
LONG_S = 40.0  # of a frozen process, which wakes as a zombie when others have done its work
LONG_EVERY = 12  # so many frozen processes of which about one sleeps so long

PROCESSES = ("api-1", "api-2", "realtime-1", "realtime-2", "workers-1", "workers-2")
SERVERS = ("store", "redis", "rabbitmq")
STEPS = ("before the commit", "within the commit", "after the commit", "after the push", "after the ack")
SKEWED = ("api-2", "realtime-2", "workers-2")  # those that have a clock of their own
LINKS = tuple(f"{process} > {server}" for process in PROCESSES for server in SERVERS)
EVERY_LINK = tuple(f"* > {server}" for server in SERVERS)


class Kind(NamedTuple):
    """A kind of fault: its possible targets, its length, and how often it is chosen beside the others."""

    targets: tuple[str, ...]
    for_s: tuple[float, float] = (0.0, 0.0)  # 0: over in a moment
    weight: int = 2


KINDS: Mapping[str, Kind] = {
    "killed": Kind((*PROCESSES, "nginx"), weight=6),
    "frozen": Kind((*PROCESSES, "nginx"), (1.0, 6.0), weight=5),
    "dies at a step": Kind(STEPS),
    "server killed": Kind(SERVERS, weight=5),
    "server frozen": Kind(SERVERS, (1.0, 5.0), weight=3),
    "redis emptied": Kind(("redis",)),
    "redis out of memory": Kind(("redis",), (1.0, 5.0)),
    "rabbitmq out of memory": Kind(("rabbitmq",), (2.0, 6.0)),
    "disk full": Kind(("store",), (1.0, 4.0)),
    "commit unanswered": Kind(("store",), (0.5, 3.0)),
    "slow link": Kind((*LINKS, *EVERY_LINK), (2.0, 6.0)),
    "lossy link": Kind((*LINKS, *EVERY_LINK), (2.0, 6.0)),
    "link reset": Kind((*LINKS, *EVERY_LINK), weight=3),
    "link deaf": Kind((*LINKS, *EVERY_LINK), (2.0, 8.0)),
    "link mute": Kind((*LINKS, *EVERY_LINK), (2.0, 8.0)),
    "packets lost": Kind(SERVERS, (2.0, 6.0)),
    "packets blocked": Kind(SERVERS, (2.0, 8.0)),
    "link closed slowly": Kind((*LINKS, *EVERY_LINK)),
    "clock stepped": Kind(tuple(f"{name} {sign}" for name in SKEWED for sign in "+-"), (2.0, 6.0)),
    "poison": Kind(("notifications", "counters", "fanout")),
    "deadly poison": Kind(("notifications",)),
    "slow reader": Kind(("a second device",), (3.0, 8.0)),
    "nginx reloaded": Kind(("nginx",)),
    "rolled": Kind(("workers", "realtime", "api"), weight=2),
    "previous release": Kind(("api-1", "realtime-1", "workers-1"), (3.0, 6.0)),
}


class Fault(NamedTuple):
    """A fault that happens once in a run."""

    kind: str
    target: str
    at_s: float
    for_s: float

    def __str__(self) -> str:
        length = f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.at_s:5.1f} s  {self.kind}: {self.target}{length}"


class Plan(NamedTuple):
    """The faults of a run, in the order of their beginnings."""

    seed: int
    faults: tuple[Fault, ...]

    @property
    def until_s(self) -> float:
        """The end of the last fault."""
        return max(each.at_s + each.for_s for each in self.faults)

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}", *(f"  {each}" for each in self.faults)])


def plan(seed: int, kinds: Mapping[str, Kind] = KINDS, most: int = MOST_FAULTS) -> Plan:
    """Return the plan of a seed: one to `most` faults of different kinds, so that each kind's share can be told."""
    chance = random.Random(f"chaos {seed}")
    left = dict(kinds)
    faults = []
    for _ in range(min(chance.randint(1, most), len(kinds))):
        name = chance.choices(list(left), [kind.weight for kind in left.values()])[0]
        faults.append(_fault(chance, name, left.pop(name)))
    return Plan(seed, tuple(sorted(faults, key=lambda each: each.at_s)))


def _fault(chance: random.Random, name: str, kind: Kind) -> Fault:
    target, at_s, for_s = chance.choice(kind.targets), chance.uniform(*BEGINS_S), chance.uniform(*kind.for_s)
    if name == "frozen" and chance.randrange(LONG_EVERY) == 0:
        for_s = LONG_S
    return Fault(name, target, round(at_s, 2), round(for_s, 2))
