"""The faults of a run, drawn from its seed: which processes die at which step, and what servers and ways do."""

import random
from dataclasses import dataclass

from devtools.simulation.network import Server
from devtools.simulation.world import World

HEAL_S = 4.0  # from here on there are no faults
LIKELY = {"api": 0.6, "worker": 0.8, "gateway": 0.5}
MOST_STEPS = {"api": 600, "worker": 1_200, "gateway": 700}  # of those at which a process may die
SOON_S = 0.02  # in which an act is committed and published
NEVER = 0


@dataclass
class Schedule:
    """The faults of a run; `lines` says what was drawn."""

    chance: random.Random
    lines: list[str]
    healed: bool = False

    def fate(self, name: str) -> tuple[int, tuple[int, float]]:
        """Return at which step a new process dies, and at which it stands still and for how long; 0 for never."""
        if self.healed:
            return NEVER, (NEVER, 0.0)
        kind = name.partition(" ")[0]
        dies_at = self.chance.randrange(1, MOST_STEPS[kind]) if self.chance.random() < LIKELY[kind] else NEVER
        sleeps_at, sleeps_s = NEVER, 0.0
        if self.chance.random() < 0.15:
            sleeps_at, sleeps_s = self.chance.randrange(1, MOST_STEPS[kind]), self.chance.choice((0.3, 3.0, 12.0))
        if dies_at:
            self.lines.append(f"{name} dies at its step {dies_at}")
        if sleeps_at:
            self.lines.append(f"{name} stands still for {sleeps_s} s after its step {sleeps_at}")
        return dies_at, (sleeps_at, sleeps_s)


def schedule(world: World) -> Schedule:
    """Draw the faults of servers and ways, and set them in motion."""
    chosen = Schedule(world.chance, [])
    _losses(world, chosen)
    for server, name in ((world.store, "store"), (world.broker, "broker"), (world.redis, "redis")):
        if world.chance.random() < 0.2:
            _absence(world, chosen, server, name)
    if world.chance.random() < 0.35:
        _at(world, chosen, "the broker's connections end", world.broker.lose_connections)
    if world.chance.random() < 0.25:
        _at(world, chosen, "redis ends the connections of subscribers", world.redis.lose_connections)
    if world.chance.random() < 0.1:
        _at(world, chosen, "redis forgets everything", world.redis.lose_everything)
    world.loop.call_in(world.loop.world, HEAL_S, _heal, world, chosen)
    return chosen


def end_connections(world: World, chosen: Schedule, every_s: float) -> None:
    """End the broker's connections now and then, a little after the moments at which people act: as they publish."""
    for moment in range(1, int(HEAL_S / every_s)):
        if world.chance.random() < 0.25:
            at_s = moment * every_s + world.chance.random() * SOON_S
            _at(world, chosen, "the broker's connections end", world.broker.lose_connections, at_s)


def _losses(world: World, chosen: Schedule) -> None:
    chance = world.chance
    for server, name in ((world.store, "store"), (world.redis, "redis")):
        if chance.random() < 0.4:
            server.loses_question, server.loses_answer = chance.choice((0.0, 0.01, 0.05)), chance.choice((0.01, 0.05))
            chosen.lines.append(
                f"{name}: {server.loses_question:.0%} of the questions and {server.loses_answer:.0%} of the answers"
                " are lost"
            )
    if chance.random() < 0.4:
        world.redis.loses_push = chance.choice((0.05, 0.3, 0.8))
        chosen.lines.append(f"redis: {world.redis.loses_push:.0%} of the pushes vanish")
    if chance.random() < 0.4:
        world.broker.confirms_late, world.broker.latest_s = chance.choice((0.1, 0.5)), chance.choice((0.5, 8.0))
        chosen.lines.append(
            f"broker: {world.broker.confirms_late:.0%} of the confirms are up to {world.broker.latest_s} s late"
        )


def _absence(world: World, chosen: Schedule, server: Server, name: str) -> None:
    begins_s, lasts_s = world.chance.random() * HEAL_S, world.chance.choice((0.1, 1.0, 4.0))
    chosen.lines.append(f"{name} is away from {begins_s:.3f} s on, for {lasts_s} s")

    def leave() -> None:
        server.away = True
        if server is world.broker:
            world.broker.lose_connections()
        if server is world.redis:
            world.redis.lose_connections()

    def come_back() -> None:
        server.away = False

    world.loop.call_in(world.loop.world, begins_s, leave)
    world.loop.call_in(world.loop.world, begins_s + lasts_s, come_back)


def _at(world: World, chosen: Schedule, what: str, do: object, at_s: float | None = None) -> None:
    at_s = world.chance.random() * HEAL_S if at_s is None else at_s
    chosen.lines.append(f"at {at_s:.3f} s {what}")
    world.loop.call_in(world.loop.world, at_s, do)  # type: ignore[arg-type]


def _heal(world: World, chosen: Schedule) -> None:
    chosen.healed = True
    world.broker.confirms_late = world.redis.loses_push = 0.0
    for server in (world.store, world.redis):
        server.loses_question = server.loses_answer = 0.0
