"""A run: the world of a seed, from its first step to the verdict."""

import asyncio
import contextlib
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
    """Run a seed."""
    world = World(random.Random(seed))  # noqa: S311 - a seed is to be foreseen
    collects = gc.isenabled()
    gc.disable()
    try:
        with replaced(world):
            try:
                return world.loop.run_until_complete(_run(world, seed))
            finally:
                world.close()
    finally:
        if collects:
            gc.enable()


async def _run(world: World, seed: int) -> Outcome:
    chosen = faults.schedule(world)
    crowd = crowds.settle(world, NAMES)
    verifier = Verifier(signer().jwks)
    starts = {
        "api 1": programs.start_api,
        "api 2": programs.start_api,
        "worker 1": programs.start_worker,
        "worker 2": programs.start_worker,
        "gateway 1": partial(programs.start_gateway, verifier),
        "gateway 2": partial(programs.start_gateway, verifier),
    }
    running = {name: programs.Program(world, name, start, chosen) for name, start in starts.items()}
    for each in running.values():
        each.begin()
    gateways = [each for each in running.values() if each.name.startswith("gateway")]
    apis = [each for each in running.values() if each.name.startswith("api")]
    readers = [Reader(world, person, signer().sign(person.id, "0" * 24), gateways) for person in crowd.people]
    for reader in readers:
        world.loop.spawn(world.loop.world, reader.run(), "reader")
    acts = crowds.plan(world.chance, crowd)
    problem = None
    try:
        await asyncio.gather(*(crowds.act_all(world, crowd, mine, apis) for mine in acts.values()))
        await _until_at_rest(world, chosen, readers)
    except Stuck as stuck:
        problem = f"stuck: {stuck}"
    found = [*([problem] if problem else []), *verdict.flaws(world, crowd, readers)]
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


async def _until_at_rest(world: World, chosen: faults.Schedule, readers: list[Reader]) -> None:
    while not chosen.healed:
        await asyncio.sleep(LOOKS_EVERY_S)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while not verdict.at_rest(world, readers):
                await asyncio.sleep(LOOKS_EVERY_S)
            await asyncio.sleep(2 * LOOKS_EVERY_S)  # what is doubled comes a little later
