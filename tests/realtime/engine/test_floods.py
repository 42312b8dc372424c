"""Floods: each kind of packet counts, the flooding connection ends, and other connections are not affected."""

import asyncio
import json
from urllib.parse import urlsplit

import psutil
import pytest
from support.eventually import LONG_S
from support.loops import held

from realtime.socketio.server import MOST_REFUSALS, MOST_STRAY_ACKS

MOST_HELD_S = 0.3  # of computing between two turns
FLOOD = 1024 * 1024
MOST_GROWN = 24 * 1024 * 1024


def text(message: str) -> bytes:
    """Return a masked websocket frame."""
    data = message.encode()
    assert len(data) < 126
    return bytes((0x81, 0x80 | len(data))) + bytes(4) + data


def control(opcode: int) -> bytes:
    return bytes((0x80 | opcode, 0x80)) + bytes(4)


class Raw:
    """A websocket client that reads and writes bytes."""

    @classmethod
    async def open(cls, client, connect=True):
        url = urlsplit(client.url())
        raw = cls()
        raw.reader, raw.writer = await asyncio.open_connection(url.hostname, url.port)
        raw.writer.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await raw.reader.readuntil(b"\r\n\r\n")
        if connect:
            raw.writer.write(text("40"))
            await raw.reader.readuntil(b"40{")
        return raw

    async def flood(self, frame, size=FLOOD):
        """Send a payload until the other side ends the connection; return whether it did."""
        part = frame * (65_536 // len(frame) + 1)
        sent = 0
        try:
            while sent < size:
                self.writer.write(part)
                await self.writer.drain()
                sent += len(part)
                await asyncio.sleep(0)
        except ConnectionError:
            return True
        try:
            async with asyncio.timeout(LONG_S):
                while await self.reader.read(65_536):
                    pass
        except (TimeoutError, ConnectionError) as error:
            return isinstance(error, ConnectionError)
        return True


@pytest.fixture
async def sio(server, start):
    sio = server()

    async def back(sid, *arguments):
        return arguments

    sio.on("echo", back)
    sio.client = await start(sio, sio.engine)
    return sio


FLOODS = {
    "acks": text("431[]"),
    "acks of a namespace": text("43/x,1[]"),
    "events": text('421["echo"]'),
    "events for nobody": text('42["nobody"]'),
    "connects elsewhere": text("40/x,"),
    "pongs": text("3"),
    "noops": text("6"),
    "opens": text("0"),
    "upgrades": text("5"),
    "pings": text("2"),
    "binary acks": text("460-1[]"),
    "empty messages": text("4"),
    "binary": b"\x82\x80" + bytes(4),
}


@pytest.mark.parametrize("login", [True, False], ids=["in", "before"])
@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_of_one_kind_ends_its_connection_and_holds_nobody_up(sio, kind, login):
    bystander, _ = await sio.client.connect()
    raw = await Raw.open(sio.client, connect=login)
    before = psutil.Process().memory_info().rss
    async with held() as loop:
        flooding = asyncio.create_task(raw.flood(FLOODS[kind]))
        await bystander.send_str('421["echo",7]')
        assert await sio.client.text(bystander) == "431[7]"
        assert await flooding
    raw.writer.close()
    assert loop.longest_s < MOST_HELD_S
    assert psutil.Process().memory_info().rss - before < MOST_GROWN
    await sio.client.until(lambda: len(sio.engine.sessions) == 1 and len(sio.engine._tasks) == 0)
    await bystander.send_str('422["echo",8]')
    assert await sio.client.text(bystander) == "432[8]"
    await bystander.close()


async def test_frames_that_only_the_websocket_knows_hold_nobody_up(sio):
    bystander, _ = await sio.client.connect()
    for opcode in (9, 10):
        raw = await Raw.open(sio.client)
        async with held() as loop:
            flooding = asyncio.create_task(raw.flood(control(opcode)))
            await bystander.send_str('421["echo",7]')
            assert await sio.client.text(bystander) == "431[7]"
            assert await flooding
        raw.writer.transport.abort()
        assert loop.longest_s < MOST_HELD_S
    await bystander.close()


async def test_a_few_acks_that_nobody_asked_for_are_forgiven(sio):
    ws, _ = await sio.client.connect()
    for number in range(MOST_STRAY_ACKS):
        await ws.send_str(f'43{number}["thanks"]')
    await ws.send_str('421["echo",1]')
    assert await sio.client.text(ws) == "431[1]"
    await ws.send_str('437["thanks"]')
    assert await sio.client.closed(ws)


async def test_an_ack_that_was_asked_for_arrives_once(sio):
    ws, answer = await sio.client.connect()
    got = []
    await sio.emit("ask", "x", to=answer["sid"], callback=lambda *said: got.append(said))
    number = (await sio.client.text(ws)).removeprefix("42").partition("[")[0]
    await ws.send_str(f'43{number}["yes"]')
    await ws.send_str(f'43{number}["twice"]')
    await ws.send_str('421["echo",1]')
    assert await sio.client.text(ws) == "431[1]"
    assert got == [("yes",)]
    await sio.emit("ask", "x", to=answer["sid"], callback=lambda *said: got.append(said))
    number = (await sio.client.text(ws)).removeprefix("42").partition("[")[0]
    await ws.send_str(f'461-{number}[{{"_placeholder":true,"num":0}}]')
    await ws.send_bytes(b"bytes")
    await sio.client.until(lambda: got[1:] == [(b"bytes",)])
    await ws.close()


@pytest.mark.parametrize("packet", ["3", "6", '42["echo"]'])
async def test_a_post_of_very_many_packets_ends_its_session(sio, packet):
    opened = await sio.client.request("GET", EIO="4", transport="polling")
    sid = json.loads(opened.text[1:])["sid"]
    await sio.client.post(sid, "40")
    async with held() as loop:
        for _ in range(4):
            answer = await sio.client.post(sid, "\x1e".join([packet] * (60_000 // (len(packet) + 1))))
            if answer.status != 200:
                break
        else:
            pytest.fail("it goes on")
    assert loop.longest_s < MOST_HELD_S
    await sio.client.until(lambda: not sio.engine.sessions)


async def test_attachments_are_bounded_and_nobody_sends_any_before_they_are_in(sio):
    packet = '4510-["echo",' + ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in range(10)) + "]"
    ws, _ = await sio.client.open()
    await ws.send_str(packet)
    assert await sio.client.closed(ws)
    ws, _ = await sio.client.connect()
    await ws.send_str(packet)
    for _ in range(9):
        await ws.send_bytes(bytes(60_000))
    assert await sio.client.closed(ws)


async def test_who_is_refused_again_and_again_is_closed(sio):
    asked = 0

    async def connect(sid, environ, auth):
        nonlocal asked
        asked += 1
        return False

    sio.on("connect", connect)
    ws, _ = await sio.client.open()
    for _ in range(500):
        await ws.send_str('40{"token":"forged"}')
    assert await sio.client.closed(ws)
    assert asked == MOST_REFUSALS
    await sio.client.until(lambda: not sio.engine.sessions)
    assert sio._refusals == {}
