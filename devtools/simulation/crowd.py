"""The people of a run: what they have at its start, and the acts that each repeats until it is acknowledged."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from devtools.simulation.network import Lost
from devtools.simulation.programs import Program
from devtools.simulation.world import World
from social.contracts.notifications import Read
from social.contracts.problems import RateLimited, Unavailable
from social.infra import clock
from social.infra.process.plaza import IdempotencyKey, Plaza
from social.infra.store.rows import POSTS, STREAMS, USERS
from social.notifications import reading, streams
from social.people import follows, users
from social.posts import comments, entities, likes, publishing

ANSWER_S = 10.0
PAUSE_S = 0.3
GIVES_UP_S = 60.0
MOMENT_S = 0.3  # from one moment at which people throng to the next
READS_WITHIN_S = 0.03  # of a moment, while its notifications are made
TWICE, TWICE_IN_THRONG = 0.15, 0.5  # probability of two taps at once

Verb = Callable[[Plaza], Awaitable[object]]


@dataclass(eq=False)
class Person:
    """A person with one post."""

    id: str
    username: str
    post_id: str


@dataclass(eq=False)
class Act:
    """An act of a person: what is to be there once it is acknowledged. `text` tells comments apart."""

    kind: str  # like, comment, follow, or read: of all notifications there are
    by: Person
    to: Person
    text: str = ""
    tries: int = 0
    acknowledged: bool = False
    refused: str = ""

    def __str__(self) -> str:
        return f"{self.kind} of {self.to.username} by {self.by.username} {self.text}".strip()


@dataclass(eq=False)
class Crowd:
    """The people of a run, and their acts in the order of their beginning."""

    people: list[Person] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    throng: bool = False  # whether all act on one person at the same moments, while that person reads


def settle(world: World, names: Sequence[str]) -> Crowd:
    """Put people with a post and an empty stream into the store."""
    crowd, documents = Crowd(), world.engine.collections
    for name in names:
        user = users.new(name, email=f"{name}@example.org", password="", at=clock.now())
        nothing = entities.Written(user, [])
        post = publishing.new(clock.new_id(), f"a post of {name}", nothing, by=user["_id"], at=clock.now())
        user["posts"] = 1
        documents[USERS][user["_id"]] = dict(user)
        documents[POSTS][post["_id"]] = dict(post)
        documents[STREAMS][user["_id"]] = dict(streams.new(user["_id"]))
        crowd.people.append(Person(user["_id"], name, post["_id"]))
    return crowd


def plan(chance: random.Random, crowd: Crowd) -> dict[Person, list[Act]]:
    """Draw the acts of each person, in their order."""
    if crowd.throng:
        return _plan_throng(chance, crowd)
    acts: dict[Person, list[Act]] = {}
    for by in crowd.people:
        others = [each for each in crowd.people if each is not by]
        mine = [Act(kind, by, to) for to in others for kind in ("like", "follow")] + [Act("read", by, by)]
        mine += [
            Act("comment", by, to, f"{by.username} says {number} to {to.username}")
            for to in others
            for number in (1, 2)
        ]
        chance.shuffle(mine)
        acts[by] = mine[: chance.randint(2, 5)]
    return acts


def _plan_throng(chance: random.Random, crowd: Crowd) -> dict[Person, list[Act]]:
    to, *others = crowd.people
    acts = {to: [Act("read", to, to) for _ in range(4)]}
    for by in others:
        acts[by] = [Act("like", by, to), Act("follow", by, to)]
        acts[by] += [Act("comment", by, to, f"{by.username} says {number}") for number in (1, 2)]
        chance.shuffle(acts[by])
    return acts


async def act_all(world: World, crowd: Crowd, acts: Sequence[Act], apis: Sequence[Program], pace_s: float) -> None:
    """Do a person's acts one after another; each is repeated until it is acknowledged or refused."""
    for act in acts:
        await asyncio.sleep(_until_moment(world, act) if crowd.throng else world.chance.random() * pace_s)
        crowd.acts.append(act)
        if world.chance.random() < (TWICE_IN_THRONG if crowd.throng else TWICE):
            await asyncio.gather(_repeat(world, act, apis), _repeat(world, act, apis))
        else:
            await _repeat(world, act, apis)


def _until_moment(world: World, act: Act) -> float:
    wait_s = MOMENT_S - world.loop.time() % MOMENT_S
    return wait_s + world.chance.random() * READS_WITHIN_S if act.kind == "read" else wait_s


async def _repeat(world: World, act: Act, apis: Sequence[Program]) -> None:
    until = world.loop.time() + GIVES_UP_S
    while world.loop.time() < until:
        program = world.chance.choice(apis)
        act.tries += 1
        try:
            await request(world, program, _verb(act))
        except (Lost, TimeoutError, Unavailable, RateLimited):
            await asyncio.sleep(PAUSE_S * world.chance.random())
        except Exception as error:  # a Problem, or what REST would answer with 500
            act.refused = repr(error)
            return
        else:
            act.acknowledged = True
            return


def _verb(act: Act) -> Verb:
    def call(plaza: Plaza) -> Awaitable[object]:
        if act.kind == "like":
            return plaza.commit(likes.like, act.to.post_id, by=act.by.id)
        if act.kind == "follow":
            return plaza.commit(follows.follow, act.to.username, by=act.by.id)
        if act.kind == "read":
            return reading.read(plaza, Read(all_until=clock.now()), by=act.by.id)
        key = IdempotencyKey(act.by.id, act.text)
        return plaza.commit_idempotent(key, comments.add, act.to.post_id, act.text, by=act.by.id)

    return call


async def request(world: World, program: Program, verb: Verb) -> object:
    """Have a process run a verb, and return its answer; raises Lost, TimeoutError, and what the verb raises."""
    loop, process = world.loop, program.process
    if not process.alive or program.plaza is None:
        await asyncio.sleep(world.network.latency())
        raise Lost("no process listens")
    done: asyncio.Future[object] = loop.create_future()

    def answered(task: "asyncio.Task[object]") -> None:
        loop.call_in(loop.world, world.network.latency(), _settle, done, task)

    def arrive(plaza: Plaza) -> None:
        task = loop.create_task(_as_coroutine(verb, plaza), name="request")
        task.add_done_callback(answered)

    lost = partial(_fail, done)
    world.mourners[process][lost] = None
    loop.call_in(process, world.network.latency(), arrive, program.plaza)
    try:
        async with asyncio.timeout(ANSWER_S):
            return await done
    finally:
        world.mourners.get(process, {}).pop(lost, None)


async def _as_coroutine(verb: Verb, plaza: Plaza) -> object:
    return await verb(plaza)


def _settle(done: "asyncio.Future[object]", task: "asyncio.Task[object]") -> None:
    if done.done() or task.cancelled():
        return
    if (error := task.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(task.result())


def _fail(done: "asyncio.Future[object]") -> None:
    if not done.done():
        done.set_exception(Lost("the process died"))
