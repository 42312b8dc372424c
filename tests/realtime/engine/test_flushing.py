"""The time at which published frames are written: the rule by itself, and its effect on raw sockets on both engines."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from time import perf_counter

import pytest
from support.eventually import LONG_S

from realtime.engine import flushing
from realtime.engine.flushing import LONGEST_WAIT_S, MOST_BYTES, FlushRule


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(flushing, "perf_counter", clock)
    return clock


def flush(rule, clock, took_s):
    """Record a flush of one frame that took so long."""
    rule.published(10)
    assert rule.begin()
    clock.now += took_s
    rule.end()


def test_after_a_quiet_time_nothing_waits(clock):
    rule = FlushRule()
    rule.published(10)
    assert not rule.waits()
    flush(rule, clock, 0.05)
    clock.now += 0.06
    rule.published(10)
    assert not rule.waits()


def test_a_cheap_flush_makes_nothing_wait(clock):
    rule = FlushRule()
    flush(rule, clock, 0.0009)
    rule.published(10)
    assert not rule.waits()


def test_the_first_turn_without_a_publish_ends_the_wait(clock):
    rule = FlushRule()
    flush(rule, clock, 0.05)
    assert not rule.waits()  # nothing to wait for
    for _ in range(3):
        rule.published(10)
        assert rule.waits()
    assert not rule.waits()
    assert rule.begin()
    assert not rule.begin()


@pytest.mark.parametrize(("took_s", "longest_s"), [(0.02, 0.02), (3.0, LONGEST_WAIT_S)])
def test_no_wait_is_longer_than_the_last_flush_nor_than_the_limit(clock, took_s, longest_s):
    rule = FlushRule()
    flush(rule, clock, took_s)
    ended = clock.now
    while True:
        rule.published(10)
        if not rule.waits():
            break
        clock.now += 0.001
    assert longest_s <= clock.now - ended < longest_s + 0.002


def test_only_so_many_bytes_wait(clock):
    rule = FlushRule()
    flush(rule, clock, 0.05)
    rule.published(MOST_BYTES - 1)
    assert rule.waits()
    rule.published(1)
    assert not rule.gathering
    assert not rule.waits()


class Raw:
    """A websocket client on a plain socket, which reads the kernel's bytes without a turn of the loop."""

    def __init__(self, sock: socket.socket, sid: str) -> None:
        self.sock = sock
        self.sid = sid
        self.buffer = b""

    @classmethod
    async def open(cls, port: int) -> "Raw":
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        hello = (
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await loop.sock_sendall(sock, hello.encode())
        client, said = cls(sock, ""), b""
        while b"\r\n\r\n" not in said or not client.sid:
            said += await loop.sock_recv(sock, 65_536)
            head, _, client.buffer = said.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101")
            if opened := client._parsed():
                client.sid = opened[0].split('"')[3]
        return client

    def got(self) -> list[str]:
        """Return the messages that have arrived by now; pings are left out, `close` stands for a close frame."""
        while True:
            try:
                chunk = self.sock.recv(65_536)
            except BlockingIOError:
                break
            if not chunk:
                break
            self.buffer += chunk
        return [text for text in self._parsed() if text != "2"]

    def say(self, text: str) -> None:
        """Send a text message, masked with zeros."""
        self.sock.send(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text.encode())

    def _parsed(self) -> list[str]:
        texts = []
        while len(self.buffer) >= 2:
            size, head = self.buffer[1], 2
            if size == 126:
                size, head = int.from_bytes(self.buffer[2:4], "big"), 4
            if len(self.buffer) < head + size:
                break
            texts.append("close" if self.buffer[0] == 0x88 else self.buffer[head : head + size].decode())
            self.buffer = self.buffer[head + size :]
        return texts


@pytest.fixture
async def raws(start, echo) -> AsyncIterator[list[Raw]]:
    """Connect three clients that are subscribed to the topic `t`."""
    client = await start(echo)
    opened = [await Raw.open(client.port) for _ in range(3)]
    for raw in opened:
        echo.engine.subscribe(raw.sid, "t")
    await asyncio.sleep(0.05)
    busy(echo.engine, 0.0)  # engines of one process may share a rule
    yield opened
    for raw in opened:
        raw.sock.close()


def busy(engine, wait_s: float = LONG_S) -> None:
    """Make the engine behave as if the last flush took that long and ended just now."""
    rule = engine._rule if engine.name == "portable" else native_rule()
    rule._until = perf_counter() + wait_s


def native_rule() -> FlushRule:
    from realtime.engine.native import pump

    return pump._rule


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_idle_publish_is_written_in_the_next_turn(raws, echo):
    echo.engine.publish("t", b"4now")
    await turns(2)
    assert [raw.got() for raw in raws] == [["4now"]] * 3


async def test_publishes_of_many_turns_share_a_flush_when_the_last_was_dear(raws, echo):
    busy(echo.engine)
    for number in range(20):
        echo.engine.publish("t", b"4%d" % number)
        await turns(1)
        assert raws[0].got() == []
    await turns(3)
    assert [raw.got() for raw in raws] == [[f"4{number}" for number in range(20)]] * 3


async def test_a_dear_flush_is_noticed(raws, echo, monkeypatch):
    monkeypatch.setattr(flushing, "WORTH_S", 0.0)
    rule = echo.engine._rule if echo.engine.name == "portable" else native_rule()
    rule._until, before = 0.0, perf_counter()
    echo.engine.publish("t", b"4first")
    await turns(3)
    assert before < rule._until < perf_counter() + LONGEST_WAIT_S


async def test_a_direct_send_goes_behind_what_was_published_and_waits_for_nothing(raws, echo):
    busy(echo.engine)
    for number in range(3):
        echo.engine.publish("t", b"4%d" % number)
        await turns(1)
    assert echo.engine.send(raws[0].sid, b"4mine")
    echo.engine.publish("t", b"4last")
    if echo.engine.name == "portable":
        await turns(1)  # uvloop writes at the end of a turn
    assert raws[0].got() == ["40", "41", "42", "4mine"]
    await turns(3)
    assert raws[0].got() == ["4last"]
    assert raws[1].got() == ["40", "41", "42", "4last"]


async def test_a_close_goes_behind_what_was_published(raws, echo):
    busy(echo.engine)
    echo.engine.publish("t", b"4words")
    await turns(1)
    echo.engine.close(raws[0].sid)
    await turns(5)
    assert raws[0].got() == ["4words", "close"]
    assert raws[1].got() == ["4words"]


async def test_who_comes_or_goes_meanwhile_gets_what_was_published_while_inside(raws, echo):
    engine = echo.engine
    leaver, comer, stayer = raws
    engine.unsubscribe(comer.sid, "t")
    busy(engine)
    engine.publish("t", b"4before")
    await turns(1)
    engine.unsubscribe(leaver.sid, "t")
    engine.subscribe(comer.sid, "t")
    engine.publish("t", b"4after")
    await turns(4)
    assert (leaver.got(), comer.got(), stayer.got()) == (["4before"], ["4after"], ["4before", "4after"])


async def test_a_cut_client_does_not_disturb_what_waits(raws, echo):
    busy(echo.engine)
    echo.engine.publish("t", b"4on")
    await turns(1)
    echo.engine.abort(raws[0].sid)
    echo.engine.publish("t", b"4and on")
    await turns(4)
    assert [raw.got() for raw in raws[1:]] == [["4on", "4and on"]] * 2


async def test_endless_publishes_keep_neither_themselves_nor_clients_waiting(raws, echo):
    ended = asyncio.Event()

    async def publish_in_every_turn():
        while not ended.is_set():
            echo.engine.publish("t", b"4x")
            await turns(1)

    busy(echo.engine, 0.2)
    publisher = asyncio.create_task(publish_in_every_turn())
    raws[0].say("4hello")
    got: list[str] = []
    async with asyncio.timeout(LONG_S):
        while "4hello" not in got:
            await asyncio.sleep(0.01)
            got += raws[0].got()
    assert "4x" in got
    ended.set()
    await publisher


@pytest.mark.parametrize("seed", range(5))
async def test_any_mix_of_publishes_and_sends_arrives_once_and_in_order(raws, echo, seed):
    chance, engine = random.Random(seed), echo.engine
    inside = {(raw, topic): topic == "t" for raw in raws for topic in ("t", "u")}
    expected: dict[Raw, list[str]] = {raw: [] for raw in raws}
    got: dict[Raw, list[str]] = {raw: [] for raw in raws}
    for number in range(400):
        raw, topic = chance.choice(raws), chance.choice("tu")
        match chance.choice(["publish"] * 5 + ["send", "move", "turn", "turn", "busy"]):
            case "publish":
                engine.publish(topic, b"4%d" % number)
                for each in raws:
                    if inside[each, topic]:
                        expected[each].append(f"4{number}")
            case "send":
                assert engine.send(raw.sid, b"4%d" % number)
                expected[raw].append(f"4{number}")
            case "move":
                (engine.unsubscribe if inside[raw, topic] else engine.subscribe)(raw.sid, topic)
                inside[raw, topic] = not inside[raw, topic]
            case "turn":
                await turns(chance.randint(1, 4))
            case "busy":
                busy(engine, chance.choice([0.0, 0.001, 0.1]))
        for each in raws:
            got[each] += each.got()
    await turns(4)
    await asyncio.sleep(0.05)
    for each in raws:
        assert got[each] + each.got() == expected[each]
