"""The Engine.IO 4 protocol, over raw HTTP and raw websockets, on both engines."""

import asyncio
import json
from urllib.parse import quote

import aiohttp
import pytest
from support.eventually import LONG_S

KEYS = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}


async def bad(answer, code, message, status=400):
    assert answer.status == status
    assert json.loads(answer.text) == {"code": code, "message": message}


async def test_a_polling_handshake_tells_the_rules(start, echo, quick):
    client = await start(echo, **quick)
    answer = await client.request("GET", EIO="4", transport="polling")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.headers["Cache-Control"] == "no-store"
    rules = json.loads(answer.text[1:])
    assert answer.text[0] == "0"
    assert rules.keys() == KEYS
    assert rules["upgrades"] == ["websocket"]
    assert (rules["pingInterval"], rules["pingTimeout"], rules["maxPayload"]) == (300, 200, 65_536)
    assert rules["sid"] in echo.opened_with


async def test_a_websocket_handshake_tells_the_rules(start, echo, quick):
    client = await start(echo, **quick)
    ws = await client.websocket()
    opened = await client.text(ws)
    rules = json.loads(opened[1:])
    assert opened[0] == "0"
    assert rules.keys() == KEYS
    assert rules["upgrades"] == []
    assert (rules["pingInterval"], rules["pingTimeout"]) == (300, 200)
    await ws.close()


async def test_a_sid_names_its_node_and_stays_a_secret(start, echo):
    client = await start(echo, node="realtime-1")
    ws, by_websocket = await client.open()
    sids = [by_websocket, *[await client.handshake() for _ in range(20)]]
    named = [sid.split(".") for sid in sids]
    assert {node for node, _ in named} == {"realtime-1"}
    assert len({secret for _, secret in named}) == len(sids)
    assert {len(secret) for _, secret in named} == {20}  # 120 bits
    assert quote(sids[-1], safe="") == sids[-1]
    assert (await client.post(sids[-1], "4hello")).text == "ok"
    assert (await client.poll(sids[-1])).text == "4hello"
    assert (await client.poll(named[-2][1])).status == 400
    await ws.close()


async def test_fractional_intervals_survive_on_the_wire(start, echo):
    client = await start(echo, ping_interval_s=1.25, ping_timeout_s=0.75)
    answer = await client.request("GET", EIO="4", transport="polling")
    assert (json.loads(answer.text[1:])["pingInterval"], json.loads(answer.text[1:])["pingTimeout"]) == (1250, 750)


@pytest.mark.parametrize("query", [{}, {"EIO": "abc"}, {"EIO": "3"}])
async def test_another_version_of_the_protocol_is_refused(start, echo, query):
    client = await start(echo)
    await bad(await client.request("GET", transport="polling", **query), 5, "Unsupported protocol version")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.http.ws_connect(client.url(transport="websocket", **query))
    assert refused.value.status == 400


@pytest.mark.parametrize("query", [{}, {"transport": "abc"}])
async def test_an_unknown_transport_is_refused(start, echo, query):
    client = await start(echo)
    await bad(await client.request("GET", EIO="4", **query), 0, "Transport unknown")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.http.ws_connect(client.url(EIO="4", **query))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_handshake_is_a_get(start, echo, method):
    client = await start(echo)
    await bad(await client.request(method, EIO="4", transport="polling"), 2, "Bad handshake method")


async def test_a_websocket_handshake_needs_the_upgrade_header(start, echo):
    client = await start(echo)
    await bad(await client.request("GET", EIO="4", transport="websocket"), 3, "Bad request")


async def test_an_unknown_session_is_refused(start, echo):
    client = await start(echo)
    await bad(await client.poll("nobody"), 1, "Session ID unknown")
    await bad(await client.post("nobody", "4x"), 1, "Session ID unknown")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.websocket(sid="nobody")


async def test_the_path_works_without_its_trailing_slash(start, echo):
    client = await start(echo)
    client.path = "/socket.io"
    await client.handshake()
    ws, _ = await client.open()
    await ws.close()


async def test_what_is_kept_of_a_request_is_small(start, echo):
    client = await start(echo)
    sid = await client.handshake(
        {"Origin": "http://a", "User-Agent": "u", "X-Forwarded-For": "1.2.3.4", "X-Big": "x" * 999}
    )
    assert echo.opened_with[sid] == {
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_ORIGIN": "http://a",
        "HTTP_USER_AGENT": "u",
        "HTTP_X_FORWARDED_FOR": "1.2.3.4",
    }


@pytest.mark.parametrize(
    "payload", ["4hello", "4test1\x1e4test2\x1e4test3", "4hello\x1ebAQIDBA==", "4h\u00e9 \U0001f600"]
)
async def test_a_polled_payload_comes_back(start, echo, payload):
    client = await start(echo)
    sid = await client.handshake()
    sent = await client.post(sid, payload)
    assert (sent.status, sent.text) == (200, "ok")
    got = await client.poll(sid)
    assert (got.status, got.text) == (200, payload)


async def test_a_long_queue_takes_several_polls(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    for number in range(40):
        echo.engine.send(sid, b"4%d" % number)
    polled = [(await client.poll(sid)).text.split("\x1e") for _ in range(3)]
    assert [packet for part in polled for packet in part] == [f"4{number}" for number in range(40)]
    assert [len(part) for part in polled] == [16, 16, 8]
    assert echo.engine.buffered(sid) == 0


@pytest.mark.parametrize("is_held", [True, False])
@pytest.mark.parametrize("sent", [14, 15, 16, 40])
async def test_a_long_queue_takes_several_polls_at_the_end_too(start, echo, sent, is_held):
    client = await start(echo)
    sid = await client.handshake()
    held = asyncio.create_task(client.poll(sid)) if is_held else None
    if held:
        await echo.holds(sid)
    for number in range(sent):
        echo.engine.send(sid, b"4%d" % number)
    echo.engine.close(sid)
    polled = [(await held).text.split("\x1e")] if held else []
    while (answer := await client.poll(sid)).status == 200:
        polled.append(answer.text.split("\x1e"))
    assert [packet for part in polled for packet in part] == [*(f"4{number}" for number in range(sent)), "1"]
    assert {len(part) for part in polled[:-1]} <= {16}
    assert len(polled[-1]) <= 16
    assert echo.engine._unsent == {}


async def test_a_client_that_says_goodbye_gets_no_more_than_one_answer(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    held = asyncio.create_task(client.poll(sid))
    await echo.holds(sid)
    assert (await client.post(sid, "\x1e".join(["4x"] * 20 + ["1"]))).text == "ok"
    assert (await held).text.split("\x1e") == ["4x"] * 16
    assert (await client.poll(sid)).status == 400
    assert echo.engine._unsent == {}


async def test_a_held_poll_is_answered_when_something_comes(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    held = asyncio.create_task(client.poll(sid))
    await echo.holds(sid)
    assert not held.done()
    await client.post(sid, "4a\x1e4b")
    assert (await held).text == "4a\x1e4b"


async def test_a_body_in_chunks_is_one_payload(start, echo):
    client = await start(echo)
    sid = await client.handshake()

    async def chunks():
        yield b"4he"
        await asyncio.sleep(0.01)
        yield b"llo"

    assert (await client.post(sid, chunks())).text == "ok"
    assert (await client.poll(sid)).text == "4hello"


@pytest.mark.parametrize("payload", ["abc", "", "4a\x1e", "b!", "9", b"4\xff\xfe"])
async def test_a_bad_payload_ends_the_session(start, echo, payload):
    client = await start(echo)
    sid = await client.handshake()
    assert (await client.post(sid, payload)).status == 400
    assert (await client.poll(sid)).status == 400
    assert echo.ended[sid] == "transport error"


async def test_what_came_before_a_bad_packet_counts(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    await client.post(sid, "4good\x1eabc")
    assert echo.got == ["good"]


async def test_binary_travels_as_base64_only(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    assert (await client.post(sid, b"4x", "application/octet-stream")).status == 400
    assert sid in echo.ended


async def test_two_polls_at_once_end_the_session(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    first = asyncio.create_task(client.poll(sid))
    await echo.holds(sid)
    second = await client.poll(sid)
    assert (await first).text == "1"
    assert second.status == 400
    assert (await client.poll(sid)).status == 400


async def test_two_posts_at_once_end_the_session(start, echo):
    client = await start(echo)
    sid = await client.handshake()

    refused = asyncio.Event()

    async def slow():
        yield b"4"
        await refused.wait()
        yield b"x"

    first = asyncio.create_task(client.post(sid, slow()))
    await echo.holds(sid, "post")
    assert (await client.post(sid, "4y")).status == 400
    refused.set()
    assert (await first).status == 400
    assert sid in echo.ended


async def test_a_cancelled_poll_ends_the_session(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    held = asyncio.create_task(client.poll(sid))
    await echo.holds(sid)
    held.cancel()
    await client.until(lambda: echo.ended.get(sid) == "transport close")
    assert (await client.poll(sid)).status == 400


async def test_a_polling_body_has_a_limit(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    assert (await client.post(sid, "4" + "x" * 65_536)).status == 413
    assert sid in echo.ended

    async def endless():
        for _ in range(20):
            yield b"4" * 8192

    other = await client.handshake()
    assert (await client.post(other, endless())).status == 413
    assert other in echo.ended


async def test_a_body_of_just_the_limit_passes(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    payload = "4" + "x" * 65_535
    assert (await client.post(sid, payload)).text == "ok"
    assert (await client.poll(sid)).text == payload


async def test_a_websocket_carries_text_and_binary(start, echo):
    client = await start(echo)
    ws, _ = await client.open()
    await ws.send_str("4h\u00e9")
    assert await client.text(ws) == "4h\u00e9"
    await ws.send_bytes(b"\1\2\0\4")
    assert (await ws.receive()).data == b"\1\2\0\4"
    await ws.close()


@pytest.mark.parametrize("asked", [{}, {"b64": "1"}])
async def test_binary_as_text_is_read_on_a_websocket_and_answered_as_it_was_asked_for(start, echo, asked):
    client = await start(echo)
    ws = await client.websocket(**asked)
    sid = json.loads((await client.text(ws))[1:])["sid"]
    await ws.send_str("bAQIABA==")
    answer = await ws.receive()
    assert echo.got == [b"\1\2\0\4"]
    assert answer.data == ("bAQIABA==" if asked else b"\1\2\0\4")
    for topic in ("t", "u"):
        echo.engine.subscribe(sid, topic)
    echo.engine.unsubscribe(sid, "u")
    for frame, binary in ((b"4a", False), (b"\1", True), (b"4b", False)):
        echo.engine.publish("u", frame, binary)
        echo.engine.publish("t", frame, binary)
    assert [(await ws.receive()).data for _ in range(3)] == ["4a", "bAQ==" if asked else b"\1", "4b"]
    await ws.close()
    await client.until(lambda: echo.ended)
    assert not echo.engine.rewritten


async def test_a_session_that_wants_binary_as_text_keeps_its_topics_when_it_upgrades(start, echo):
    client = await start(echo)
    answer = await client.request("GET", EIO="4", transport="polling", b64="1")
    sid = json.loads(answer.text[1:])["sid"]
    echo.engine.subscribe(sid, "t")
    ws = await client.websocket(sid=sid, b64="1")
    await ws.send_str("2probe")
    assert await client.text(ws) == "3probe"
    echo.engine.send(sid, b"\1", True)
    await ws.send_str("5")
    assert await client.text(ws) == "bAQ=="
    echo.engine.publish("t", b"\2", True)
    assert await client.text(ws) == "bAg=="
    await ws.close()


@pytest.mark.parametrize("message", ["abc", "", "7", "b AQ"])
async def test_a_bad_websocket_packet_ends_the_session(start, echo, message):
    client = await start(echo)
    ws, sid = await client.open()
    await ws.send_str(message)
    assert await client.closed(ws)
    assert echo.ended[sid] == "transport error"


async def test_a_websocket_message_has_a_limit(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    await ws.send_str("4" + "x" * 65_000)
    assert len(await client.text(ws)) == 65_001
    await ws.send_str("4" + "x" * 66_000)
    assert await client.closed(ws)
    await client.until(lambda: sid in echo.ended)


async def test_order_is_kept_in_a_burst(start, echo):
    client = await start(echo)
    ws, _ = await client.open()
    for number in range(500):
        await ws.send_str(f"4{number}")
    assert [await client.text(ws) for _ in range(500)] == [f"4{number}" for number in range(500)]
    await ws.close()


async def test_a_poller_is_pinged_and_lives_by_its_pongs(start, echo, quick):
    client = await start(echo, **quick)
    sid = await client.handshake()
    for _ in range(3):
        assert (await client.poll(sid)).text == "2"
        assert (await client.post(sid, "3")).text == "ok"
    assert sid not in echo.ended


async def test_a_silent_poller_is_forgotten(start, echo, quick):
    client = await start(echo, **quick)
    sid = await client.handshake()
    await client.until(lambda: echo.ended.get(sid) == "ping timeout")
    assert (await client.poll(sid)).status == 400


async def test_a_websocket_is_pinged_and_lives_by_its_pongs(start, echo, quick):
    client = await start(echo, **quick)
    ws, sid = await client.open()
    for _ in range(3):
        assert (await ws.receive(LONG_S)).data == "2"
        await ws.send_str("3")
    assert sid not in echo.ended
    await ws.close()


async def test_a_silent_websocket_is_cut(start, echo, quick):
    client = await start(echo, **quick)
    ws, sid = await client.open()
    assert await client.closed(ws)
    assert echo.ended[sid] == "ping timeout"


async def test_any_packet_is_a_sign_of_life(start, echo):
    client = await start(echo, ping_interval_s=0.3, ping_timeout_s=1)
    ws, sid = await client.open()
    for _ in range(15):
        await asyncio.sleep(0.1)
        await ws.send_str("4alive")
    assert sid not in echo.ended
    await ws.close()


async def test_only_the_server_pings(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    await ws.send_str("2")
    assert await client.closed(ws)
    assert echo.ended[sid] == "transport error"


async def test_a_half_open_connection_is_removed(start, echo, quick):
    client = await start(echo, **quick)
    _, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await client.until(lambda: echo.opened_with)
    await client.until(lambda: list(echo.ended.values()) == ["ping timeout"])
    assert echo.engine.sessions == {}
    writer.close()


async def test_a_close_packet_by_polling_ends_the_session(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    held = asyncio.create_task(client.poll(sid))
    await echo.holds(sid)
    assert (await client.post(sid, "1")).status == 200
    assert (await held).text == "6"
    assert (await client.poll(sid)).status == 400
    assert echo.ended[sid] == "transport close"


async def test_a_close_packet_by_websocket_ends_the_session(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    await ws.send_str("1")
    assert await client.closed(ws)
    assert echo.ended[sid] == "transport close"


async def test_a_closed_websocket_ends_the_session(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    await ws.close()
    await client.until(lambda: echo.ended.get(sid) == "transport close")
    assert echo.engine.sessions == {}


async def test_the_server_closes_a_poller_behind_what_it_sent(start, echo):
    client = await start(echo)
    held = await client.handshake()
    poll = asyncio.create_task(client.poll(held))
    await echo.holds(held)
    echo.engine.send(held, b"4last")
    echo.engine.close(held)
    assert (await poll).text == "4last\x1e1"

    between = await client.handshake()
    echo.engine.send(between, b"4last")
    echo.engine.close(between)
    assert (await client.poll(between)).text == "4last\x1e1"
    assert (await client.poll(between)).status == 400
    assert echo.ended == {held: "server disconnect", between: "server disconnect"}


async def test_the_server_closes_a_websocket_behind_what_it_sent(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    for number in range(100):
        echo.engine.send(sid, b"4%d" % number)
    echo.engine.close(sid)
    assert [await client.text(ws) for _ in range(100)] == [f"4{number}" for number in range(100)]
    message = await ws.receive(LONG_S)
    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.data == 1000


async def test_a_cut_is_a_lost_network(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    echo.engine.abort(sid)
    assert (await ws.receive(LONG_S)).type is not aiohttp.WSMsgType.CLOSE or ws.close_code == 1006
    assert echo.ended[sid] == "transport close"
    polling = await client.handshake()
    held = asyncio.create_task(client.poll(polling))
    await echo.holds(polling)
    echo.engine.abort(polling)
    assert (await held).status == 400
    assert not echo.engine.send(polling, b"4x")


async def test_a_session_that_nobody_settles_is_closed(start, echo):
    client = await start(echo, settle_timeout_s=0.2)
    ws, sid = await client.open()

    def opened(kept_sid, _environ):
        asyncio.get_running_loop().call_soon(echo.engine.settle, kept_sid)

    echo.opened = opened
    kept, kept_sid = await client.open()
    assert await client.closed(ws)
    assert echo.ended == {sid: "server disconnect"}
    echo.engine.unsettle(kept_sid)
    assert await client.closed(kept)


async def probe(client, sid):
    ws = await client.websocket(sid=sid)
    await ws.send_str("2probe")
    assert await client.text(ws) == "3probe"
    return ws


async def test_a_poller_becomes_a_websocket(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    ws = await probe(client, sid)
    assert (await client.poll(sid)).text == "6"
    await ws.send_str("5")
    await ws.send_str("4hello")
    assert await client.text(ws) == "4hello"
    assert echo.engine.transport(sid) == "websocket"
    await ws.close()
    await client.until(lambda: echo.ended.get(sid) == "transport close")


async def test_the_probe_ends_a_held_poll(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    held = asyncio.create_task(client.poll(sid))
    await echo.holds(sid)
    ws = await probe(client, sid)
    assert (await held).text == "6"
    await ws.close()


async def test_packets_of_the_upgrade_arrive_once_and_in_order(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    echo.engine.subscribe(sid, "room")
    got = []
    echo.engine.send(sid, b"4a")
    ws = await probe(client, sid)
    echo.engine.publish("room", b"4b")
    got += (await client.poll(sid)).text.split("\x1e")
    echo.engine.send(sid, b"4c")
    echo.engine.send(sid, b"\1", True)
    echo.engine.publish("room", b"4d")
    await ws.send_str("5")
    await client.until(lambda: echo.engine.transport(sid) == "websocket")
    echo.engine.publish("room", b"4e")
    echo.engine.send(sid, b"4f")
    got += [(await ws.receive(LONG_S)).data for _ in range(5)]
    assert got == ["4a", "4b", "4c", b"\1", "4d", "4e", "4f"]
    await ws.close()


async def test_polling_ends_with_the_upgrade(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    ws = await probe(client, sid)
    await ws.send_str("5")
    await client.until(lambda: echo.engine.transport(sid) == "websocket")
    await bad(await client.poll(sid), 3, "Bad request")
    await bad(await client.post(sid, "4x"), 3, "Bad request")
    await ws.send_str("4hello")
    assert await client.text(ws) == "4hello"
    await ws.close()


async def test_a_second_websocket_for_one_session_is_closed(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    ws = await probe(client, sid)
    for _ in range(2):
        assert await client.closed(await client.websocket(sid=sid))
        await ws.send_str("5")
        await client.until(lambda: echo.engine.transport(sid) == "websocket")
    await ws.send_str("4still here")
    assert await client.text(ws) == "4still here"
    await ws.close()


async def test_a_websocket_session_cannot_be_upgraded(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    assert await client.closed(await client.websocket(sid=sid))
    await ws.send_str("4x")
    assert await client.text(ws) == "4x"
    await ws.close()


@pytest.mark.parametrize("last", [None, "4early", "5", "2", "nonsense"])
async def test_a_failed_probe_leaves_the_poller_alone(start, echo, last):
    client = await start(echo)
    sid = await client.handshake()
    ws = await client.websocket(sid=sid)
    if last is None:
        await ws.send_str("2probe")
        await client.text(ws)
        await ws.close()
    else:
        await ws.send_str(last)
        assert await client.closed(ws)
    await client.post(sid, "4still polling")
    await client.until(lambda: echo.got)
    assert (await client.poll(sid)).text == "4still polling"
    again = await probe(client, sid)
    await again.close()


async def test_a_silent_probe_is_closed(start, echo):
    client = await start(echo, upgrade_timeout_s=0.2)
    sid = await client.handshake()
    ws = await client.websocket(sid=sid)
    assert await client.closed(ws)
    assert sid not in echo.ended


async def test_a_probe_ends_with_its_session(start, echo):
    client = await start(echo)
    sid = await client.handshake()
    ws = await probe(client, sid)
    echo.engine.abort(sid)
    assert await client.closed(ws)


async def test_a_topic_reaches_its_subscribers_only(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    other, _ = await client.open()
    polling = await client.handshake()
    for member in (sid, polling):
        echo.engine.subscribe(member, "t")
    echo.engine.publish("t", b"4one")
    echo.engine.publish("t", b"\1\2", True)
    assert await client.text(ws) == "4one"
    assert (await ws.receive(LONG_S)).data == b"\1\2"
    assert (await client.poll(polling)).text == "4one\x1ebAQI="
    for member in (sid, polling):
        echo.engine.unsubscribe(member, "t")
    echo.engine.publish("t", b"4two")
    for quiet in (ws, other):
        with pytest.raises(asyncio.TimeoutError):
            await quiet.receive(0.1)
    await ws.close()
    await other.close()


async def test_publishes_and_sends_keep_their_order(start, echo):
    client = await start(echo)
    ws, sid = await client.open()
    echo.engine.subscribe(sid, "t")
    for number in range(200):
        if number % 3:
            echo.engine.publish("t", b"4%d" % number)
        else:
            echo.engine.send(sid, b"4%d" % number)
    big = b"4" + b"x" * 30_000
    echo.engine.publish("t", big)
    echo.engine.send(sid, b"4end")
    assert [await client.text(ws) for _ in range(202)] == [*(f"4{n}" for n in range(200)), big.decode(), "4end"]
    await ws.close()


def good(request):
    return request.origin == "http://good"


async def test_an_origin_that_is_not_listed_is_refused(start, echo):
    client = await start(echo, allow=good)
    await bad(
        await client.request("GET", EIO="4", transport="polling", headers={"Origin": "http://evil"}),
        4,
        "Forbidden",
        403,
    )
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.http.ws_connect(client.url(EIO="4", transport="websocket"), headers={"Origin": "http://evil"})
    assert refused.value.status == 403
    assert (await client.request("OPTIONS", EIO="4", headers={"Origin": "http://evil"})).status == 403
    assert echo.engine.handshakes["forbidden"] == 3


async def test_a_listed_origin_and_none_at_all_are_welcome(start, echo):
    client = await start(echo, allow=good)
    await client.handshake()
    answer = await client.request("GET", EIO="4", transport="polling", headers={"Origin": "http://good"})
    assert answer.headers["Access-Control-Allow-Origin"] == "http://good"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Vary"] == "Origin"
    ws = await client.http.ws_connect(client.url(EIO="4", transport="websocket"), headers={"Origin": "http://good"})
    await ws.close()
    error = await client.request("GET", EIO="4", transport="x", headers={"Origin": "http://good"})
    assert error.headers["Access-Control-Allow-Origin"] == "http://good"


async def test_what_tells_the_own_origin_is_read(start, echo):
    asked = []
    client = await start(echo, allow=lambda request: not asked.append(request))
    told = {"Origin": "http://A", "Host": "b:1", "X-Forwarded-Host": "c:2", "X-Forwarded-Proto": "https"}
    await client.handshake(told)
    ws = await client.http.ws_connect(client.url(EIO="4", transport="websocket"), headers=told)
    await ws.close()
    assert {(each.origin, each.host, each.forwarded_host, each.forwarded_proto, each.remote) for each in asked} == {
        ("http://A", "b:1", "c:2", "https", "127.0.0.1")
    }
    assert len(asked) >= 3
    await client.handshake({"Origin": ""})
    assert all(each.origin for each in asked), "an empty header says nothing"


async def test_a_preflight_is_answered(start, echo):
    client = await start(echo)
    asked = {"Origin": "http://any", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a"}
    answer = await client.request("OPTIONS", EIO="4", transport="polling", headers=asked)
    assert (answer.status, answer.text) == (204, "")
    assert answer.headers["Access-Control-Allow-Headers"] == "x-a"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Content-Length" not in answer.headers


async def test_other_paths_are_pages_or_missing(start, echo):
    client = await start(echo)
    async with client.http.get(f"http://127.0.0.1:{client.port}/livez") as answer:
        assert answer.status == 404

    async def page(path):
        if path == "/broken":
            raise RuntimeError(path)
        await asyncio.sleep(0)
        return (200, "text/plain", path.encode()) if path == "/livez" else (404, "text/plain", b"?")

    echo.engine.page = page
    async with client.http.get(f"http://127.0.0.1:{client.port}/livez?x=1") as answer:
        assert (answer.status, await answer.text(), answer.content_type) == (200, "/livez", "text/plain")
    async with client.http.get(f"http://127.0.0.1:{client.port}/broken") as answer:
        assert answer.status == 500
    async with client.http.post(f"http://127.0.0.1:{client.port}/livez") as answer:
        assert answer.status == 404
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.http.ws_connect(f"http://127.0.0.1:{client.port}/elsewhere")
