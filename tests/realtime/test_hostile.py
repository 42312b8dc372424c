"""Hostile clients lose their connections, and cost other clients nothing."""

import asyncio
import contextlib
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest
from support.eventually import LONG_S
from support.sockets import Person, Wire, until

from realtime import limits, redis_channels
from realtime.app import Gateway
from social.accounts import login
from social.contracts.codec import decode, encode
from social.contracts.pushes import user_room
from social.infra.redis.limits import Limiter, Rate
from social.infra.security.tokens import Signer, new_private_key


async def raw(http, gateway: Gateway, *messages: str) -> Any:
    """Open a raw websocket."""
    opened = await http.ws_connect(f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport=websocket")
    for message in messages:
        await opened.send_str(message)
    return opened


async def ended(opened: Any, timeout_s: float = LONG_S) -> list[str]:
    """Return all messages of a websocket until it was closed."""
    async with asyncio.timeout(timeout_s):
        return [str(message.data) async for message in opened]


async def test_who_goes_on_asking_beyond_their_rate_is_cut_and_may_return(world, gateway, ada, bob, http, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: now))  # all is asked in no time
    opened = await raw(http, gateway, "40" + encode({"token": ada.token}).decode())
    his = await bob.connect(gateway)
    with contextlib.suppress(ConnectionError):
        for number in range(1_000):
            await opened.send_str(f'42{number}["sync",{{"after":"x"}}]')
            if number % 100 == 99:  # slowly enough to be handled, and read
                await his.ask("presence.watch", {"user_ids": [ada.id]})
    told = await ended(opened)
    refused = [each for each in told if '"rate_limited"' in each]
    assert 100 < len(refused) < 500
    assert (await his.ask("sync", {"after": "x"}))["ok"]
    assert (await (await ada.connect(gateway)).ask("sync", {"after": "x"}))["ok"]


async def test_a_person_has_one_rate_over_all_their_sockets_and_rest(world, ada, bob):
    rate = Rate(30, 3_600)
    gateways = [await world.gateway(rate_user=rate) for _ in range(2)]
    wires = [await ada.connect(gateway) for gateway in gateways for _ in range(3)]
    answers = []
    for _ in range(10):
        answers += [await wire.ask("sync", {"after": "x"}) for wire in wires]
        await until(lambda: all(each.limiter._reporting.done() for each in gateways))  # they know of each other
    accepted = [each for each in answers if each["ok"]]
    assert 30 <= len(accepted) <= 36
    refused = next(each["problem"] for each in answers if not each["ok"])
    assert refused["code"] == "rate_limited"
    async with world.new_redis() as redis:
        limiter = Limiter(redis)
        assert not (await limiter.take_exactly("user", ada.id, rate)).allowed  # as REST asks
        await limiter.close()
    assert (await (await bob.connect(gateways[0])).ask("sync", {"after": "x"}))["ok"]


async def test_an_answer_does_not_outgrow_its_question(world, gateway, ada):
    wire = await ada.connect(gateway)
    answer = await wire.ask("post.watch", {f"f{number}": 1 for number in range(5_000)})
    assert answer["problem"]["code"] == "validation_failed"
    assert len(answer["problem"]["errors"]) <= 100
    wrong = {"user_ids": ["x"] * 10_000}
    assert len(encode(await wire.ask("presence.watch", wrong))) < 20_000


async def test_strangers_do_not_use_up_the_connects_of_people(world, ada, http):
    gateway = await world.gateway(handshakes_per_s=3)
    forged = Signer(new_private_key()).sign(ada.id, "f" * 24)
    for token in (forged, "nonsense", ada.token[:-4] + "AAAA"):
        opened = await raw(http, gateway, *["40" + encode({"token": token}).decode()] * 20)
        await until(lambda opened=opened: opened is not None)
        for _ in range(21):
            message = str((await opened.receive(LONG_S)).data)
            assert message.startswith(("0", "44"))
        await opened.close()
    assert (await ada.connect(gateway)).sid


async def test_connects_above_the_bound_are_refused_before_they_cost_anything(world, ada, bob, http, monkeypatch):
    monkeypatch.setattr("realtime.engine.openings.MOMENT_S", 0)
    gateway = await world.gateway(connects_at_once=1)
    reading, answer = asyncio.Event(), asyncio.Event()
    read = gateway.hidden_authors.read

    async def read_late(socket):
        reading.set()
        await answer.wait()
        return await read(socket)

    early = await raw(http, gateway)  # its handshake is over before the gateway is full
    monkeypatch.setattr(gateway.hidden_authors, "read", read_late)
    first = asyncio.create_task(ada.connect(gateway))
    await reading.wait()
    handshake = f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport=polling"
    async with http.get(handshake) as refused:
        assert (refused.status, (await refused.json())["message"]) == (503, "Too many connects at once")
    await early.send_str("40" + encode({"token": bob.token}).decode())
    assert await ended(early) is not None  # cut, so that its client comes back by itself
    assert gateway.sockets.users() == [ada.id]
    answer.set()
    assert (await first).sid
    async with http.get(handshake) as welcome:
        assert welcome.status == 200
    assert (await bob.connect(gateway)).sid


async def test_a_burst_of_handshakes_opens_no_more_connections_than_there_are_places(
    world, ada, bob, http, monkeypatch
):
    monkeypatch.setattr("realtime.engine.openings.MOMENT_S", 3600)
    gateway = await world.gateway(connects_at_once=3)
    opened = await asyncio.gather(*(raw(http, gateway) for _ in range(10)), return_exceptions=True)
    refused = [each for each in opened if isinstance(each, Exception)]
    assert [each.status for each in refused] == [503] * 7
    assert {each.headers["Connection"].lower() for each in refused} == {"close"}
    handshake = f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport=polling"
    for headers in ({}, {"Origin": "http://localhost:8080"}):  # a page of another origin may read the answer
        async with http.get(handshake, headers=headers) as answer:
            assert (answer.status, (await answer.json())["message"]) == (503, "Too many connects at once")
            assert answer.headers.get("Access-Control-Allow-Origin") == headers.get("Origin")
    async with http.get(f"http://127.0.0.1:{gateway.port}/readyz") as answer:
        assert answer.status == 200
    monkeypatch.setattr("realtime.engine.openings.MOMENT_S", 0)
    assert (await ada.connect(gateway)).sid, "who opens a connection and asks for nothing takes nobody's place"


@pytest.mark.parametrize("whose", ["one's own", "somebody else's"])
async def test_who_connects_twice_is_cut_and_leaves_nothing(world, gateway, ada, bob, http, whose):
    second = ada.token if whose == "one's own" else bob.token
    connects = ["40" + encode({"token": token}).decode() for token in (ada.token, second)]
    opened = await raw(http, gateway, *connects)
    told = await ended(opened)
    assert sum(each.startswith("40") for each in told) == 1
    await until(lambda: len(gateway.sockets) == 0 and gateway.sockets.users() == [])
    assert gateway.redis_channels.rooms() == []
    namespaces = await raw(http, gateway, *(f"40/{name}," for name in "abcdef"))
    assert [str((await namespaces.receive(LONG_S)).data)[:2] for _ in range(7)][1:] == ["44"] * 6
    await namespaces.close()


async def test_nobody_watches_more_than_they_may(world, ada):
    gateway = await world.gateway(watched_posts=20, events_per_s=1e6, events_burst=10**6)
    posts = [await ada.publish() for _ in range(21)]
    wire = await ada.connect(gateway)
    answers = [await wire.ask("post.watch", {"post_id": post}) for post in posts]
    assert [answer["ok"] for answer in answers] == [True] * 20 + [False]
    assert answers[-1]["problem"]["code"] == "rate_limited"
    for post in posts:
        await wire.ask("post.unwatch", {"post_id": post})
    for number in range(300):  # and posts that are not there are not watched
        assert (await wire.ask("post.watch", {"post_id": f"{number:024x}"}))["problem"]["code"] == "not_found"
    assert gateway.redis_channels.rooms() == [user_room(ada.id)]
    assert gateway.sockets.get(wire.sid).rooms == set()


async def test_watching_and_leaving_again_and_again_holds_few_channels(world, ada, monkeypatch):
    monkeypatch.setattr(redis_channels, "MOST_LINGERING", 150)
    gateway = await world.gateway(linger_s=60)
    wire = await ada.connect(gateway)
    people = [f"{number:024x}" for number in range(1_000)]
    rows = [{"_id": each, "username": each, "email": f"{each}@example.org"} for each in people]
    await world.plaza.mongo.insert_missing("users", rows)
    for block in range(0, 1_000, 100):
        ids = {"user_ids": people[block : block + 100]}
        await wire.ask("presence.watch", ids)
        await wire.ask("presence.unwatch", ids)
    async with world.new_redis() as redis:

        async def few() -> bool:
            return len(await redis.pubsub_channels("room:*")) == 151

        await until(few)


class Stalled:
    """A socket that reads the answer to its CONNECT, and then nothing more."""

    async def open(self, gateway: Gateway, person: Person) -> dict[str, Any]:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", gateway.port))
        reader, self.writer = await asyncio.open_connection(sock=sock, limit=2048)
        self.writer.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        connect = b"40" + encode({"token": person.token})
        self.writer.write(b"\x81\xfe" + len(connect).to_bytes(2, "big") + b"\0\0\0\0" + connect)
        await reader.readuntil(b"40{")
        return dict(decode(b"{" + await reader.readuntil(b"}")))


async def test_a_device_that_does_not_read_slows_none_of_the_others_and_misses_nothing(world, gateway, ada, bob):
    stalled = Stalled()
    kept = await stalled.open(gateway, ada)
    other = await ada.connect(gateway)
    post = await ada.publish()
    await world.like(post, by=bob, author=ada)
    for number in range(150):  # more than the kernel takes for it
        await world.plaza.pushes.hint(
            [user_room(ada.id)], "feed.changed", {"reason": "followed", "x": "y" * 60_000, "n": number}, at_ms=1
        )
        await other.event("feed.changed", number + 1)
    await until(lambda: gateway.sockets.get(kept["sid"]) is None)
    await world.like(post, by=await world.person("fan"), author=ada)
    await other.event("notification.updated")
    back = await ada.connect(gateway, pid=kept["pid"])
    assert back.sid == kept["sid"]
    await back.until(lambda: len(back.events) == 2)
    assert [args[2].split(".")[1] for args in back.events] == ["1", "2"]
    stalled.writer.close()


async def test_a_login_that_ends_while_its_sockets_return_keeps_none_of_them(world, gateway):
    other = await world.gateway()
    for delay_s in (0, 0.002, 0.005, 0.01, 0.02):
        eve = await world.person("eve")
        wires = [await eve.connect(gateway), await eve.connect(other)]

        async def returns(eve: Person = eve, wires: list[Wire] = wires) -> list[Wire]:
            return await asyncio.gather(*(eve.back(wire, each) for wire in wires for each in (other, gateway)))

        async def logout(eve: Person = eve, delay_s: float = delay_s) -> None:
            await asyncio.sleep(delay_s)
            await login.logout(world.plaza, world.keys, eve.tokens.refresh_token)

        backs, _ = await asyncio.gather(returns(), logout())
        ends = [back.closed.wait() for back in [*wires, *backs] if back.connected]
        await world.within(2.5, asyncio.gather(*ends))
        for each in (gateway, other):
            assert (len(each.sockets), each.sockets.users(), each.redis_channels.rooms()) == (0, [], [])


async def test_who_comes_and_goes_while_redis_is_away_is_forgotten(world, ada, redis_server):
    gateway = await world.gateway(confirm_s=0.05, sockets_per_user=100)
    await redis_server.kill()
    try:
        for _ in range(20):
            await (await ada.connect(gateway)).close()
        await until(lambda: len(gateway.sockets) == 0)
        assert gateway.background._tasks  # they wait for their channel
        await until(lambda: not gateway.background._tasks)
    finally:
        await redis_server.start()


async def test_strangers_make_room_for_each_other_and_nobody_waits_for_them(world, ada, http):
    gateway = await world.gateway(pending_sockets=3)
    wire = await ada.connect(gateway)
    idle = [await raw(http, gateway) for _ in range(3)]
    for _ in range(30):  # 10,500 of these locked everybody out for 10 s
        answer = await http.get(f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport=polling")
        assert answer.status == 200
    assert (await wire.ask("sync", {"after": "x"}))["ok"]
    assert (await ada.connect(gateway)).sid
    assert len(gateway.server.engine._unsettled) <= 3
    for each in idle:
        assert "0" in (await ended(each))[0]
    assert len(gateway.server.engine.sessions) <= 2 + 3  # hers, and those without a login


async def test_each_address_has_a_share_of_what_strangers_may_hold(world, ada, http):
    gateway = await world.gateway(pending_sockets=100, pending_per_address=2, trusted_proxies="127.0.0.0/8")
    url = f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport=polling"

    async def come(address: str) -> None:
        async with http.get(url, headers={"X-Forwarded-For": address}) as answer:
            assert answer.status == 200

    for number in range(10):
        await come(f"2001:db8::{number}")  # one customer's
        await come("192.0.2.1")
        await come(f"198.51.100.{number}")
    await until(lambda: len(gateway.server.engine._unsettled) == 2 + 2 + 10)
    assert (await ada.connect(gateway)).sid


async def test_what_a_stranger_says_of_where_they_come_from_is_not_believed(world, http):
    gateway = await world.gateway(pending_per_address=2)
    url = f"http://127.0.0.1:{gateway.port}/socket.io/?EIO=4&transport=polling"
    for number in range(10):
        async with http.get(url, headers={"X-Forwarded-For": f"198.51.100.{number}"}) as answer:
            assert answer.status == 200
    await until(lambda: len(gateway.server.engine._unsettled) == 2)
