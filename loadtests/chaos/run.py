"""A run of chaos: a crowd acts, the faults of a plan happen to its system, which heals, and all writes are counted."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from support.account import Account, settle
from support.crowd import crowd
from support.writes import Counts

from loadtests.chaos.faults import GONE, HARMS, lacking
from loadtests.chaos.plan import Fault, Plan
from loadtests.chaos.poison import is_poison
from loadtests.chaos.scene import Scene
from loadtests.chaos.system import System
from plaza_client import Retrying

PEOPLE = 12
GOES_ON_S = 2.0  # after the last fault
READY_WITHIN_S = 30.0
CONVERGES_WITHIN_S = 90.0
PATIENCE = Retrying(first_s=0.1, most_s=1.0, give_up_s=30.0)


@dataclass
class Result:
    """The outcome of a run, as a line of JSON keeps it."""

    seed: int
    faults: list[list[Any]]  # kind, target, at_s, for_s
    not_run: dict[str, str] = field(default_factory=dict)  # kinds, and what this machine lacks for each
    counts: dict[str, int] = field(default_factory=dict)
    notifications: int = 0
    ready_s: float | None = None
    converged_s: float = 0.0
    slowest_write_s: float = 0.0
    slowest_notification_s: float = 0.0
    returns: int = 0
    fetched_anew: int = 0  # streams that could not be resumed by the gateway, and were read by `sync`
    retries: dict[str, int] = field(default_factory=dict)
    flaws: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def counted(self) -> Counts:
        """The counts of the writes."""
        return Counts(**self.counts)


async def run(system: System, plan: Plan, people: int = PEOPLE, rounds: int = 1) -> Result:
    """Return the result of a plan, whose faults happen in each round; its flaws are empty where promises were kept."""
    began = time.monotonic()
    result = Result(plan.seed, [list(each) for each in plan.faults])
    result.not_run = {kind: why for kind, *_ in plan.faults if (why := lacking(kind, system))}
    faults = [each for each in plan.faults if each.kind not in result.not_run]
    async with crowd(system.url, people, seed=plan.seed, patience=PATIENCE) as gathered:
        scene = Scene(system, gathered)
        async with gathered.busy():
            ready_s = []
            for _ in range(rounds):
                await do_harm(scene, faults, result)
                system.heal()
                ready_s.append(await _ready(system))
                await asyncio.sleep(GOES_ON_S)
            result.ready_s = None if None in ready_s else max(each for each in ready_s if each is not None)
        account = await settle(gathered, CONVERGES_WITHIN_S)
        result.returns = sum(len(person.returns) for person in gathered.people)
    _note(result, account)
    parked = await asyncio.to_thread(system.parked)
    result.flaws += [f"parked: {each[:500]}" for each in parked if not is_poison(each)]
    if result.ready_s is None:
        result.flaws.append(f"not ready {READY_WITHIN_S:g} s after healing")
    result.seconds = round(time.monotonic() - began, 1)
    return result


async def do_harm(scene: Scene, faults: Sequence[Fault], result: Result) -> None:
    """Do every harm at its time; a harm that fails is not run where its target was down, and else a flaw of ours."""
    done = await asyncio.gather(*(_at_its_time(scene, each) for each in faults), return_exceptions=True)
    for fault, error in zip(faults, done, strict=True):
        if isinstance(error, GONE):
            result.not_run[fault.kind] = "another fault had ended its target"
        elif error:
            result.flaws.append(f"broken fault {fault.kind}: {error!r}")


async def _at_its_time(scene: Scene, fault: Fault) -> None:
    await asyncio.sleep(fault.at_s)
    await HARMS[fault.kind](scene, fault)


async def _ready(system: System) -> float | None:
    began = time.monotonic()
    with suppress(TimeoutError):
        await system.ready(READY_WITHIN_S)
        return round(time.monotonic() - began, 2)
    return None


def _note(result: Result, account: Account) -> None:
    result.counts = asdict(account.counts)
    result.notifications = account.notifications
    result.converged_s = round(account.converged_s, 2)
    result.slowest_write_s = round(account.slowest_write_s, 2)
    result.slowest_notification_s = round(max(account.notified_s, default=0.0), 2)
    result.fetched_anew = account.unrecovered
    result.retries = account.retries
    result.flaws += account.flaws
    errors = {why: times for why, times in account.retries.items() if "500" in why}
    result.flaws += [f"an error of the server, {times} times: {why}" for why, times in errors.items()]
