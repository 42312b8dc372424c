"""HTTP requests on native uWebSockets, from their headers to their answer or upgrade."""

from collections.abc import Callable
from typing import Any

from realtime.engine.native import ffi, forget, lib, object_of, pointer_to, pump, remember, text
from realtime.engine.protocol import Engine
from realtime.engine.session import (
    Environ,
    Exchange,
    Refused,
    Request,
    first_offer,
    is_handshake,
    parse_query,
    says_close,
)

_UNREAD = Request("GET", "/", {}, "")
_UNAVAILABLE = b"application/json\r\nCache-Control: no-store\r\nConnection: close"


class Opening:
    """A websocket between its HTTP request and its open event."""

    __slots__ = ("engine", "environ", "number", "upgrading")

    def __init__(self, engine: Engine, upgrading: str | None, environ: Environ) -> None:
        self.engine = engine
        self.upgrading = upgrading
        self.environ = environ
        self.number = remember(self)


class NativeExchange(Exchange):
    """An HTTP request. Its native response is the connection itself, so it is let go before it is answered."""

    __slots__ = ("_chunks", "_engine", "_number", "_res", "_size", "_whole", "_will_close")

    def __init__(self, engine: Engine, res: Any) -> None:
        super().__init__(_UNREAD)
        self._engine = engine
        self._chunks: list[bytes] = []
        self._size = 0
        self._whole = False  # the body was read to its end
        self._res = res
        self._will_close = False  # uWebSockets closes the connection by itself, and sends no header about it
        self._number = remember(self)
        # First of all: a handler that returns without an answer and without this ends the process.
        lib.uws_res_on_aborted(0, res, _on_aborted, pointer_to(self._number))

    def read(self, req: Any) -> None:
        """Read everything that is needed, at once: the native request dies with the handler."""
        client_ip_header = self._engine.options.client_ip_header.lower().encode()
        self.request = _read_request(self._res, req, client_ip_header)
        self._will_close = lib.uws_req_is_ancient(req) or len(_header(req, b"connection") or "") == len("close")

    def read_body(self) -> None:
        """Have the body read, chunk by chunk."""
        lib.uws_res_on_data(0, self._res, _on_body, pointer_to(self._number))

    def write(self, status: int, body: bytes, content_type: str) -> None:
        res, self._res = self._res, None
        forget(self._number)
        if res is None:
            return
        unavailable = status == 503  # its connection would keep a descriptor, of which there may be few
        self._will_close |= unavailable
        headers = "".join(f"\r\n{name}: {value}" for name, value in self._headers(body))
        line = f"{content_type}\r\nCache-Control: no-store{headers}".encode("latin-1", "replace")
        content = ffi.NULL if status == 204 or self.request.method == "HEAD" else body  # NULL: without a length
        # A client whose body is not read may go on sending it, as slowly as uWebSockets lets it.
        unwanted = status >= 400 and not self._whole and self.request.method not in ("GET", "HEAD", "OPTIONS")
        close = self._engine.draining or unavailable or unwanted or self.request.closes
        lib.socketify_res_cork_send_int_code(0, res, content, len(body), status, line, len(line), close)
        pump.touch()

    def _headers(self, body: bytes) -> list[tuple[str, str]]:
        headers = self._engine.cors(self.request)
        if self.request.method == "HEAD":
            headers.append(("Content-Length", str(len(body))))
        if self._will_close:
            headers.append(("Connection", "close"))
        return headers

    def received_chunk(self, chunk: bytes, last: bool) -> None:
        """Take a part of a POST's body, and hand on the whole body after the last part."""
        if self.done:
            return
        self._size += len(chunk)
        if self._size > self._engine.options.max_payload_bytes:
            self._engine.too_large(self)
            return
        self._chunks.append(chunk)
        if last:
            self._whole = True
            self._engine.body(self, b"".join(self._chunks))

    def aborted(self) -> None:
        """End the request: its client has left."""
        self._res = None
        forget(self._number)
        self._engine.aborted(self)

    def upgrade(self, number: int, req: Any, context: Any) -> None:
        """Answer a websocket handshake; `number` stands for the websocket until it is open."""
        key = (_header(req, b"sec-websocket-key") or "").encode()
        protocol = first_offer(_header(req, b"sec-websocket-protocol")).encode("latin-1")
        res, self._res = self._res, None
        forget(self._number)
        self.done = True
        data = pointer_to(number)
        lib.uws_res_upgrade(0, res, data, key, len(key), protocol, len(protocol), b"", 0, context)


def is_newcomer(req: Any) -> bool:
    """Return whether a handshake names no session; one that mentions `sid` in any way counts as naming it."""
    return "sid" not in (text(lib.uws_req_get_full_url, req) or "")


def may_answer_unread(req: Any, owns: Callable[[str], bool]) -> bool:
    """Return whether a request opens a polling session, and no page of another origin is to read the answer."""
    method = text(lib.uws_req_get_case_sensitive_method, req)
    path = (text(lib.uws_req_get_full_url, req) or "/").partition("?")[0]
    return method == "GET" and owns(path) and _header(req, b"origin") is None


def send_unavailable(res: Any, refusal: Refused) -> None:
    """Answer a handshake with a refusal and the end of its connection, unread."""
    body = refusal.body()
    lib.socketify_res_cork_send_int_code(0, res, body, len(body), refusal.status, _UNAVAILABLE, len(_UNAVAILABLE), True)


def _read_request(res: Any, req: Any, client_ip_header: bytes) -> Request:
    target = text(lib.uws_req_get_full_url, req) or "/"
    path, _, query = target.partition("?")
    length = _header(req, b"content-length") or "0"
    connection = _header(req, b"connection")
    return Request(
        method=(text(lib.uws_req_get_case_sensitive_method, req) or "").upper(),
        path=path,
        query=parse_query(query),
        remote=text(lib.uws_res_get_remote_address_as_text, 0, res) or "",
        origin=_header(req, b"origin"),
        host=_header(req, b"host"),
        forwarded_host=_header(req, b"x-forwarded-host"),
        forwarded_proto=_header(req, b"x-forwarded-proto"),
        user_agent=_header(req, b"user-agent"),
        forwarded_for=_header(req, client_ip_header),
        content_type=_header(req, b"content-type") or "",
        content_encoding=_header(req, b"content-encoding") or "",
        content_length=int(length) if length.isdecimal() and len(length) < 16 else 0,
        headers_wanted=_header(req, b"access-control-request-headers"),
        closes=lib.uws_req_is_ancient(req) or says_close(connection),
        is_handshake=is_handshake(
            _header(req, b"upgrade"),
            connection,
            _header(req, b"sec-websocket-version"),
            _header(req, b"sec-websocket-key"),
        ),
    )


def _header(req: Any, name: bytes) -> str | None:
    return text(lib.uws_req_get_header, req, name, len(name))


@ffi.callback("void(uws_res_t *, void *)")  # type: ignore[untyped-decorator]
def _on_aborted(_res: Any, number: Any) -> None:
    exchange = object_of(number)
    if exchange is not None:
        exchange.aborted()


@ffi.callback("void(uws_res_t *, const char *, size_t, bool, void *)")  # type: ignore[untyped-decorator]
def _on_body(_res: Any, chunk: Any, size: int, last: bool, number: Any) -> None:
    exchange = object_of(number)
    if exchange is not None:
        exchange.received_chunk(bytes(ffi.buffer(chunk, size)) if size else b"", last)
