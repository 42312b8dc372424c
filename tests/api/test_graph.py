"""The graph as a whole: after any acts of people, also concurrent ones, the stored edges and counts are consistent."""

import asyncio
import random
from typing import Any

import pytest
from support.eventually import eventually
from support.people import Door, Person
from support.site import Site

STEPS = 40
ACTS = [
    ("PUT", "/v1/users/{}/follow"),
    ("PUT", "/v1/users/{}/follow"),
    ("DELETE", "/v1/users/{}/follow"),
    ("PUT", "/v1/users/{}/block"),
    ("DELETE", "/v1/users/{}/block"),
    ("PUT", "/v1/users/{}/mute"),
    ("DELETE", "/v1/users/{}/mute"),
    ("PUT", "/v1/follow-requests/{}"),
    ("DELETE", "/v1/follow-requests/{}"),
    ("DELETE", "/v1/users/me/followers/{}"),
]


async def wander(person: Person, others: list[Person], chance: random.Random) -> set[tuple[str, str]]:
    """Do forty random acts; return the mutes among them, as (muted, by)."""
    muted = set()
    for _ in range(STEPS):
        if chance.random() < 0.1:
            answer = await person.ask("PATCH", "/v1/users/me", {"private": chance.random() < 0.5})
        else:
            (method, path), other = chance.choice(ACTS), chance.choice(others)
            answer = await person.ask(method, path.format(other.username))
            if (method, path) == ("PUT", "/v1/users/{}/mute"):
                muted.add((other.id, person.id))
        assert answer.status in (200, 404), answer
    return muted


async def kept(site: Site) -> tuple[dict[tuple[str, str], dict[str, Any]], dict[str, dict[str, Any]]]:
    edges = {(each["from"], each["to"]): each for each in await site.plaza.mongo.many("edges", {})}
    return edges, {each["_id"]: each for each in await site.plaza.mongo.many("users", {})}


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_a_walk_at_random_the_graph_agrees_with_itself(door: Door, site: Site, seed: int) -> None:
    people = [await door.register(f"walker{n}") for n in range(3)]
    chance = random.Random(seed)
    walks = (wander(each, [other for other in people if other is not each], chance) for each in people)
    muted = set.union(*await asyncio.gather(*walks))  # requests during a mute notify nobody, also not later

    edges, _ = await kept(site)
    for (one, other), edge in edges.items():
        back = edges.get((other, one), {})
        assert ("blocks_at" in edge) == ("blocked_at" in back)
        assert not (edge.keys() & {"blocks_at", "blocked_at"} and edge.keys() & {"follows_at", "requested_at"}), edge
        assert not edge.keys() >= {"follows_at", "requested_at"}, edge
        assert edge.get("hides", False) == bool(edge.keys() & {"blocks_at", "blocked_at", "mutes_at"})

    async def counted() -> None:
        edges, users = await kept(site)
        follows = [pair for pair, edge in edges.items() if "follows_at" in edge]
        for user_id, user in users.items():
            assert user["following"] == sum(one == user_id for one, _ in follows)
            assert user["followers"] == sum(other == user_id for _, other in follows)
        waiting = {pair for pair, edge in edges.items() if "requested_at" in edge}
        assert all(users[other]["private"] for _, other in waiting)
        notified = await site.plaza.mongo.many("notifications", {"type": "follow_request", "removed_at": None})
        named = {(actor, each["recipient"]) for each in notified for actor in each["actors"]}
        assert named <= waiting
        assert waiting - muted <= named

    await eventually(counted)
