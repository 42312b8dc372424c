"""A process with stock python-socketio emits to our sockets, and moves them between rooms."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
import socketio
from support.browser import page
from support.sockets import until

from social.contracts.pushes import post_room, user_room


@pytest.fixture
async def stranger(redis_url: str) -> AsyncIterator[socketio.AsyncRedisManager]:
    """Make a stock manager as python-socketio's documentation shows it."""
    manager = socketio.AsyncRedisManager(redis_url, write_only=True)
    yield manager
    if manager.redis is not None:
        await manager.redis.aclose()


@pytest.fixture
async def other(world):
    return await world.gateway()


async def settled(stranger, *wires):
    """Wait until all commands so far are applied at every gateway."""
    counts = [len(wire.named("settled")) for wire in wires]
    await stranger.emit("settled", {"n": 1})
    for wire, count in zip(wires, counts, strict=True):
        await wire.event("settled", count + 1)


async def test_a_room_of_ours_is_reached_on_every_gateway(world, gateway, other, ada, bob, stranger):
    post = await ada.publish()
    hers, his, elsewhere = await ada.connect(gateway), await bob.connect(gateway), await bob.connect(other)
    for wire in (hers, elsewhere):
        await wire.ask("post.watch", {"post_id": post})
    await stranger.emit("shout", {"n": 1}, room=post_room(post))
    assert await hers.event("shout") == {"n": 1}
    assert await elsewhere.event("shout") == {"n": 1}
    await stranger.emit("whisper", {"n": 2}, room=user_room(bob.id))
    assert await his.event("whisper") == await elsewhere.event("whisper") == {"n": 2}
    await settled(stranger, hers, his, elsewhere)
    assert his.named("shout") == hers.named("whisper") == []


async def test_one_socket_several_rooms_and_everybody_but_one(world, gateway, other, ada, bob, stranger):
    hers, his = await ada.connect(gateway), await bob.connect(other)
    await stranger.emit("one", {"n": 1}, to=his.sid)
    await stranger.emit("several", {"n": 2}, room=[user_room(ada.id), user_room(bob.id), hers.sid])
    await stranger.emit("others", {"n": 3}, skip_sid=hers.sid)
    await stranger.emit("others", {"n": 4}, skip_sid=[hers.sid, "nobody"])
    await settled(stranger, hers, his)
    assert [args[0] for args in hers.events if args[0] != "settled"] == ["several"]
    assert [args[0] for args in his.events if args[0] != "settled"] == ["one", "several", "others", "others"]


@pytest.mark.parametrize("data", [("a", {"b": 1}), {"a": 1}, None, "text", ("a", "b"), 7, [1, 2], ()])
async def test_arguments_arrive_as_stock_clients_know_them_and_never_as_an_offset(
    world, gateway, ada, bob, stranger, data
):
    wire = await ada.connect(gateway)
    await world.like(await ada.publish(), by=bob, author=ada)
    await wire.event("notification")
    offset = wire.offset
    await stranger.emit("free", data)
    await settled(stranger, wire)
    sent = [] if data is None else list(data) if isinstance(data, tuple) else [data]
    (told,) = [args for args in wire.events if args[0] == "free"]
    assert told[1:] == sent or told[1:] == [*sent, None]
    assert not isinstance(told[-1], str)
    assert wire.offset == offset


async def test_bytes_arrive_as_bytes_at_the_js_client(world, gateway, ada, stranger):
    async with page() as hers:
        await hers.connect(gateway.port, ada.token)
        await stranger.emit("photo", {"name": "a", "parts": [b"\x00\x01", b"\xff"]}, room=user_room(ada.id))
        told = await hers.event("photo")
    assert told["name"] == "a"
    assert [part["data"] for part in told["parts"]] == [[0, 1], [255]]


async def test_a_socket_is_disconnected_on_whichever_gateway_it_is(world, gateway, other, ada, bob, stranger):
    hers, his = await ada.connect(gateway), await bob.connect(other)
    await stranger.can_disconnect(his.sid, "/")  # what `AsyncServer.disconnect` begins with: it tells the others
    await his.disconnected_for_good()
    await until(lambda: len(other.sockets) == 0)
    assert not hers.disconnected


async def test_sockets_enter_and_leave_rooms_and_rooms_are_closed(world, gateway, other, ada, bob, stranger):
    hers, his = await ada.connect(gateway), await bob.connect(other)
    for wire in (hers, his):
        await stranger.enter_room(wire.sid, "/", "vip")
    await stranger.emit("vip", {"n": 1}, room="vip")
    assert await hers.event("vip") == await his.event("vip") == {"n": 1}
    await stranger.leave_room(hers.sid, "/", "vip")
    await stranger.emit("vip", {"n": 2}, room="vip")
    assert await his.event("vip", 2) == {"n": 2}
    await stranger.close_room("vip", "/")
    await stranger.emit("vip", {"n": 3}, room="vip")
    await settled(stranger, hers, his)
    assert (hers.named("vip"), his.named("vip")) == ([{"n": 1}], [{"n": 1}, {"n": 2}])


async def test_a_post_entered_from_outside_is_watched_like_any_other(world, gateway, other, ada, bob, stranger):
    post = await ada.publish()
    wire = await bob.connect(gateway)
    await stranger.enter_room(wire.sid, "/", post_room(post))
    assert (await wire.event("post.stats"))["version"] == 0
    stats = {"post_id": post, "likes": 1, "comments": 0, "version": 1}
    await world.plaza.pushes.hint([post_room(post)], "post.stats", stats, at_ms=1)
    assert await wire.event("post.stats", 2) == stats
    await world.remembers(wire)
    await wire.close()
    again = await bob.back(wire, other)
    await again.event("post.stats")
    await stranger.close_room(post_room(post), "/")
    await settled(stranger, again)
    await until(lambda: not other.redis_channels.holds(post_room(post)))


async def test_rooms_of_people_are_entered_and_closed_by_nobody(world, gateway, ada, bob, stranger):
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    await stranger.enter_room(his.sid, "/", user_room(ada.id))
    await stranger.enter_room(his.sid, "/", hers.sid)
    await stranger.leave_room(hers.sid, "/", user_room(ada.id))
    await stranger.close_room(user_room(ada.id), "/")
    await stranger.emit("hers", {"n": 1}, room=user_room(ada.id))
    await hers.event("hers")
    await settled(stranger, hers, his)
    assert his.named("hers") == []
    assert gateway.server.manager.get_rooms(hers.sid, "/") == [hers.sid, user_room(ada.id)]


def deep(levels: int) -> bytes:
    return b'{"method":"emit","event":"x","data":[' + b"[" * levels + b"]" * levels + b"]}"


GREAT = base64.b64encode(b"x" * 20_000).decode()
PLACE = {"_placeholder": True, "num": 0}
GOOD = {"method": "emit", "event": "x", "data": [{}], "namespace": "/", "room": None}
MALFORMED = [
    b"", b"\xff\xfe", b"null", b"[]", b'"emit"', b"7", b"{", b"{}", b'{"method":null}', b'{"method":["emit"]}',
    b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    deep(500), deep(1_000), deep(20_000),
    *(json.dumps(each).encode() for each in (
        {"method": "emit"}, {"method": "emit", "event": "x"}, {"method": "destroy", "sid": "x"},
        {"method": "callback", "host_id": "x", "sid": "x", "id": 1, "args": []},
        GOOD | {"event": 7}, GOOD | {"event": ""}, GOOD | {"event": ["x"]}, GOOD | {"data": "x"}, GOOD | {"data": {}},
        *(GOOD | {"event": name} for name in ("connect", "disconnect", "connect_error", "disconnecting")),
        GOOD | {"namespace": "/admin"}, GOOD | {"namespace": None}, GOOD | {"namespace": ["/"]},
        GOOD | {"room": 7}, GOOD | {"room": {"$ne": None}}, GOOD | {"room": [7]}, GOOD | {"skip_sid": 7},
        GOOD | {"data": [{"x": "y" * 70_000}]},
        GOOD | {"binary": 1}, GOOD | {"binary": True, "data": [7]}, GOOD | {"binary": True, "data": [[PLACE]]},
        GOOD | {"binary": True, "data": [[PLACE], "?"]}, GOOD | {"binary": True, "data": [[PLACE], 7]},
        GOOD | {"binary": True, "data": [[PLACE], GREAT, GREAT]},
        GOOD | {"binary": True, "data": [[PLACE] * 1_000, GREAT]},
        GOOD | {"binary": True, "data": [[PLACE | {"num": -1}], GREAT]},
        GOOD | {"binary": True, "data": [[PLACE | {"num": True}], GREAT]},
        GOOD | {"binary": True, "data": [[PLACE], *["eA=="] * 11]},
        {"method": "disconnect"}, {"method": "disconnect", "sid": None}, {"method": "disconnect", "sid": ["x"]},
        {"method": "enter_room", "sid": "x"}, {"method": "enter_room", "sid": "SID", "room": 7},
        {"method": "enter_room", "sid": "SID", "room": ""}, {"method": "enter_room", "sid": "SID", "room": "r" * 300},
        {"method": "enter_room", "sid": "SID", "room": "SID"}, {"method": "enter_room", "sid": "SID", "room": None},
        {"method": "close_room"}, {"method": "close_room", "room": None}, {"method": "close_room", "room": "SID"},
    )),
]  # fmt: skip


async def test_what_is_malformed_does_nothing(world, gateway, ada, bob, stranger):
    wire = await ada.connect(gateway)
    rooms = gateway.server.manager.get_rooms(wire.sid, "/")
    for message in MALFORMED:
        await world.plaza.redis.publish("socketio", message.replace(b"SID", wire.sid.encode()))
    await settled(stranger, wire)
    assert [args[0] for args in wire.events] == ["settled"]
    assert gateway.redis_channels.up
    assert gateway.server.manager.get_rooms(wire.sid, "/") == rooms
    await world.like(await ada.publish(), by=bob, author=ada)
    await wire.event("notification")


async def test_nobody_is_brought_into_more_rooms_than_they_may_watch(world, bob, stranger):
    gateway = await world.gateway(watched_posts=2)
    wire = await bob.connect(gateway)
    for _ in range(5):
        await stranger.enter_room(wire.sid, "/", post_room(await bob.publish()))
    await settled(stranger, wire)
    await until(lambda: len(gateway.sockets.get(wire.sid).rooms) == 2)
    await asyncio.sleep(0.1)
    assert len(gateway.sockets.get(wire.sid).rooms) == 2
