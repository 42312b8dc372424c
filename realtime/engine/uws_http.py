"""HTTP requests on native uWebSockets, from their headers to their answer or upgrade."""

from typing import TYPE_CHECKING, Any

from realtime.engine.native import call, ffi, forget, lib, pointer_to, pump, remember, text
from realtime.engine.session import Environ, Exchange, Request, first_offer, is_handshake, parse_query, says_close

if TYPE_CHECKING:
    from realtime.engine.uws import NativeEngine

_UNREAD = Request("GET", "/", {}, "")


class Opening:
    """A websocket between its HTTP request and its open event."""

    __slots__ = ("engine", "environ", "number", "upgrading")

    def __init__(self, engine: "NativeEngine", upgrading: str | None, environ: Environ) -> None:
        self.engine = engine
        self.upgrading = upgrading
        self.environ = environ
        self.number = remember(self)


class NativeExchange(Exchange):
    """An HTTP request. Its native response is the connection itself, so it is let go before it is answered."""

    __slots__ = ("_number", "_res", "_will_close", "chunks", "engine", "size", "whole")

    def __init__(self, engine: "NativeEngine", res: Any) -> None:
        super().__init__(_UNREAD)
        self.engine = engine
        self.chunks: list[bytes] = []
        self.size = 0
        self.whole = False  # the body was read to its end
        self._res = res
        self._will_close = False  # uWebSockets has seen that it is to, and says nothing of it
        self._number = remember(self)
        # First of all: a handler that returns without an answer and without this ends the process.
        lib.uws_res_on_aborted(0, res, _on_aborted, pointer_to(self._number))

    def read(self, req: Any) -> None:
        """Everything that is needed, at once: the native request dies with the handler."""
        self.request = _read_request(self._res, req)
        self._will_close = lib.uws_req_is_ancient(req) or len(_header(req, b"connection") or "") == len("close")

    def read_body(self) -> None:
        lib.uws_res_on_data(0, self._res, _on_body, pointer_to(self._number))

    def write(self, status: int, body: bytes, content_type: str) -> None:
        res, self._res = self._res, None
        forget(self._number)
        if res is None:
            return
        headers = "".join(f"\r\n{name}: {value}" for name, value in self._headers(body))
        line = f"{content_type}\r\nCache-Control: no-store{headers}".encode("latin-1", "replace")
        content = ffi.NULL if status == 204 or self.request.method == "HEAD" else body  # NULL: without a length
        # Whose body was not wanted may go on sending it, as slowly as uWebSockets lets them.
        unwanted = status >= 400 and not self.whole and self.request.method not in ("GET", "HEAD", "OPTIONS")
        close = self.engine.draining or unwanted or self.request.closes
        lib.socketify_res_cork_send_int_code(0, res, content, len(body), status, line, len(line), close)
        pump.touch()

    def _headers(self, body: bytes) -> list[tuple[str, str]]:
        headers = self.engine.cors(self.request)
        if self.request.method == "HEAD":
            headers.append(("Content-Length", str(len(body))))
        if self._will_close:
            headers.append(("Connection", "close"))
        return headers

    def gone(self) -> None:
        self._res = None
        forget(self._number)
        self.engine.aborted(self)

    def upgrade(self, opening: Opening, req: Any, context: Any) -> None:
        key = (_header(req, b"sec-websocket-key") or "").encode()
        protocol = first_offer(_header(req, b"sec-websocket-protocol")).encode("latin-1")
        res, self._res = self._res, None
        forget(self._number)
        self.done = True
        data = pointer_to(opening.number)
        lib.uws_res_upgrade(0, res, data, key, len(key), protocol, len(protocol), b"", 0, context)


def _read_request(res: Any, req: Any) -> Request:
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
        forwarded_for=_header(req, b"x-forwarded-for"),
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
    exchange = call(number)
    if exchange is not None:
        exchange.gone()


@ffi.callback("void(uws_res_t *, const char *, size_t, bool, void *)")  # type: ignore[untyped-decorator]
def _on_body(_res: Any, chunk: Any, size: int, last: bool, number: Any) -> None:
    exchange = call(number)
    if exchange is not None:
        exchange.engine.received_chunk(exchange, bytes(ffi.buffer(chunk, size)) if size else b"", last)
