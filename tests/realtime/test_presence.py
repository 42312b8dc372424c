"""Presence and typing, as other people see them."""

import asyncio

import pytest
from support.sockets import until

from social.contracts.pushes import presence_room
from social.infra import clock
from social.infra.store import cached
from social.people import blocks


async def watch(wire, *people):
    answer = await wire.ask("presence.watch", {"user_ids": [each.id for each in people]})
    assert answer["ok"], answer
    return [each["online"] for each in answer["data"]["people"]]


@pytest.fixture
async def gateway(world):
    return await world.gateway(presence_grace_s=0.1, typing_every_s=60)


async def test_a_person_who_connects_is_online_to_those_who_watch(world, gateway, ada, bob):
    other = await world.gateway(presence_grace_s=0.1)
    his = await bob.connect(gateway)
    assert await watch(his, ada) == [False]
    phone, laptop = await ada.connect(other), await ada.connect(gateway)
    came = await his.event("presence")
    assert (came["user_id"], came["online"]) == (ada.id, True)

    async def both_are_known() -> bool:
        return int(await world.plaza.redis.zcard(presence_room(ada.id))) == 2

    await until(both_are_known)
    await phone.close()
    await until(lambda: len(other.sockets) == 0 and not other.presences._leaving)
    assert await watch(his, ada) == [True]  # the other device is still there
    await laptop.close()
    went = await his.event("presence", 2)
    assert went["online"] is False
    assert went["last_seen_at"].endswith("Z")
    assert went["version"] > came["version"]
    assert await watch(his, ada, bob) == [False, True]


async def test_who_comes_right_back_never_left(world, ada, bob):
    gateway = await world.gateway(presence_grace_s=2)
    his, hers = await bob.connect(gateway), await ada.connect(gateway)
    await until(lambda: _is_online(gateway, ada))
    assert await watch(his, ada) == [True]
    await hers.close()
    await ada.back(hers, gateway)
    await asyncio.sleep(2.4)
    assert his.named("presence") == []


async def test_people_of_a_gateway_that_vanished_go_offline_when_its_lease_ends(world, ada, bob):
    doomed = await world.gateway(presence_lease_s=1)
    gateway = await world.gateway(presence_lease_s=0.6)
    his = await bob.connect(gateway)
    await ada.connect(doomed)
    await until(lambda: _is_online(gateway, ada))
    assert await watch(his, ada) == [True]
    for step in ("_extend", "_renew", "_end"):
        setattr(doomed.presences, step, lambda *_, **__: asyncio.sleep(0))  # as if it were killed
    went = await his.event("presence")
    assert went["online"] is False
    assert went["last_seen_at"]


async def test_who_stays_is_online_beyond_a_lease_and_is_remembered_also_when_redis_forgot_them(world, ada, bob):
    gateway = await world.gateway(presence_lease_s=0.9)
    redis, room = world.plaza.redis, presence_room(ada.id)
    await ada.connect(gateway)
    await until(lambda: _is_online(gateway, ada))
    ((_, first),) = await redis.zrange(room, 0, -1, withscores=True)

    async def two_leases_later() -> bool:
        return bool((await redis.zrange(room, 0, -1, withscores=True))[0][1] > first + 1800)

    await until(two_leases_later)
    assert await _is_online(gateway, ada)
    await redis.delete(room)
    await until(lambda: _is_online(gateway, ada))
    assert await redis.ttl(room) > 0, "it does not stay for ever"


async def test_nobody_hears_of_people_they_no_longer_watch(world, gateway, ada, bob):
    his = await bob.connect(gateway)
    await watch(his, ada)
    assert (await his.ask("presence.unwatch", {"user_ids": [ada.id]}))["ok"]
    await ada.connect(gateway)
    await asyncio.sleep(0.5)
    assert his.named("presence") == []


async def test_at_most_a_hundred_people_are_watched_at_once(world, gateway, ada):
    wire = await ada.connect(gateway)
    answer = await wire.ask("presence.watch", {"user_ids": [f"{number:024x}" for number in range(101)]})
    assert answer["problem"]["code"] == "validation_failed"
    answer = await wire.ask("presence.watch", {"user_ids": [f"{number:024x}" for number in range(100)]})
    assert answer["ok"]


async def test_somebody_typing_is_seen_by_those_who_watch_the_post(world, gateway, ada, bob):
    post = await ada.publish()
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    assert (await his.ask("typing", {"post_id": post}))["problem"]["code"] == "forbidden"
    for wire in (hers, his):
        await wire.ask("post.watch", {"post_id": post})
    assert (await his.ask("typing", {"post_id": post}))["ok"]
    assert await hers.event("typing") == {"post_id": post, "user_id": bob.id}
    assert (await his.ask("typing", {"post_id": post}))["problem"]["code"] == "rate_limited"


async def test_who_is_hidden_is_not_heard_and_everybody_else_is(world, gateway, ada, bob):
    post = await ada.publish()
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    carl = await (await world.person("carl")).connect(gateway)
    gateway.sockets.set_hidden(gateway.sockets.get(hers.sid), frozenset({bob.id}))
    for wire in (hers, his, carl):
        await wire.ask("post.watch", {"post_id": post})
    await his.ask("typing", {"post_id": post})
    await carl.event("typing")
    assert hers.named("typing") == []
    assert await watch(hers, bob) == []


async def test_a_lease_from_the_future_keeps_nobody_online(world, gateway, ada, bob):
    """A gateway that died while its clock was ten minutes ahead leaves such a lease."""
    redis = world.new_redis()
    ends = (int(clock.now().timestamp()) + 600) * 1000
    for person in (ada, bob):
        await redis.zadd(presence_room(person.id), {"a gateway that is dead": ends})
    watching = await bob.connect(gateway)
    (found,) = await gateway.presences.read([ada.id])
    assert not found.online
    assert found.last_seen_at <= clock.now()
    await until(lambda: _is_online(gateway, bob))
    await watching.close()
    await redis.aclose()


async def _is_online(gateway, person):
    (found,) = await gateway.presences.read([person.id])
    return found.online


async def test_who_is_hidden_is_answered_like_nobody(world, gateway, ada, bob):
    hers = await ada.connect(gateway)
    nobody = "0" * 24
    for hide in (blocks.block, "private", "suspended", "deleted"):
        them = await world.person(f"them_{hide if isinstance(hide, str) else 'blocks'}")
        there = await hers.ask("presence.watch", {"user_ids": [them.id, bob.id]})
        assert [each["user_id"] for each in there["data"]["people"]] == [them.id, bob.id]
        await hers.ask("presence.unwatch", {"user_ids": [them.id, bob.id]})
        if hide is blocks.block:
            await world.plaza.commit(hide, ada.username, by=them.id)
        else:
            now = clock.now()
            change = {"private": True} if hide == "private" else {f"{hide}_at": now}
            await world.plaza.mongo.update("users", {"_id": them.id}, {"$set": change})
        world.plaza.mongo.memory.forget([cached.key("users", them.id)])
        gateway.plaza.mongo.memory.forget([cached.key("users", them.id)])
        answers = [await hers.ask("presence.watch", {"user_ids": [each, bob.id]}) for each in (them.id, nobody)]
        seen = [[each["user_id"] for each in answer["data"]["people"]] for answer in answers]
        assert seen == [[bob.id], [bob.id]], hide
