"""Clients that vanish, clients that do not read, and servers that stop."""

import asyncio
import errno
import os
import random
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from support.eventually import LONG_S

from realtime.engine import Options, choose, descriptors

HERE = Path(__file__).parent
SETTLE_S = 1  # of churn_server.py
CHURN = int(os.environ.get("PLAZA_CHURN", "5000"))  # make soak: 50000

WEBSOCKET = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(message: bytes) -> bytes:
    """Return a client's text frame, with a mask of zeros."""
    return bytes((0x81, 0x80 | len(message))) + b"\0\0\0\0" + message


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def rude_visit(port: int, luck: random.Random) -> None:
    """Connect by a random transport, get to a random point, and vanish."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        kind = luck.random()
        if kind < 0.1:
            writer.write(WEBSOCKET[: luck.randrange(len(WEBSOCKET))])
        elif kind < 0.25:
            writer.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
            if luck.random() < 0.8:
                opened = await reader.readuntil(b"maxPayload")
                sid = opened.split(b'"sid":"')[1].split(b'"')[0]
                writer.write(b"GET /socket.io/?EIO=4&transport=polling&sid=" + sid + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        else:
            writer.write(WEBSOCKET)
            await reader.readuntil(b"maxPayload")
            if luck.random() < 0.8:
                writer.write(masked(b"40") + masked(b'421["echo",1]') * luck.randrange(3))
                if luck.random() < 0.5:
                    await reader.readuntil(b"tick")
        await asyncio.sleep(luck.random() * 0.02)
    except asyncio.IncompleteReadError:  # cut by the server, which is right where this client was too slow
        assert time.monotonic() - began > SETTLE_S
    finally:
        if luck.random() < 0.5:
            reset(writer)
        else:
            writer.close()


async def visits(port: int, count: int, seed: int) -> None:
    luck = random.Random(seed)
    left = iter(range(count))

    async def visitor() -> None:
        for _ in left:
            await asyncio.wait_for(rude_visit(port, luck), LONG_S)

    await asyncio.gather(*(visitor() for _ in range(60)))


async def test_churn_leaves_nothing_behind(engine_class, http):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "faulthandler", str(HERE / "churn_server.py"), engine_class.name,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2])},
    )  # fmt: skip
    try:
        assert child.stdout is not None
        port = int(await child.stdout.readline())

        async def settled() -> dict[str, int]:
            for _ in range(600):
                async with http.get(f"http://127.0.0.1:{port}/size") as answer:
                    size = await answer.json()
                if size["left"] == 0:
                    break
                await asyncio.sleep(0.1)
            return size

        await visits(port, CHURN // 5, 1)
        before = await settled()
        await visits(port, CHURN, 2)
        await asyncio.sleep(1.2)
        after = await settled()
        assert after["left"] == 0
        assert after["tasks"] <= before["tasks"] + 2
        assert after["fds"] <= before["fds"] + 5
        assert after["rss"] - before["rss"] < 6 * 2**20
        assert child.returncode is None
    finally:
        if child.returncode is None:
            child.kill()
        _, errors = await child.communicate()
    assert b"Traceback" not in errors, errors.decode()


async def test_garbage_costs_only_the_connection_that_sent_it(start, echo):
    client = await start(echo, settle_timeout_s=1)
    luck = random.Random(3)
    polling = WEBSOCKET.replace(b"websocket", b"polling")
    good = [
        WEBSOCKET,
        WEBSOCKET + masked(b"40") + masked(b"2probe") + masked(b"5"),
        polling,
        polling.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n4hello"),
        polling.replace(b"Host: x", b"Host: x\r\nContent-Length: 99999999999999999999"),
        polling.replace(b"Host: x", b"Transfer-Encoding: chunked") + b"5\r\n4abcd\r\n0\r\n\r\n",
        b"GET /%00%ff?" + b"&".join(b"a%d=%%zz" % n for n in range(50)) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    for _ in range(400):
        request = bytearray(luck.choice(good))
        for _ in range(luck.randrange(4)):
            place = luck.randrange(len(request))
            request[place : place + luck.randrange(3)] = luck.randbytes(luck.randrange(4))
        _, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(bytes(request))
        if luck.random() < 0.3:
            await asyncio.sleep(0.002)
        reset(writer) if luck.random() < 0.5 else writer.close()
    await client.until(lambda: not echo.engine.sessions)
    ws, _ = await client.open()
    await ws.send_str("4well")
    assert await client.text(ws) == "4well"
    await ws.close()


async def stalled_reader(port: int) -> tuple[socket.socket, asyncio.StreamReader, asyncio.StreamWriter]:
    """A websocket client that never reads after its handshake, with a small window."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=2048)
    writer.write(WEBSOCKET)
    await reader.readuntil(b"\r\n\r\n")
    return sock, reader, writer


@pytest.mark.parametrize("way", ["send", "publish"])
async def test_a_slow_reader_is_closed_and_slows_nobody(start, echo, way):
    client = await start(echo, max_buffered_bytes=64 * 1024)
    _, _, writer = await stalled_reader(client.port)
    await client.until(lambda: echo.opened_with)
    slow = next(iter(echo.opened_with))
    ws, quick = await client.open()
    for sid in (slow, quick):
        echo.engine.subscribe(sid, "t")
    frame = b"4" + b"x" * 8000
    most = 0
    for _ in range(3000):
        if way == "publish":
            echo.engine.publish("t", frame)
        else:
            echo.engine.send(slow, frame)
            echo.engine.send(quick, frame)
        assert len((await ws.receive(LONG_S)).data) == 8001
        most = max(most, echo.engine.backpressure_bytes())
        if slow in echo.ended:
            break
    assert echo.ended.keys() == {slow}
    assert echo.engine.slow_closed == 1
    assert most < 4 * 64 * 1024
    await ws.close()
    writer.close()


async def test_a_poller_that_does_not_poll_is_closed(start, echo):
    client = await start(echo, max_buffered_bytes=10_000)
    sid = await client.handshake()
    assert all(echo.engine.send(sid, b"4" + b"x" * 1000) for _ in range(9))
    assert echo.engine.buffered(sid) == 9009
    assert not echo.engine.send(sid, b"4" + b"x" * 1000)
    assert (echo.ended[sid], echo.engine.slow_closed) == ("transport close", 1)


async def test_back_pressure_is_measured(start, echo):
    client = await start(echo)
    _, _, writer = await stalled_reader(client.port)
    await client.until(lambda: echo.opened_with)
    slow = next(iter(echo.opened_with))
    for _ in range(3000):
        echo.engine.send(slow, b"4" + b"x" * 8000)
        if echo.engine.backpressure_bytes() > 100_000:
            break
    assert 100_000 < echo.engine.buffered(slow) < 300_000
    writer.close()


async def test_a_draining_engine_refuses_handshakes_and_keeps_its_sessions(start, echo):
    client = await start(echo)
    ws, _ = await client.open()
    polling = await client.handshake()
    keep_alive = await asyncio.open_connection("127.0.0.1", client.port)
    keep_alive[1].write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    await keep_alive[0].readuntil(b"not found")
    echo.engine.draining = True
    keep_alive[1].write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 503" in await keep_alive[0].readline()
    assert (await client.request("GET", EIO="4", transport="polling")).status == 503
    await ws.send_str("4still here")
    assert await client.text(ws) == "4still here"
    assert polling in echo.engine.sessions
    assert echo.ended == {}
    keep_alive[1].close()


async def test_stopping_closes_in_order(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    polling = await client.handshake()
    held = asyncio.create_task(client.poll(polling))
    await echo.holds(polling)
    echo.engine.send(sid, b"4bye")
    await echo.engine.stop()
    assert await client.text(ws) == "4bye"
    message = await ws.receive(LONG_S)
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1000)
    assert (await held).text == "1"
    assert echo.ended == {sid: "server disconnect", polling: "server disconnect"}


async def test_a_port_in_use_is_an_error(start, echo, engine_class):
    client = await start(echo)
    second = engine_class(Options())
    with pytest.raises(OSError, match=r"."):
        await second.start("127.0.0.1", client.port)
    ws, _ = await client.open()
    await ws.close()
    await second.stop()


async def test_several_engines_share_a_process(start, echo, engine_class):
    first = await start(echo)
    other = type(echo)()
    second = await start(other)
    ws1, sid1 = await first.open()
    ws2, sid2 = await second.open()
    echo.engine.subscribe(sid1, "t")
    other.engine.subscribe(sid2, "t")
    echo.engine.publish("t", b"4first")
    other.engine.publish("t", b"4second")
    assert (await first.text(ws1), await second.text(ws2)) == ("4first", "4second")
    await ws1.close()
    await ws2.close()


async def test_connections_nobody_stands_for_are_bounded(start, echo):
    client = await start(echo, max_unsettled=2)
    ws, first = await client.open()
    held = await client.handshake()
    echo.engine.settle(held)
    second = await client.handshake()
    third = await client.handshake()
    assert await client.closed(ws)
    assert echo.ended == {first: "transport error"}
    last, fourth = await client.open()
    await client.until(lambda: set(echo.engine.sessions) == {held, third, fourth})
    assert second in echo.ended
    echo.engine.unsettle(held)  # who was in before goes first
    await client.until(lambda: set(echo.engine.sessions) == {third, fourth})
    assert (len(echo.engine._unsettled), len(echo.ended)) == (2, 3)
    assert echo.engine.handshakes == {"ok": 5}
    await last.close()


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP"])
async def test_those_of_one_origin_make_room_for_each_other(start, echo, header):
    def by_name(_remote, forwarded_for):
        return forwarded_for or ""

    client = await start(echo, max_unsettled=100, max_unsettled_of_one=2, origin=by_name, client_ip_header=header)

    async def come(origin):
        headers = {"X-Forwarded-For": "anybody", "X-Real-IP": "anybody", header: origin}
        answer = await client.request("GET", EIO="4", transport="polling", headers=headers)
        assert answer.status == 200
        return answer.text.partition('"sid":"')[2].partition('"')[0]

    alone = await come("b")
    crowd = [await come("a") for _ in range(20)]
    await client.until(lambda: set(echo.engine.sessions) == {alone, *crowd[-2:]})
    for each in list(echo.engine.sessions):
        echo.engine.abort(each)
    assert len(echo.engine._unsettled) == 0
    assert echo.engine._unsettled._by_origin == {}


async def test_idle_sockets_have_no_task_of_the_engines(start, echo, engine_class):
    client = await start(echo)
    sockets = [await client.open() for _ in range(20)]
    await asyncio.sleep(0.05)
    mine = [task for task in asyncio.all_tasks() if "realtime" in str(task.get_coro())]
    assert len(mine) == 0 if engine_class.name == "native" else len(mine) <= 20
    for ws, _ in sockets:
        await ws.close()


async def test_newcomers_are_refused_before_descriptors_are_scarce_and_whoever_is_there_stays(start, echo, http):
    client = await start(echo)
    there, _ = await client.open()
    echo.engine.most_sessions = 1
    with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
        await client.open()
    async with http.get(f"http://127.0.0.1:{client.port}/socket.io/?EIO=4&transport=polling") as refused:
        assert (refused.status, refused.headers["Connection"]) == (503, "close")
    await there.send_str("4hello")
    assert await there.receive_str() == "4hello"
    echo.engine.most_sessions = 2
    await (await client.open())[0].close()
    assert echo.engine.handshakes["full"] == 2
    await there.close()


def test_a_process_without_any_descriptor_left_says_so(monkeypatch):
    def refuse(*_: object) -> int:
        raise OSError(number, "no descriptor")

    monkeypatch.setattr("os.open", refuse)
    number = errno.EMFILE
    assert descriptors.left() == 0
    number = errno.ENOENT
    with pytest.raises(FileNotFoundError):
        descriptors.left()


async def test_the_native_engine_takes_no_connections_while_descriptors_are_scarce(
    start, echo, engine_class, monkeypatch
):
    if engine_class.name != "native":
        pytest.skip("asyncio pauses accepting by itself")
    client = await start(echo)
    monkeypatch.setattr("resource.getrlimit", lambda _: (20, 20))
    for _ in range(2):  # the closed listener's own number is no reason to open it again
        echo.engine._watch_descriptors()
        with pytest.raises(OSError, match=r"."):
            await asyncio.open_connection("127.0.0.1", client.port)
    monkeypatch.undo()
    echo.engine._watch_descriptors()
    ws, _ = await client.open()
    await ws.close()


def test_an_engine_is_chosen_by_name_and_by_what_loads(monkeypatch, caplog):
    assert choose("portable").name == "portable"
    with pytest.raises(ValueError, match="REALTIME_ENGINE"):
        choose("fast")
    monkeypatch.setitem(sys.modules, "realtime.engine.uws", None)
    assert choose().name == "portable"
    assert [record.getMessage()[:36] for record in caplog.records] == ["the native engine does not load here"]


def test_nothing_native_loads_before_it_is_asked_for():
    imports = "import sys, realtime.socketio.server, realtime.engine"
    script = f"{imports}; realtime.engine.choose('portable'); print('socketify' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=HERE.parents[2]
    )
    assert shown.stdout.strip() == "False"
