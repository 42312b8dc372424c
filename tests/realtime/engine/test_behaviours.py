"""A table of the behaviour that a client sees on either engine: HTTP, websocket handshakes, and close codes.

The reference is engine.io 6.6 on Node with ws 8.23, which socket.io 4.8.4 brings. Where uWebSockets cannot follow
it, the row has the native engine's behaviour too.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.peer import BINARY, CLOSE, HANDSHAKE, PING, PONG, TEXT, Peer, closing, frame, request

POLLING, WEBSOCKET = "/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=4&transport=websocket"
LIMIT = 65_536  # `maxPayload`
BAD_REQUEST = {"code": 3, "message": "Bad request"}
Frames = list[tuple[str, object]]


@pytest.fixture
async def port(start, echo) -> int:
    client = await start(echo)

    async def page(path: str) -> tuple[int, str, bytes]:
        return (200, "text/plain", b"live") if path == "/livez" else (404, "text/plain", b"not found")

    echo.engine.page = page
    return client.port


@dataclass
class Asked:
    """A request and its answer; `ends`: the answer announces the end of the connection, which follows."""

    target: str
    status: int
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    version: str = "1.1"
    length: int | None = None
    ends: bool = False


CLOSES = {"Connection": "close"}
HTTP = {
    "a page": Asked("/livez", 200, length=4),
    "HEAD goes where GET goes": Asked("/livez", 200, "HEAD", length=4),
    "HEAD of nothing": Asked("/nowhere", 404, "HEAD", length=9),
    "HEAD opens no session": Asked(POLLING, 400, "HEAD", length=43),
    "HEAD of a refusal": Asked("/socket.io/?EIO=4&transport=x", 400, "HEAD", length=40),
    "a preflight": Asked(POLLING, 204, "OPTIONS", {"Origin": "http://a"}),
    "keep-alive": Asked("/livez", 200, headers={"Connection": "keep-alive"}, length=4),
    "close": Asked("/livez", 200, headers=CLOSES, length=4, ends=True),
    "close in capitals": Asked("/livez", 200, headers={"Connection": "CLOSE"}, length=4, ends=True),
    "close among others": Asked("/livez", 200, headers={"Connection": "TE, close"}, length=4, ends=True),
    "a word that ends in close": Asked("/livez", 200, headers={"Connection": "enclose"}, length=4),
    "close and HEAD": Asked("/livez", 200, "HEAD", CLOSES, length=4, ends=True),
    "close and nothing there": Asked("/nowhere", 404, headers=CLOSES, length=9, ends=True),
    "close and a handshake": Asked(POLLING, 200, headers=CLOSES, ends=True),
    "close and a refusal": Asked("/socket.io/?EIO=4&transport=x", 400, headers=CLOSES, length=40, ends=True),
    "close and a preflight": Asked(POLLING, 204, "OPTIONS", {"Origin": "http://a", **CLOSES}, ends=True),
}


@pytest.mark.parametrize("row", HTTP.values(), ids=HTTP)
async def test_a_request_is_answered(port, echo, row):
    async with await Peer.open(port) as peer:
        answer = await peer.ask(request(row.target, row.headers, row.method, row.version))
        assert answer.status == row.status
        assert answer.headers["cache-control"] == "no-store"
        if row.length is not None:
            assert answer.headers["content-length"] == str(row.length)
        assert ("connection" in answer.headers) == row.ends
        if row.ends:
            assert answer.headers["connection"] == "close"
            assert await peer.ended()
        else:  # nothing of the body, or of a second answer, stands before the next one
            assert (await peer.ask(request("/livez", {}))).body == b"live"
    assert len(echo.opened_with) == (row.method == "GET" and row.target == POLLING)


async def test_a_client_of_http_1_0_gets_the_end_of_the_connection(port):
    async with await Peer.open(port) as peer:
        assert (await peer.ask(request("/livez", {}, version="1.0"))).body == b"live"
        assert await peer.ended()


async def test_head_takes_no_packets_from_a_session(port, start, echo, http):
    async with await Peer.open(port) as peer:
        await peer.ask(request(POLLING, {}))
        sid = next(iter(echo.opened_with))
        echo.engine.send(sid, b"4kept")
        assert (await peer.ask(request(f"{POLLING}&sid={sid}", {}, "HEAD"))).status == 400
        assert (await peer.ask(request(f"{POLLING}&sid={sid}", {}))).body == b"4kept"
        echo.engine.send(sid, b"4last")
        echo.engine.close(sid)
        assert (await peer.ask(request(f"{POLLING}&sid={sid}", {}, "HEAD"))).status == 400
        assert (await peer.ask(request(f"{POLLING}&sid={sid}", {}))).body == b"4last\x1e1"


def offered(**changed: str | None) -> dict[str, str]:
    """Return a handshake's headers with some of them changed, or left out."""
    headers = {**HANDSHAKE, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return {name: value for name, value in headers.items() if value is not None}


ACCEPTED: dict[str, tuple[dict[str, str], str | None]] = {
    "nothing more": (offered(), None),
    "a subprotocol": (offered(Sec_WebSocket_Protocol="chat"), "chat"),
    "the first of several": (offered(Sec_WebSocket_Protocol="v2.chat , chat,x"), "v2.chat"),
    "no name at all": (offered(Sec_WebSocket_Protocol=""), None),
    "compression": (offered(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"), None),
    "the older version": (offered(Sec_WebSocket_Version="8"), None),
    "other capitals": (offered(Upgrade="WebSocket", Connection="keep-alive, upgrade"), None),
}
MALFORMED = {
    "no key": offered(Sec_WebSocket_Key=None),
    "a short key": offered(Sec_WebSocket_Key="abc"),
    "a key of wrong characters": offered(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25j!Q=="),
    "no version": offered(Sec_WebSocket_Version=None),
    "a version to come": offered(Sec_WebSocket_Version="14"),
    "no upgrade in Connection": offered(Connection="keep-alive"),
    "another protocol": offered(Upgrade="h2c"),
    "no protocol": offered(Upgrade=None),
}


@pytest.mark.parametrize("row", ACCEPTED.values(), ids=ACCEPTED)
async def test_a_handshake_is_accepted(port, row):
    headers, subprotocol = row
    async with await Peer.open(port) as peer:
        answer = await peer.ask(request(WEBSOCKET, headers))
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert answer.headers.get("sec-websocket-protocol") == subprotocol
        assert "sec-websocket-extensions" not in answer.headers
        assert (await peer.frame())[0] == "text"


@pytest.mark.parametrize("headers", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_handshake_is_refused(port, echo, headers):
    async with await Peer.open(port) as peer:
        answer = await peer.ask(request(WEBSOCKET, headers))
        assert (answer.status, json.loads(answer.body)) == (400, BAD_REQUEST)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert (await peer.ask(request("/livez", {}))).body == b"live"
    assert echo.opened_with == {}


@dataclass
class Sent:
    """Frames, the answer to them, and the reason for which the session ends; None: it goes on."""

    sent: list[bytes]
    back: Frames
    ended: str | None = None
    native: tuple[Frames, str] | None = None  # where uWebSockets does something else


def text(payload: bytes, **how: Any) -> bytes:
    return frame(TEXT, payload, **how)


def closed(code: int, reason: bytes = b"") -> Frames:
    return [("close", (code, reason))]


def bye(code: int, reason: bytes = b"", native: Frames | None = None) -> Sent:
    """Return the row of a close frame that is sent back unchanged."""
    return Sent(
        [closing(code, reason)],
        closed(code, reason),
        "transport close",
        native=(native, "transport close") if native is not None else None,
    )


EMPTY: Frames = [("close", None)]
# Without a close frame: the client sees 1006. Of a bad head of a frame uWebSockets says no more than of a lost network.
CUT: tuple[Frames, str] = ([], "transport error")
LOST: tuple[Frames, str] = ([], "transport close")
FULL = b"4" + b"x" * (LIMIT - 1)


def broken(*sent: bytes, code: int, native: tuple[Frames, str] | None = CUT) -> Sent:
    """Return the row of frames that break the protocol."""
    return Sent(list(sent), closed(code), "transport error", native)


def bad_close(*sent: bytes, code: int = 1002) -> Sent:
    """Return the row of a close frame that breaks the protocol; uWebSockets reads it as one without a code."""
    return broken(*sent, code=code, native=(EMPTY, "transport close"))


FRAMES = {
    "a message of just the limit": Sent([text(FULL)], [("text", FULL)]),
    "binary of just the limit": Sent([frame(BINARY, bytes(LIMIT))], [("binary", bytes(LIMIT))]),
    "parts of just the limit": Sent([text(FULL[:-9], fin=False), frame(0, b"x" * 9)], [("text", FULL)]),
    "a byte more": broken(text(FULL + b"x"), code=1009, native=None),
    "binary of a byte more": broken(frame(BINARY, bytes(LIMIT + 1)), code=1009, native=None),
    "parts of a byte more": broken(text(FULL[:-9], fin=False), frame(0, b"x" * 10), code=1009, native=None),
    "twice the limit": broken(frame(BINARY, bytes(2 * LIMIT)), code=1009, native=None),
    "more than that": broken(frame(BINARY, bytes(2 * LIMIT + 1)), code=1009),
    "a ping": Sent([frame(PING, b"p" * 125)], [("pong", b"p" * 125)]),
    "an empty ping": Sent([frame(PING)], [("pong", b"")]),
    "a pong": Sent([frame(PONG, b"p")], []),
    "a ping between parts": Sent(
        [text(b"4a", fin=False), frame(PING, b"p"), frame(0, b"b")], [("pong", b"p"), ("text", b"4ab")]
    ),
    "a character in two parts": Sent([text(b"4\xc3", fin=False), frame(0, b"\xa9")], [("text", b"4\xc3\xa9")]),
    "an empty first part": Sent([text(b"", fin=False), frame(0, b"4a")], [("text", b"4a")]),
    "empty binary": Sent([frame(BINARY)], [("binary", b"")]),
    "half a character": broken(text(b"4\xc3"), code=1007),
    "a surrogate": broken(text(b"4\xed\xa0\x80"), code=1007),
    "no UTF-8 in parts": broken(text(b"4\xff", fin=False), frame(0, b"x"), code=1007),
    "a reserved bit": broken(text(b"4x", reserved=4), code=1002, native=LOST),
    "an unknown opcode": broken(frame(3, b"4x"), code=1002, native=LOST),
    "a long ping": broken(frame(PING, b"p" * 126), code=1002, native=LOST),
    "a ping in parts": broken(frame(PING, b"p", fin=False), code=1002, native=LOST),
    "a part of nothing": broken(frame(0, b"4x"), code=1002, native=LOST),
    "a message within another": broken(text(b"4a", fin=False), text(b"4b"), code=1002, native=LOST),
    "a close without a code": Sent([frame(CLOSE)], EMPTY, "transport close"),
    "a close": bye(1000),
    "a close with a reason": bye(1001, b"bye"),
    "a registered code": bye(3000, native=EMPTY),
    "a private code": bye(4999, "grüße".encode()),
    "half a code": bad_close(frame(CLOSE, b"\3")),
    **{f"code {code}": bad_close(closing(code)) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)},
    "a reason without UTF-8": bad_close(closing(1000, b"\xff"), code=1007),
    "a message behind the close": Sent([closing(1000), text(b"4x")], closed(1000), "transport close"),
}


@pytest.mark.parametrize("row", FRAMES.values(), ids=FRAMES)
async def test_frames_are_answered(port, echo, row):
    back, ended = row.back, row.ended
    if row.native is not None and echo.engine.name == "native":
        back, ended = row.native
    async with await Peer.open(port) as peer:
        await peer.upgrade()
        for sent in row.sent:
            peer.send(sent)
        got = [await peer.frame() for _ in back]
        assert got == back
        if ended is None:
            peer.send(frame(PING, b"alive?"))
            assert await peer.frame() == ("pong", b"alive?")
            assert echo.ended == {}
        else:
            assert await peer.frame() == ("end", None)
            assert list(echo.ended.values()) == [ended]
