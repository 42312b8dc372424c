"""The codecs and the wheel by themselves, against models."""

import json
import time
from base64 import b64encode, urlsafe_b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio.packet import ACK, EVENT

from realtime.engine import packets
from realtime.engine.wheel import Deadlines, Wheel
from realtime.socketio import packets as sio_packets

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1e"))
frames = st.one_of(texts.map(lambda text: (b"4" + text.encode(), False)), st.binary().map(lambda data: (data, True)))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts.filter(lambda k: k != "_placeholder"), inner, max_size=4)
    ),
    max_leaves=10,
)
with_bytes = st.recursive(
    plain | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts.filter(lambda k: k != "_placeholder"), inner, max_size=3)
    ),
    max_leaves=8,
)
events = texts.filter(lambda name: name not in sio_packets.RESERVED)
namespaces = st.sampled_from(["/", "/custom"])


def attachments(value):
    if isinstance(value, bytes):
        return 1
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(attachments, value)) if isinstance(value, list) else 0


@given(st.lists(frames, min_size=1))
def test_a_payload_holds_what_was_put_into_it(sent):
    payload = packets.join(packets.pollable(*frame) for frame in sent)
    got = [packets.decode(packet) for packet in packets.split(payload)]
    assert got == [("4", data if binary else data[1:].decode()) for data, binary in sent]


@given(frames)
def test_a_packet_survives_the_way_through_the_polling_queue(frame):
    assert packets.framed(packets.pollable(*frame)) == frame


@given(st.binary())
def test_base64_is_read_without_padding_and_in_its_other_alphabet(data):
    for text in (b64encode(data), urlsafe_b64encode(data)):
        assert packets.decode(f"b{text.decode()}") == ("4", data)
        assert packets.decode(f"b{text.decode().rstrip('=')}") == ("4", data)


@given(st.binary())
def test_any_body_is_packets_or_refused(body):
    try:
        for packet in packets.split(body):
            kind, _ = packets.decode(packet)
            assert kind in packets.TYPES
    except packets.BadPacket:
        pass


@given(st.text())
def test_any_text_is_a_socketio_packet_or_refused(text):
    with suppress(sio_packets.BadPacket):
        sio_packets.decode(text)


@given(st.text('0123456-/,"[]{}:ab_ '))
def test_nearly_right_text_is_a_socketio_packet_or_refused(text):
    try:
        packet = sio_packets.decode(text)
    except sio_packets.BadPacket:
        return
    if packet.packet_type in (2, 5):
        assert isinstance(packet.data[0], str)
        assert packet.data[0] not in sio_packets.RESERVED


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('2["x","\\ud83d"]', ["x", "\ud83d"]),
        ('2["\\ud83d"]', ["\ud83d"]),
        ('2["x",{"\\udc00":"\\ud83d\\ude00"}]', ["x", {"\udc00": "\U0001f600"}]),
        ('0{"name":"\\ud83d"}', {"name": "\ud83d"}),
        ("2[7]", ["7"]),
        ("2[-1.5,2]", ["-1.5", 2]),
        ('2["x",1e400]', ["x", float("inf")]),
        ('2["x",' + "9" * 5_000 + "]", ["x", float("inf")]),
        ('2["x",' + "[" * 1_500 + "]" * 1_500 + "]", ["x", sio_packets.UNREADABLE]),
        ('2["x\\ud83d\\"",' + "[" * 20_000 + "]" * 20_000 + "]", ['x\ud83d"', sio_packets.UNREADABLE]),
        ('2[ "x" , "\\ud83d",' + '{"a":' * 600 + "1" + "}" * 600 + "]", ["x", sio_packets.UNREADABLE]),
        ("21[7," + "[" * 3_000 + "]" * 3_000 + "]", ["7", sio_packets.UNREADABLE]),
        ('0{"token":"t","x":' + "[" * 3_000 + "]" * 3_000 + "}", sio_packets.UNREADABLE),
        ("31[" + "[" * 3_000 + "]" * 3_000 + "]", [sio_packets.UNREADABLE]),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_javascript_reads_is_read(text, data):
    assert sio_packets.decode(text).data == data


@pytest.mark.parametrize(
    "text",
    [
        *('2["x",NaN]', '2["x",Infinity]', "2[true]", "2[null]", "2[]", "2{}", '2["x"', '2["x",]', '2["x","\1"]', "2"),
        *('2["connect"]', '2["connect",' + "[" * 3_000, "2[" + "[" * 3_000, "1" + "[" * 3_000, "0[" + "\ud83d" + "]"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_javascript_does_not_read_is_refused(text):
    with pytest.raises(sio_packets.BadPacket):
        sio_packets.decode(text)


@pytest.mark.parametrize(
    "text", ['2["' + "a" * 60_000 + '",' + "[" * 1_100, '2["' + "[" * 60_000, '2["' + "\\" * 60_000]
)
def test_a_text_that_cannot_be_read_costs_no_time(text):
    started = time.thread_time()
    with suppress(sio_packets.BadPacket):
        sio_packets.decode(text)
    assert time.thread_time() - started < 0.2


def test_half_a_character_goes_out_as_it_came_in():
    assert sio_packets.encode(ACK, ["\ud83d"], "/", 1) == [(b'431["\\ud83d"]', False)]


@given(events, st.lists(with_bytes, max_size=4), namespaces, st.none() | st.integers(0, 2**31))
def test_an_event_survives_encoding(event, data, namespace, number):
    content = [event, *data]
    count = attachments(content)
    frames = sio_packets.encode(EVENT, content, namespace, number)
    assert len(frames) == 1 + count
    assert [binary for _, binary in frames] == [False] + [True] * count
    assert frames[0][0][:1] == b"4"
    if count > sio_packets.MAX_ATTACHMENTS:
        return
    packet = sio_packets.decode(frames[0][0][1:].decode())
    for attachment, _ in frames[1:]:
        packet.add_attachment(attachment)
    assert (packet.data, packet.namespace or "/", packet.id) == (content, namespace, number)


@given(st.lists(plain), st.integers(0, 2**31))
def test_frames_are_what_other_libraries_read(data, number):
    [(frame, binary)] = sio_packets.encode(ACK, data, "/", number)
    assert not binary
    assert frame.startswith(f"43{number}[".encode())
    assert json.loads(frame[frame.index(b"[") :]) == data


def test_what_json_cannot_say_is_the_senders_error():
    with pytest.raises(TypeError):
        sio_packets.encode(EVENT, ["x", object()])


class Peer:
    seen = slot = -1


class Times:
    """Plays a wheel against a simulated clock."""

    def __init__(self, interval, timeout):
        self.wheel, self.now, self.pings = Wheel(interval, timeout), 100.0, []
        self.wheel.start(self.now)

    def run(self, until, step=None):
        dead = []
        while self.now < until:
            self.now = min(until, self.now + step if step else self.wheel.due_at())
            dead += [
                (self.now, peer) for peer in self.wheel.turn(self.now, lambda slot: self.pings.append((self.now, slot)))
            ]
        return dead


@given(st.floats(0.1, 60), st.floats(0.05, 60), st.floats(0, 100))
def test_a_silent_peer_is_named_between_its_timeout_and_one_interval_more(interval, timeout, joined_after):
    times, peer = Times(interval, timeout), Peer()
    times.run(100 + joined_after)
    times.wheel.place(peer)
    dead = times.run(times.now + 2 * (interval + timeout) + 1)
    first = dead[0][0] - (100 + joined_after)
    assert timeout - 1e-6 <= first <= interval + timeout + 1e-6
    assert dead[0][1] is peer


@given(st.floats(0.1, 30), st.floats(0.05, 60))
def test_a_peer_that_answers_is_pinged_once_per_interval_and_never_named(interval, timeout):
    times, peer = Times(interval, timeout), Peer()
    times.wheel.place(peer)
    answered = 0
    for _ in range(300):
        assert times.run(times.wheel.due_at()) == []
        if len(times.pings) > answered:
            answered = len(times.pings)
            peer.seen = times.wheel.serial
    turned = times.now - 100
    assert abs(answered - turned / interval) <= 1.5


def test_a_held_up_process_gives_its_peers_the_time_back():
    times, peer = Times(1.0, 0.5), Peer()
    times.wheel.place(peer)
    times.run(101.0)
    assert times.pings
    times.now = 105.0  # nothing ran for four seconds; the pong lies unread
    assert times.wheel.turn(times.now, lambda slot: None) == []
    peer.seen = times.wheel.serial
    assert times.run(105.4) == []


@given(st.lists(st.floats(0, 10)))
def test_deadlines_come_in_order_and_once(delays):
    deadlines, called = Deadlines(), []
    for number, delay in enumerate(delays):
        deadlines.add(delay, called.append, (delay, number))
    deadlines.run(5)
    assert called == sorted((delay, number) for number, delay in enumerate(delays) if delay <= 5)
    deadlines.run(10)
    assert len(called) == len(delays)
