"""Resuming a connection: nothing is lost or repeated, in whatever way the connection ended."""

import asyncio
from typing import Any

import pytest
from support.eventually import LONG_S
from support.sockets import until

from realtime import resume
from realtime.resume import Pids
from social.contracts.codec import decode, encode
from social.contracts.pushes import post_room
from social.infra import clock
from social.notifications import streams
from social.ops import restoring


def counts(wire: Any) -> list[int]:
    """Return the numbers of likers in a socket's notifications, in the order they came."""
    return [args[1]["count"] for args in wire.events if args[0].startswith("notification")]


async def likes(world, ada, number, post, *, pushed=True):
    for _ in range(number):
        liker = await world.person("fan")
        await (world.like if pushed else world.record)(post, by=liker, author=ada)


async def test_a_client_that_returns_gets_what_it_missed_in_order(world, gateway, ada):
    post = await ada.publish()
    wire = await ada.connect(gateway)
    await likes(world, ada, 1, post)
    await wire.event("notification")
    await wire.close()
    await likes(world, ada, 3, post)
    again = await ada.back(wire, gateway)
    assert (again.sid, again.pid) == (wire.sid, wire.pid)
    await again.until(lambda: len(again.events) == 3)
    assert [args[2].split(".")[1] for args in again.events] == ["2", "3", "4"]
    await likes(world, ada, 1, post)
    await again.until(lambda: len(again.events) == 4)
    assert counts(again)[-1] == 5


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_who_said_goodbye_starts_afresh(world, gateway, ada, elsewhere):
    there = await world.gateway() if elsewhere else gateway
    post = await ada.publish()
    wire = await ada.connect(gateway)
    await wire.ask("post.watch", {"post_id": post})
    await likes(world, ada, 1, post)
    await wire.event("notification")
    await wire.send("41")
    await until(lambda: len(gateway.sockets) == 0)
    if elsewhere:
        async with world.new_redis() as redis:

            async def known() -> bool:
                return bool(await redis.hexists(f"socket:{wire.sid}", "left"))

            await until(known)
    await likes(world, ada, 1, post)
    again = await ada.back(wire, there)
    assert again.sid != wire.sid
    assert again.pid != wire.pid
    await likes(world, ada, 1, post)
    assert (await again.event("notification.updated"))["count"] == 3
    assert len(again.events) == 1, "what it missed is its own to fetch"
    await again.close()
    assert (await ada.back(again, gateway)).sid == again.sid


async def test_a_gateway_remembers_the_last_who_left(monkeypatch):
    monkeypatch.setattr(resume, "MOST_LEFT", 2)
    left = resume.Left()
    for sid in "abc":
        left.add(sid)
    assert [sid in left for sid in "abc"] == [False, True, True]


async def test_a_client_that_has_seen_nothing_yet_recovers_too(world, gateway, ada):
    post = await ada.publish()
    wire = await ada.connect(gateway)
    await wire.close()
    await likes(world, ada, 1, post)
    again = await ada.back(wire, gateway)
    assert again.sid == wire.sid
    await again.event("notification")


async def test_a_client_returns_to_another_gateway(world, gateway, ada):
    other = await world.gateway()
    post = await ada.publish()
    wire = await ada.connect(gateway)
    await wire.close()
    await likes(world, ada, 2, post)
    again = await ada.back(wire, other)
    assert again.sid == wire.sid
    await again.until(lambda: counts(again) == [2, 2])  # payloads are as things are now
    await again.close()
    assert (await ada.back(again, gateway)).sid == wire.sid


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_an_old_connection_that_nobody_noticed_is_closed(world, gateway, ada, elsewhere):
    there = await world.gateway() if elsewhere else gateway
    post = await ada.publish()
    wire = await ada.connect(gateway)
    again = await ada.back(wire, there)
    assert again.sid == wire.sid
    await asyncio.wait_for(wire.closed.wait(), LONG_S)
    await likes(world, ada, 1, post)
    await again.event("notification")
    assert wire.events == []
    assert len(there.sockets) == 1


async def test_two_returns_at_once_leave_one_connection(world, gateway, ada):
    other = await world.gateway()
    wire = await ada.connect(gateway)
    backs = await asyncio.gather(*(ada.back(wire, each) for each in (gateway, other, gateway, other, gateway, other)))

    def alive() -> list[Any]:
        return [each for each in backs if each.connected and not each.closed.is_set()]

    await until(lambda: len(alive()) == 1 and len(gateway.sockets) + len(other.sockets) == 1)
    post = await ada.publish()
    await likes(world, ada, 1, post)
    await alive()[0].event("notification")


async def test_the_pid_of_somebody_else_opens_nothing(world, gateway, ada, bob):
    post = await ada.publish()
    hers = await ada.connect(gateway)
    await likes(world, ada, 1, post)
    await hers.event("notification")
    his = await bob.back(hers, gateway)
    assert his.sid != hers.sid
    assert his.pid != hers.pid
    assert his.events == []
    assert not hers.closed.is_set()


@pytest.mark.parametrize("pid", ["", "x", "a.b", "é.é", 7, None, {"$ne": 1}, "A" * 600])
async def test_a_strange_pid_gets_a_fresh_one(world, gateway, ada, pid):
    assert (await ada.connect(gateway, pid=pid)).sid


@pytest.mark.parametrize("offset", ["", "x", "00000000.1", 7, {"$ne": 1}, "{epoch}.99", "{epoch}.-1", "{epoch}.x"])
async def test_a_strange_offset_is_not_recovered_and_no_error(world, gateway, ada, offset):
    wire = await ada.connect(gateway)
    epoch = (await streams.position(world.plaza.mongo, ada.id)).epoch
    given = offset.format(epoch=epoch) if isinstance(offset, str) else offset
    again = await ada.back(wire, gateway, offset=given)
    assert again.sid != wire.sid
    assert again.pid != wire.pid


async def test_whoever_missed_more_than_the_window_is_told_to_fetch_again(world, gateway, ada):
    wire = await ada.connect(gateway)
    await wire.close()
    entries = [streams.Entry(clock.new_id(), 1, "notification") for _ in range(streams.WINDOW + 1)]
    await streams.append(world.plaza.mongo, ada.id, entries)
    again = await ada.back(wire, gateway)
    assert again.sid != wire.sid
    assert again.events == []


async def test_after_a_restore_whoever_is_there_or_returns_is_told_to_fetch_again(world, gateway, ada, bob):
    post, wires = await ada.publish(), [await each.connect(gateway) for each in (ada, bob)]
    await likes(world, ada, 2, post)
    await wires[0].until(lambda: len(wires[0].events) == 2)
    assert await restoring.renew_streams(world.plaza.mongo) == 4  # those of the fans too
    await likes(world, ada, 1, post)
    await wires[0].until(wires[0].closed.is_set)  # a push of another epoch
    await gateway.delivery.reread("sweep")
    await wires[1].until(wires[1].closed.is_set)  # who is told nothing is found by the sweep
    for person, wire in zip((bob, ada), reversed(wires), strict=True):
        again = await person.back(wire, gateway)
        assert (again.sid != wire.sid, again.events) == (True, [])
    await likes(world, ada, 1, post)
    await again.event("notification.updated")  # and from here on they miss nothing


async def test_a_pid_of_another_key_is_not_taken(world, gateway, ada):
    wire = await ada.connect(gateway)
    stranger = Pids(b"another key")
    pid = gateway.pids.read(wire.pid, user_id=ada.id, login_id=gateway.sockets.get(wire.sid).login_id)
    again = await ada.connect(gateway, pid=stranger.sign(pid))
    assert again.sid != wire.sid


async def test_a_watched_post_is_watched_again_after_the_return(world, gateway, ada):
    other = await world.gateway()
    post = await ada.publish()
    wire = await ada.connect(gateway)
    await wire.ask("post.watch", {"post_id": post})
    await world.remembers(wire)
    await wire.close()
    again = await ada.back(wire, other)
    assert (await again.event("post.stats"))["version"] == 0
    stats = {"post_id": post, "likes": 3, "comments": 0, "version": 3}
    await world.plaza.pushes.hint([post_room(post)], "post.stats", stats, at_ms=1)
    assert await again.event("post.stats", 2) == stats


async def test_pushes_that_come_twice_late_or_with_a_hole_are_told_once_and_in_order(world, gateway, ada):
    post = await ada.publish()
    wire = await ada.connect(gateway)
    await likes(world, ada, 4, post, pushed=False)
    await world.push(ada, seq=3)  # 1 and 2 got lost
    await world.push(ada, seq=2)
    await world.push(ada, seq=3)
    await wire.until(lambda: len(wire.events) >= 3)
    await world.push(ada, seq=4)
    await wire.until(lambda: len(wire.events) >= 4)
    await likes(world, ada, 1, post)
    await wire.until(lambda: len(wire.events) >= 5)
    assert [args[2].split(".")[1] for args in wire.events] == ["1", "2", "3", "4", "5"]


async def test_sync_answers_what_was_missed(world, gateway, ada):
    post = await ada.publish()
    wire = await ada.connect(gateway)
    await likes(world, ada, 2, post)
    await wire.until(lambda: len(wire.events) == 2)
    answer = await wire.ask("sync", {"after": wire.events[0][2]})
    assert answer["data"]["recovered"] is True
    assert [each["offset"] for each in answer["data"]["events"]] == [wire.offset]
    assert answer["data"]["offset"] == wire.offset
    assert (await wire.ask("sync", {"after": "nonsense"}))["data"]["recovered"] is False


async def test_what_somebody_read_on_one_device_is_told_to_the_other(world, gateway, ada):
    post = await ada.publish()
    wire = await ada.connect(gateway)
    await likes(world, ada, 1, post)
    told = await wire.event("notification")
    answer = await wire.ask("notifications.read", {"ids": [told["id"]]})
    assert answer == {"ok": True, "data": {"unread": 0}}


async def test_more_than_a_socket_may_hold_is_missed_and_comes_as_fast_as_it_is_read(world, gateway, ada, http):
    wire = await ada.connect(gateway)
    await wire.close()
    keys = [",".join(f"{number:012x}{each:012x}" for each in range(100)) for number in range(200)]
    for start in range(0, 200, 50):
        some = [streams.Entry(f"read:{key}", 1, "notifications.read") for key in keys[start : start + 50]]
        await streams.append(world.plaza.mongo, ada.id, some)
    missed_bytes = sum(map(len, keys))
    assert missed_bytes > 1.5 * gateway.settings.max_buffered_bytes
    url = f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport=polling"
    opened = decode((await (await http.get(url)).read())[1:])
    url += f"&sid={opened['sid']}"
    await http.post(url, data="40" + encode({"token": ada.token, "pid": wire.pid}).decode())
    told: list[str] = []
    async with asyncio.timeout(LONG_S):
        while len(told) < 201:
            answer = await http.get(url)
            assert answer.status == 200
            told += [packet for packet in (await answer.text()).split("\x1e") if packet != "2"]
            await asyncio.sleep(0.05)
    assert decode(told[0][2:])["sid"] == wire.sid
    assert [int(decode(each[2:])[2].split(".")[1]) for each in told[1:]] == list(range(1, 201))
    post = await ada.publish()
    await likes(world, ada, 1, post)  # and it goes on
    assert '"notification"' in await (await http.get(url)).text()
