"""A run: the world of a seed, from its first step to the verdict."""

import asyncio
import gc
import random
from dataclasses import dataclass
from functools import cache, partial

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from devtools.simulation import crowd as crowds
from devtools.simulation import faults, programs, verdict
from devtools.simulation.loop import Stuck
from devtools.simulation.reader import Reader
from devtools.simulation.replaced import replaced
from devtools.simulation.world import World
from social.infra.security.tokens import Signer, Verifier

NAMES = ("ada", "bob", "eve")
THRONG = ("ada", "bob", "eve", "ian", "una")
PACES_S = (0.03, 0.8)  # the longest pause between two acts of a person
LOOKS_EVERY_S = 0.5
PATIENCE_S = 150.0  # from the healing to the rest


@dataclass(frozen=True)
class Outcome:
    """The outcome of a seed."""

    seed: int
    flaws: list[str]
    schedule: list[str]
    digest: int  # of the order of all steps: it is the same when the seed is run again
    steps: int
    virtual_s: float
    acknowledged: int
    notifications: int
    crashes: int


@cache
def signer() -> Signer:
    """Return the signer of all simulated tokens; its key is made once."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    kind = serialization.PrivateFormat.PKCS8
    return Signer(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))


def run(seed: int) -> Outcome:
    """Run a seed; raises Broken where the simulation itself is at fault."""
    world = World(random.Random(seed))  # noqa: S311 - a seed is to be foreseen
    collects = gc.isenabled()
    gc.disable()
    try:
        with replaced(world):
            try:
                return _outcome(world, seed)
            finally:
                world.close()
    finally:
        if collects:
            gc.enable()


def _outcome(world: World, seed: int) -> Outcome:
    chosen = faults.schedule(world)
    throng = world.chance.random() < 0.5
    crowd = crowds.settle(world, THRONG if throng else NAMES[: world.chance.randint(2, 3)])
    crowd.throng = throng
    if throng:
        faults.end_connections(world, chosen, crowds.MOMENT_S)
    readers: list[Reader] = []
    found = []
    try:
        world.loop.run_until_complete(_until_rest(world, chosen, crowd, readers))
    except Stuck as stuck:
        found = [f"stuck: {stuck}"]
    found += verdict.flaws(world, crowd, readers)
    return Outcome(
        seed,
        found,
        [*chosen.lines, *(f"died: {each}" for each in world.crashes)],
        world.loop.digest,
        world.loop.steps,
        world.loop.time(),
        sum(act.acknowledged for act in crowd.acts),
        sum(len(reader.seqs) for reader in readers),
        len(world.crashes),
    )


async def _until_rest(world: World, chosen: faults.Schedule, crowd: crowds.Crowd, readers: list[Reader]) -> None:
    running = _programs(world, chosen)
    apis, gateways = ([each for each in running if each.name.startswith(kind)] for kind in ("api", "gateway"))
    readers += [Reader(world, person, signer().sign(person.id, "0" * 24), gateways) for person in crowd.people]
    for reader in readers:
        world.loop.spawn(world.loop.world, reader.run(), "reader")
    acts, pace_s = crowds.plan(world.chance, crowd), world.chance.choice(PACES_S)
    await asyncio.gather(*(crowds.act_all(world, crowd, mine, apis, pace_s) for mine in acts.values()))
    await _until_at_rest(world, chosen, readers)


def _programs(world: World, chosen: faults.Schedule) -> list[programs.Program]:
    """Start one or two of each program."""
    kinds: dict[str, programs.Start] = {
        "api": programs.start_api,
        "worker": programs.start_worker,
        "gateway": partial(programs.start_gateway, Verifier(signer().jwks)),
    }
    running = [
        programs.Program(world, f"{kind} {number}", start, chosen)
        for kind, start in kinds.items()
        for number in range(1, world.chance.randint(1, 2) + 1)
    ]
    for each in running:
        each.begin()
    return running


async def _until_at_rest(world: World, chosen: faults.Schedule, readers: list[Reader]) -> None:
    until = faults.HEAL_S + PATIENCE_S
    while (not chosen.healed or not verdict.at_rest(world, readers)) and world.loop.time() < until:  # noqa: ASYNC110
        await asyncio.sleep(LOOKS_EVERY_S)
    await asyncio.sleep(2 * LOOKS_EVERY_S)  # what is doubled comes a little later
