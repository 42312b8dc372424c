"""A person's interactions with a post are one document: acts at one moment, also of several processes, hold or not."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from support.people import Person
from support.site import Site, system

from social.infra.store.mongo import Mongo, Transaction
from social.posts import bookmarks, interactions, likes, reposts

Verb = Callable[..., Awaitable[Any]]

DO: dict[str, Verb] = {"like_id": likes.like, "repost_id": reposts.repost, "bookmark_id": bookmarks.bookmark}
UNDO: dict[str, Verb] = {"like_id": likes.unlike, "repost_id": reposts.unrepost, "bookmark_id": bookmarks.unbookmark}
CHANGES = {  # the act, and by how much its count changes
    "PostLiked": ("like_id", 1),
    "PostUnliked": ("like_id", -1),
    "PostReposted": ("repost_id", 1),
    "PostUnreposted": ("repost_id", -1),
}


class Acts:
    """A post, the people who act on it from two processes, and the events that were committed."""

    def __init__(self, mongo: Mongo, processes: list[Mongo], post_id: str) -> None:
        self.post_id = post_id
        self.processes = processes
        self.events: Counter[tuple[str, str]] = Counter()
        self.recorded = 0
        self._mongo = mongo

    async def act(self, verb: Verb, who: str, *, process: int = 0) -> None:
        """Commit a verb in one of the processes: the other process does not know which documents it holds."""

        async def run(tx: Transaction) -> None:
            await verb(tx, self.post_id, by=who)

        await self.commit(run, process=process)

    async def commit(self, verb: Verb, *, process: int = 0) -> None:
        _, tx = await self.processes[process].transact(verb, timeout_s=60)
        for each in tx.recorded:
            act, change = CHANGES[each.type]
            self.events[act, each.data["by"]] += change
            self.recorded += 1

    async def standing(self, who: str) -> set[str]:
        """Return which acts of a person stand, by the document and, as a check, by the events."""
        row = await self._mongo.one("interactions", {"_id": self.post_id + who}) or {}
        standing = {act for act in interactions.ACTS if act in row}
        if row:
            assert standing, "a document is there for an act"
            assert (row["post_id"], row["user_id"]) == (self.post_id, who)
            assert row.get("reposted_by") == (who if "repost_id" in standing else None)
        for act in ("like_id", "repost_id"):
            assert self.events[act, who] == (act in standing)
        return standing


@pytest.fixture
async def quiet(mongo_url: str, mongo_database: str) -> AsyncIterator[Site]:
    """Make a site without workers."""
    async with system(mongo_url, mongo_database, roles=()) as running:
        yield running


@pytest.fixture
async def acts(quiet: Site, mongo_url: str, mongo_database: str, ada: Person) -> AsyncIterator[Acts]:
    processes = [Mongo(mongo_url, mongo_database) for _ in range(2)]
    yield Acts(quiet.plaza.mongo, processes, (await ada.publish("hello")).id)
    for each in processes:
        each.close()


async def test_three_acts_at_once_all_hold_and_are_all_taken_back(acts: Acts, bob: Person) -> None:
    for turn in range(8):
        for verbs, standing in ((DO, set(interactions.ACTS)), (UNDO, set())):
            both = random.Random(turn).sample([(verb, process) for verb in verbs.values() for process in range(2)], 6)
            await asyncio.gather(*(acts.act(verb, bob.id, process=process) for verb, process in both))
            assert await acts.standing(bob.id) == standing
        assert acts.recorded == 4 * (turn + 1), "what was done already is no event"


async def test_any_mix_from_two_processes_ends_as_some_order(acts: Acts, bob: Person, eve: Person) -> None:
    people, dice = [bob.id, eve.id, uuid4().hex[:24]], random.Random(5)
    verbs = [*DO.values(), *UNDO.values()]
    for _ in range(6):
        chosen = [(dice.choice(verbs), dice.choice(people), dice.randrange(2)) for _ in range(60)]
        await asyncio.gather(*(acts.act(verb, who, process=process) for verb, who, process in chosen))
        for who in people:
            await acts.standing(who)


@pytest.mark.parametrize(("one", "another"), [*itertools.permutations(interactions.ACTS, 2)])
@pytest.mark.parametrize("undone", [True, False])
async def test_a_verb_runs_anew_where_another_act_came_between(
    acts: Acts, bob: Person, one: str, another: str, undone: bool
) -> None:
    """Between the reads of a verb and its commit another process does the other act, or undoes the only one."""
    mine, other = (UNDO[one], DO[another]) if undone else (DO[another], UNDO[one])
    await acts.act(DO[one], bob.id)
    attempts = 0

    async def slowly(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await mine(tx, acts.post_id, by=bob.id)
        if not tx.attempt:
            await acts.act(other, bob.id, process=1)

    await acts.commit(slowly)
    assert attempts == 2
    assert await acts.standing(bob.id) == {another}


async def test_an_act_that_another_process_did_meanwhile_is_done_once(acts: Acts, bob: Person) -> None:
    await acts.act(DO["bookmark_id"], bob.id)

    async def slowly(tx: Transaction) -> None:
        await likes.like(tx, acts.post_id, by=bob.id)
        if not tx.attempt:
            await acts.act(likes.like, bob.id, process=1)

    await acts.commit(slowly)
    assert await acts.standing(bob.id) == {"bookmark_id", "like_id"}
