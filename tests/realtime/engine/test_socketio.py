"""The Socket.IO 5 protocol, over raw websockets and raw polling, on both engines."""

import asyncio
import json
import logging

import pytest
from support.eventually import LONG_S

from realtime.socketio.admission import Admission
from realtime.socketio.server import ConnectionRefused, Server


@pytest.fixture
def settles_s():
    """Seconds that a connection has for its CONNECT: any number, but in tests with `hasty`."""


@pytest.fixture
async def sio(server, start, settles_s):
    """Start a server with the handlers that the protocol's test suite expects, and a client of it."""
    sio = server({"settle_timeout_s": settles_s}, namespaces=["/", "/custom"])
    sio.departures = []

    async def connect(sid, environ, auth):
        if auth and auth.get("refuse"):
            raise ConnectionRefused("not you", {"code": "invalid_token"})
        if auth and auth.get("quietly"):
            return False
        return None

    async def back(sid, *arguments):
        await sio.emit("message-back", arguments, to=sid)

    async def ack(sid, *arguments):
        return arguments

    async def disconnect(sid, reason):
        sio.departures.append((sid, reason))

    for namespace in ("/", "/custom"):
        sio.on("connect", connect, namespace)
        sio.on("message", back, namespace)
        sio.on("message-with-ack", ack, namespace)
        sio.on("disconnect", disconnect, namespace)
    sio.client = await start(sio, sio.engine)
    return sio


def hasty(seconds):
    """Let a test's server close connections that have sent no CONNECT for so long."""
    return pytest.mark.parametrize("settles_s", [seconds])


async def silent(ws, for_s=0.1):
    with pytest.raises(asyncio.TimeoutError):
        await ws.receive(for_s)


@pytest.mark.parametrize("packet", ["40", '40{"token":"123"}', "40/custom,", '40/custom,{"token":"abc"}', "40/custom"])
async def test_connect_answers_a_sid(sio, packet):
    ws, _ = await sio.client.open()
    await ws.send_str(packet)
    answer = await sio.client.text(ws)
    prefix = "40/custom," if "custom" in packet else "40"
    assert answer.startswith(prefix)
    assert json.loads(answer[len(prefix) :]).keys() == {"sid"}
    await ws.close()


@hasty(0.5)
async def test_an_unknown_namespace_is_refused(sio):
    ws, _ = await sio.client.open()
    await ws.send_str("40/random")
    assert await sio.client.text(ws) == '44/random,{"message":"Invalid namespace"}'
    assert await sio.client.closed(ws)  # it never connected


@hasty(2)
async def test_a_refusal_carries_its_reason_and_data(sio):
    ws, _ = await sio.client.open()
    await ws.send_str('40{"refuse":true}')
    assert await sio.client.text(ws) == '44{"message":"not you","data":{"code":"invalid_token"}}'
    await ws.send_str("40{}")
    assert (await sio.client.text(ws)).startswith('40{"sid"')
    await asyncio.sleep(2.2)
    await ws.send_str('42["message",1]')
    assert await sio.client.text(ws) == '42["message-back",1]'
    await ws.close()


@hasty(0.5)
async def test_a_refused_socket_that_does_not_try_again_is_closed(sio):
    ws, _ = await sio.client.open()
    await ws.send_str('40{"quietly":true}')
    assert (await sio.client.text(ws)).startswith('44{"message"')
    assert await sio.client.closed(ws)
    assert sio.manager.members == {}


@hasty(0.5)
async def test_a_socket_that_never_connects_is_closed(sio):
    ws, _ = await sio.client.open()
    assert await sio.client.closed(ws)


async def test_a_handler_that_fails_refuses_the_connect(server, start, caplog):
    sio = server()

    @sio.on("connect")
    async def connect(sid, environ, auth):
        raise RuntimeError("no database")

    client = await start(sio, sio.engine)
    ws, _ = await client.open()
    await ws.send_str("40")
    assert await client.text(ws) == '44{"message":"Internal error"}'
    assert "no database" in caplog.text
    await ws.close()


@pytest.mark.parametrize(
    "packet",
    [
        "4abc",
        "4",
        '42["early"]',
        "41",
        "4444",
        '40"text"',
        "40[1]",
        "49",
        '451-["x",{"_placeholder":true,"num":0}',
        "42{",
        "42[]",
        "42{}",
        "42",
    ],
)
async def test_nonsense_instead_of_connect_closes(sio, packet):
    ws, _ = await sio.client.open()
    await ws.send_str(packet)
    assert await sio.client.closed(ws)


async def test_a_second_connect_closes(sio):
    ws, _ = await sio.client.connect()
    await ws.send_str("40")
    assert await sio.client.closed(ws)
    await sio.client.until(lambda: sio.departures)


async def test_leaving_one_namespace_keeps_the_other(sio):
    ws, _ = await sio.client.connect()
    await ws.send_str("40/custom")
    custom = json.loads((await sio.client.text(ws))[len("40/custom,") :])["sid"]
    await ws.send_str("41/custom")
    await ws.send_str('42["message","message to main namespace"]')
    assert await sio.client.text(ws) == '42["message-back","message to main namespace"]'
    assert sio.departures == [(custom, "client disconnect")]
    await ws.send_str('42/custom,["message",1]')  # on its way when the namespace was left: ignored
    await silent(ws)
    await ws.close()


@hasty(2)
async def test_a_disconnect_packet_is_told_and_the_transport_stays_a_while(sio):
    ws, answer = await sio.client.connect()
    await ws.send_str("41")
    await sio.client.until(lambda: sio.departures == [(answer["sid"], "client disconnect")])
    assert not ws.closed
    assert await sio.client.closed(ws)


async def test_the_server_disconnects(sio):
    ws, answer = await sio.client.connect()
    await sio.disconnect(answer["sid"])
    assert await sio.client.text(ws) == "41"
    assert sio.departures == [(answer["sid"], "server disconnect")]
    await sio.disconnect(answer["sid"])
    await sio.emit("late", to=answer["sid"])
    await silent(ws)
    await ws.close()


async def test_a_lost_transport_is_told_once(sio):
    ws, answer = await sio.client.connect()
    await sio.enter_room(answer["sid"], "r")
    ws._response.connection.transport.abort()
    await sio.client.until(lambda: sio.departures)
    assert sio.departures == [(answer["sid"], "transport close")]
    assert (sio.manager.members, sio.manager.rooms, sio.environ, sio.engine.sessions) == ({}, {}, {}, {})


async def test_events_sent_before_a_client_left_are_handled_first(sio):
    order = []

    @sio.on("slow")
    async def slow(sid, number):
        await asyncio.sleep(0.02)
        order.append(number)

    async def departed(departure):
        order.append(departure.reason)

    sio.departed = departed
    ws, _ = await sio.client.connect()
    for number in range(5):
        await ws.send_str(f'42["slow",{number}]')
    await ws.close()
    await sio.client.until(lambda: len(order) == 6)
    assert order == [0, 1, 2, 3, 4, "transport close"]


async def test_an_event_comes_back(sio):
    ws, _ = await sio.client.connect()
    await ws.send_str('42["message",1,"2",{"3":[true]}]')
    assert await sio.client.text(ws) == '42["message-back",1,"2",{"3":[true]}]'
    await ws.close()


async def test_an_event_with_attachments_comes_back(sio):
    ws, _ = await sio.client.connect()
    await ws.send_str('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    await ws.send_bytes(b"\1\2\3")
    await ws.send_bytes(b"\4\5\6")
    assert (
        await sio.client.text(ws) == '452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    )
    assert [(await ws.receive()).data for _ in range(2)] == [b"\1\2\3", b"\4\5\6"]
    await ws.close()


async def test_an_event_is_acknowledged(sio):
    ws, _ = await sio.client.connect()
    await ws.send_str('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert await sio.client.text(ws) == '43456[1,"2",{"3":[false]}]'
    await ws.send_str('451-789["message-with-ack",{"_placeholder":true,"num":0}]')
    await ws.send_bytes(b"\7")
    assert await sio.client.text(ws) == '461-789[{"_placeholder":true,"num":0}]'
    assert (await ws.receive()).data == b"\7"
    await ws.close()


@pytest.mark.parametrize(
    "packet",
    [
        "4abc",
        '42["connect"]',
        '42["disconnect","x"]',
        '42["connect_error"]',
        '42["disconnecting"]',
        '42["newListener"]',
        "42{}",
        "42[]",
        "42[{}]",
        '43["ack without id"]',
        "431{}",
        '44{"message":"x"}',
        '421-["x"]',
        '4599-["x",{"_placeholder":true,"num":0}]',
        "42" + "[" * 2000 + "]" * 2000,
        '42999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999["x"]',
    ],
)
async def test_a_malformed_packet_closes_that_socket_only(sio, packet):
    other, _ = await sio.client.connect()
    ws, _ = await sio.client.connect()
    await ws.send_str(packet)
    assert await sio.client.closed(ws)
    await other.send_str('42["message",1]')
    assert await sio.client.text(other) == '42["message-back",1]'
    await other.close()


@pytest.mark.parametrize("num", ["-1", "1", '"0"', "null", "true", "0.5"])
async def test_a_placeholder_names_an_attachment(sio, num):
    ws, _ = await sio.client.connect()
    await ws.send_str('451-["message",{"_placeholder":true,"num":' + num + "}]")
    await ws.send_bytes(b"x")
    assert await sio.client.closed(ws)


async def test_attachments_come_right_after_their_packet(sio):
    ws, _ = await sio.client.connect()
    await ws.send_str('451-["message",{"_placeholder":true,"num":0}]')
    await ws.send_str('42["message",1]')
    assert await sio.client.closed(ws)
    ws, _ = await sio.client.connect()
    await ws.send_bytes(b"alone")
    assert await sio.client.closed(ws)


async def test_a_failing_handler_costs_only_its_answer(sio, caplog):
    @sio.on("bad")
    async def bad(sid):
        raise RuntimeError("oops")

    ws, _ = await sio.client.connect()
    await ws.send_str('421["bad"]')
    await ws.send_str('422["bad","one argument too many"]')
    await ws.send_str('42["message",1]')
    assert await sio.client.text(ws) == '42["message-back",1]'
    assert caplog.text.count("the handler of 'bad' failed") == 2
    await ws.close()


async def test_one_clients_events_are_handled_in_order_and_one_at_a_time(sio):
    running, order = [], []

    @sio.on("step")
    async def step(sid, number):
        running.append(number)
        assert len(running) == 1
        await asyncio.sleep(0.002 if number % 2 else 0)
        running.remove(number)
        order.append(number)
        return number

    ws, _ = await sio.client.connect()
    for number in range(50):
        await ws.send_str(f'42{number}["step",{number}]')
    assert [await sio.client.text(ws) for _ in range(50)] == [f"43{n}[{n}]" for n in range(50)]
    assert order == list(range(50))
    await ws.close()


async def test_a_flood_beyond_the_backlog_closes(server, start):
    sio = server()

    @sio.on("wait")
    async def wait(sid, data):
        await asyncio.sleep(1)

    client = await start(sio, sio.engine)
    ws, _ = await client.connect()
    for _ in range(20):
        await ws.send_str('42["wait","' + "x" * 30_000 + '"]')
    assert await client.closed(ws)


async def test_a_handler_can_ask_its_own_client(sio):
    @sio.on("ask")
    async def ask(sid):
        return await sio.call("question", "?", to=sid, timeout=LONG_S)

    ws, _ = await sio.client.connect()
    await ws.send_str('421["ask"]')
    question = await sio.client.text(ws)
    assert question.endswith('["question","?"]')
    number = question[2 : question.index("[")]
    await ws.send_str(f'43{number}["!"]')
    assert await sio.client.text(ws) == '431["!"]'
    await ws.send_str(f'43{number}["twice"]')
    await ws.send_str('43999["unknown"]')
    await ws.send_str('42["message",1]')
    assert await sio.client.text(ws) == '42["message-back",1]'
    await ws.close()


async def test_an_answer_with_bytes_reaches_the_callback(sio):
    ws, answer = await sio.client.connect()
    got = asyncio.get_running_loop().create_future()
    await sio.emit("question", {"b": b"\1"}, to=answer["sid"], callback=lambda *data: got.set_result(data))
    question = await sio.client.text(ws)
    assert question.startswith("451-")
    assert (await ws.receive()).data == b"\1"
    number = question[4 : question.index("[")]
    await ws.send_str(f'461-{number}[{{"_placeholder":true,"num":0}},2]')
    await ws.send_bytes(b"\2")
    assert await asyncio.wait_for(got, LONG_S) == (b"\2", 2)
    await ws.close()


async def test_a_session_holds_what_the_handlers_put_there(sio):
    @sio.on("name")
    async def name(sid, value):
        async with sio.session(sid) as session:
            session["name"] = value

    @sio.on("who")
    async def who(sid):
        return (await sio.get_session(sid))["name"]

    ws, _ = await sio.client.connect()
    await ws.send_str('42["name","ada"]')
    await ws.send_str('421["who"]')
    assert await sio.client.text(ws) == '431["ada"]'
    left = []

    async def departed(departure):
        left.append(departure)

    sio.departed = departed
    await ws.close()
    await sio.client.until(lambda: left)
    assert left[0].session == {"name": "ada"}


async def crowd(sio, size=3):
    return [(ws, answer["sid"]) for ws, answer in [await sio.client.connect() for _ in range(size)]]


async def polling_member(client):
    eio_sid = await client.handshake()
    await client.post(eio_sid, "40")
    return eio_sid, json.loads((await client.poll(eio_sid)).text[2:])["sid"]


async def test_a_room_hears_what_is_said_in_it(sio):
    (a, a_sid), (b, b_sid), (c, c_sid) = await crowd(sio)
    for sid in (a_sid, b_sid):
        await sio.enter_room(sid, "r")
    assert sorted(sio.manager.get_rooms(a_sid, "/")) == sorted([a_sid, "r"])
    await sio.emit("x", {"n": 1}, room="r")
    await sio.emit("y", room="r", skip_sid=a_sid)
    await sio.emit("z", (1, 2))
    await sio.emit("own", [1, 2], to=c_sid)
    assert [await sio.client.text(a) for _ in range(2)] == ['42["x",{"n":1}]', '42["z",1,2]']
    assert [await sio.client.text(b) for _ in range(3)] == ['42["x",{"n":1}]', '42["y"]', '42["z",1,2]']
    assert [await sio.client.text(c) for _ in range(2)] == ['42["z",1,2]', '42["own",[1,2]]']
    await sio.leave_room(b_sid, "r")
    await sio.emit("only a", room="r")
    await sio.close_room("r")
    await sio.emit("nobody", room="r")
    assert await sio.client.text(a) == '42["only a"]'
    await silent(a)
    await silent(b)
    for ws in (a, b, c):
        await ws.close()


async def test_those_who_are_skipped_miss_only_that(sio):
    (a, a_sid), (b, b_sid) = await crowd(sio, 2)
    eio_sid, polling_sid = await polling_member(sio.client)
    for sid in (a_sid, b_sid, polling_sid):
        await sio.enter_room(sid, "r")
    for number in range(60):
        await sio.emit("n", number, room="r", skip_sid=[[], a_sid, [b_sid, polling_sid], "nobody"][number % 4])
    await sio.emit("end", skip_sid="nobody")
    heard_a = [f'42["n",{n}]' for n in range(60) if n % 4 != 1] + ['42["end"]']
    heard_b = [f'42["n",{n}]' for n in range(60) if n % 4 != 2] + ['42["end"]']
    assert [await sio.client.text(a) for _ in heard_a] == heard_a
    assert [await sio.client.text(b) for _ in heard_b] == heard_b
    polled = []
    while len(polled) < len(heard_b):
        polled += (await sio.client.poll(eio_sid)).text.split("\x1e")
    assert polled == heard_b
    await a.close()
    await b.close()


async def test_several_rooms_are_one_audience(sio):
    (a, a_sid), (b, b_sid), (c, c_sid) = await crowd(sio)
    for sid, room in ((a_sid, "1"), (a_sid, "2"), (b_sid, "2"), (c_sid, "3")):
        await sio.enter_room(sid, room)
    await sio.emit("x", room=["1", "2"])
    await sio.emit("y", room=["1", "2", "3"], skip_sid=[a_sid, c_sid])
    assert await sio.client.text(a) == '42["x"]'
    assert [await sio.client.text(b) for _ in range(2)] == ['42["x"]', '42["y"]']
    for ws in (a, c):
        await silent(ws)
    for ws in (a, b, c):
        await ws.close()


async def test_bytes_reach_a_room_with_their_event(sio):
    (a, a_sid), (b, b_sid) = await crowd(sio, 2)
    eio_sid, polling_sid = await polling_member(sio.client)
    for sid in (a_sid, b_sid, polling_sid):
        await sio.enter_room(sid, "r")
    await sio.emit("x", {"data": b"\1\2"}, room="r")
    await sio.emit("after", room="r")
    for ws in (a, b):
        assert await sio.client.text(ws) == '451-["x",{"data":{"_placeholder":true,"num":0}}]'
        assert (await ws.receive()).data == b"\1\2"
        assert await sio.client.text(ws) == '42["after"]'
        await ws.close()
    polled = (await sio.client.poll(eio_sid)).text.split("\x1e")
    assert polled == ['451-["x",{"data":{"_placeholder":true,"num":0}}]', "bAQI=", '42["after"]']


async def test_namespaces_do_not_hear_each_other(sio):
    main, _ = await sio.client.connect()
    custom, answer = await sio.client.connect("40/custom")
    await sio.enter_room(answer["sid"], "r", namespace="/custom")
    await sio.emit("main")
    await sio.emit("custom", namespace="/custom")
    await sio.emit("room", room="r", namespace="/custom")
    await sio.emit("nobody", room="r")
    await sio.emit("end")
    await sio.emit("end", namespace="/custom")
    assert [await sio.client.text(main) for _ in range(2)] == ['42["main"]', '42["end"]']
    assert [await sio.client.text(custom) for _ in range(3)] == [
        '42/custom,["custom"]',
        '42/custom,["room"]',
        '42/custom,["end"]',
    ]
    await main.close()
    await custom.close()


async def test_a_poller_keeps_its_rooms_through_the_upgrade(sio):
    eio_sid, sid = await polling_member(sio.client)
    await sio.enter_room(sid, "r")
    await sio.emit("1", room="r")
    assert (await sio.client.poll(eio_sid)).text == '42["1"]'
    await sio.emit("2", room="r")
    ws = await sio.client.websocket(sid=eio_sid)
    await ws.send_str("2probe")
    assert await sio.client.text(ws) == "3probe"
    await sio.emit("3", room="r")
    await ws.send_str("5")
    await sio.client.until(lambda: sio.transport(sid) == "websocket")
    await sio.emit("4", room="r")
    await sio.emit("5", to=sid)
    assert [await sio.client.text(ws) for _ in range(4)] == ['42["2"]', '42["3"]', '42["4"]', '42["5"]']
    await sio.leave_room(sid, "r")
    await sio.emit("6", room="r")
    await silent(ws)
    await ws.close()


async def test_room_and_direct_emits_to_one_socket_keep_their_order(sio):
    ws, answer = await sio.client.connect()
    await sio.enter_room(answer["sid"], "r")
    for number in range(100):
        await sio.emit("n", number, room="r" if number % 2 else answer["sid"])
    assert [await sio.client.text(ws) for _ in range(100)] == [f'42["n",{n}]' for n in range(100)]
    await ws.close()


async def test_a_sid_is_nobodys_room(sio):
    (a, a_sid), (b, b_sid) = await crowd(sio, 2)
    with pytest.raises(ValueError, match="sid room"):
        await sio.enter_room(b_sid, a_sid)
    with pytest.raises(ValueError, match="sid room"):
        await sio.close_room(a_sid)
    with pytest.raises(ValueError, match="not connected"):
        await sio.enter_room("nobody", "r")
    await a.close()
    await b.close()


async def test_encoded_frames_go_out_as_they_are(sio):
    (a, a_sid), (b, b_sid) = await crowd(sio, 2)
    sio.enter(a_sid, "r")
    sio.enter(b_sid, "r")
    assert sio.send_frame(a_sid, b'42["one"]')
    assert not sio.send_frame("nobody", b'42["one"]')
    sio.publish_frame("r", b'42["all"]')
    sio.publish_frame("r", b'42["some"]', skip={a_sid})
    sio.leave(a_sid, "r")
    sio.publish_frame("r", b'42["b"]')
    assert [await sio.client.text(a) for _ in range(2)] == ['42["one"]', '42["all"]']
    assert [await sio.client.text(b) for _ in range(3)] == ['42["all"]', '42["some"]', '42["b"]']
    await silent(a)
    sio.abort(a_sid)
    assert await sio.client.closed(a)
    await sio.client.until(lambda: (a_sid, "transport close") in sio.departures)
    await b.close()


async def test_a_socket_whose_auth_is_pending_receives_nothing(server, start):
    sio, ready = server(), asyncio.Event()

    @sio.on("connect")
    async def connect(sid, environ, auth):
        await sio.enter_room(sid, "r")
        await ready.wait()

    client = await start(sio, sio.engine)
    ws, _ = await client.open()
    polling = await client.handshake()
    await ws.send_str("40")
    await client.post(polling, "40")
    await client.until(lambda: len(sio.manager.members.get("/", ())) == 2)
    for room in (None, "r", ["r", "q"]):
        await sio.emit("secret", room=room)
    for sid in list(sio.manager.members["/"]):
        await sio.emit("secret", to=sid)
        await sio.emit("secret", to=sid, callback=print)
        assert not sio.send_frame(sid, b'42["secret"]')
    await silent(ws)
    ready.set()
    assert (await client.text(ws)).startswith('40{"sid"')
    assert (await client.poll(polling)).text.startswith('40{"sid"')
    await sio.emit("public", room="r")
    assert await client.text(ws) == '42["public"]'
    assert (await client.poll(polling)).text == '42["public"]'
    await ws.close()


async def test_an_admission_decides_sid_answer_and_first_frames(server, start):
    async def authorize(eio_sid, namespace, auth, environ):
        assert environ["REMOTE_ADDR"] == "127.0.0.1"

        def connected(sid):
            sio.send_frame(sid, b'42["missed",1]')
            sio.enter(sid, "r")
            sio.publish_frame("r", b'42["held",2]')

        return Admission(sid=auth["sid"], answer={"pid": "p1"}, connected=connected)

    sio: Server = server(authorize=authorize)
    client = await start(sio, sio.engine)
    ws, answer = await client.connect('40{"sid":"mine"}')
    assert answer == {"sid": "mine", "pid": "p1"}
    assert [await client.text(ws) for _ in range(2)] == ['42["missed",1]', '42["held",2]']
    await ws.close()


async def test_a_sid_that_comes_back_replaces_its_half_open_socket(server, start):
    left = []

    async def authorize(eio_sid, namespace, auth, environ):
        return Admission(sid="mine")

    async def departed(departure):
        left.append((departure.eio_sid, departure.rooms))

    sio = server(authorize=authorize)
    sio.departed = departed
    client = await start(sio, sio.engine)
    old, _ = await client.connect()
    old_eio = sio.manager.eio_sid_from_sid("mine", "/")
    sio.enter("mine", "r")
    new, _ = await client.connect()
    assert await client.closed(old)
    assert left == [(old_eio, frozenset({"r"}))]
    await sio.emit("old room", room="r")
    await sio.emit("hello", to="mine")
    assert await client.text(new) == '42["hello"]'
    await new.close()


async def test_a_socket_that_dies_while_authorised_is_abandoned(server, start):
    asked, ready, abandoned = asyncio.Event(), asyncio.Event(), []

    async def authorize(eio_sid, namespace, auth, environ):
        asked.set()
        await ready.wait()
        return Admission(sid="mine", connected=pytest.fail, abandoned=lambda: abandoned.append(eio_sid))

    sio = server(authorize=authorize)
    client = await start(sio, sio.engine)
    ws, sid = await client.open()
    await ws.send_str("40")
    await asked.wait()
    await ws.close()
    await client.until(lambda: not sio.engine.is_open(sid))
    ready.set()
    await client.until(lambda: abandoned == [sid])
    assert sio.manager.members == {}


async def test_polling_speaks_socketio_too(sio, caplog):
    caplog.set_level(logging.ERROR)
    eio_sid, sid = await polling_member(sio.client)
    await sio.client.post(eio_sid, '421["message-with-ack",1]\x1e42["message",2]')
    await sio.client.until(lambda: sio.engine.buffered(eio_sid) > 20)
    assert (await sio.client.poll(eio_sid)).text == '431[1]\x1e42["message-back",2]'
    await sio.client.post(eio_sid, '451-["message",{"_placeholder":true,"num":0}]\x1ebAQI=')
    await sio.client.until(lambda: sio.engine.buffered(eio_sid))
    answer = (await sio.client.poll(eio_sid)).text.split("\x1e")
    assert answer == ['451-["message-back",{"_placeholder":true,"num":0}]', "bAQI="]
    await sio.client.post(eio_sid, "41")
    await sio.client.until(lambda: sio.departures == [(sid, "client disconnect")])
