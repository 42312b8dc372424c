"""What processes with python-socketio's own Redis manager say: emits and room changes, applied to the sockets here.

Their channel reaches every gateway, so they are for the rare word from outside; pushes of ours go by room channels.
"""

import base64
import re
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from socketio.packet import EVENT

from realtime.room_access import RoomAccess
from realtime.socketio.packets import MAX_ATTACHMENTS, RESERVED, encode
from realtime.socketio.server import Server
from realtime.sockets import Socket, Sockets
from social.contracts.codec import decode
from social.contracts.problems import Problem

CHANNEL = "socketio"  # python-socketio's default
NAMESPACE = "/"  # the only one we serve

DOORED = re.compile(r"(post|presence):[0-9a-f]{24}")
OWN = re.compile(r"user:.*", re.DOTALL)  # joined by the server, never by name


class _Word(BaseModel):
    """One message of python-socketio 5.18's pub/sub protocol; fields that it does not need are not looked at."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    namespace: Literal["/"] = "/"


class Emit(_Word):
    event: str = Field(min_length=1)
    data: list[Any]
    binary: bool = False
    room: str | list[str] | None = None
    skip_sid: str | list[str] | None = None


class OfSocket(_Word):
    sid: str


class OfRoom(_Word):
    room: str = Field(min_length=1, max_length=256)


class OfBoth(OfSocket, OfRoom):
    pass


class SocketIORedisBridge:
    """Applies the words of stock managers; a word that is malformed, unknown or about nobody here changes nothing."""

    def __init__(
        self,
        server: Server,
        sockets: Sockets,
        room_access: RoomAccess,
        *,
        disconnect: Callable[[Socket], None],
        max_bytes: int,
    ) -> None:
        self._server = server
        self._sockets = sockets
        self._room_access = room_access
        self._disconnect = disconnect
        self._max_bytes = max_bytes
        self._heard: dict[str, tuple[type[_Word], Callable[[Any], None]]] = {
            "emit": (Emit, self._emit),
            "disconnect": (OfSocket, self._leave_for_good),
            "enter_room": (OfBoth, self._enter_room),
            "leave_room": (OfBoth, self._leave_room),
            "close_room": (OfRoom, self._close_room),
        }

    def heard(self, data: bytes) -> None:
        """Apply one message; raises ValueError for a malformed one."""
        if len(data) > self._max_bytes:  # it would fill the buffers of everybody it is for
            raise ValueError("too large")
        said = decode(data)
        method = said.get("method") if isinstance(said, dict) else None
        kind, apply = self._heard.get(method, (None, None)) if isinstance(method, str) else (None, None)
        if kind is None or apply is None:  # `callback` answers one host, and that is none of us
            return
        try:
            word = kind.model_validate(said)
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_url=False)[0]
            raise ValueError(f"{method}: {wrong['loc']} {wrong['type']}") from None
        try:
            apply(word)
        except (TypeError, RecursionError, Problem) as error:
            raise ValueError(f"{method}: {error}") from None

    def _emit(self, word: Emit) -> None:
        if word.event in RESERVED:
            raise ValueError("a reserved name")
        content = _attached(word.data[0], word.data[1:]) if word.binary and word.data else word.data
        if not isinstance(content, list):
            raise ValueError("no list of arguments")
        arguments = [] if content == [None] else list(content)
        if not arguments or isinstance(arguments[-1], str):
            arguments.append(None)  # a client that recovers connections takes a last string for its stream's offset
        skip = [word.skip_sid] if isinstance(word.skip_sid, str) else word.skip_sid or ()
        self._server.manager.write(encode(EVENT, [word.event, *arguments]), NAMESPACE, word.room, skip)

    def _leave_for_good(self, word: OfSocket) -> None:
        if (socket := self._sockets.get(word.sid)) is not None:
            self._disconnect(socket)

    def _enter_room(self, word: OfBoth) -> None:
        socket = self._sockets.get(word.sid)
        if socket is None or socket.ended or OWN.fullmatch(word.room):
            return
        if DOORED.fullmatch(word.room):
            self._room_access.bring(socket, word.room)
        else:
            self._server.enter(socket.sid, word.room)

    def _leave_room(self, word: OfBoth) -> None:
        socket = self._sockets.get(word.sid)
        if socket is None or socket.ended or OWN.fullmatch(word.room):
            return
        if DOORED.fullmatch(word.room):
            self._room_access.take_out(socket, word.room)
        else:
            self._server.leave(socket.sid, word.room)

    def _close_room(self, word: OfRoom) -> None:
        if OWN.fullmatch(word.room) or self._server.manager.is_sid_room(NAMESPACE, word.room):
            return
        for sid, _ in list(self._server.manager.get_participants(NAMESPACE, word.room)):
            self._leave_room(OfBoth(sid=sid, room=word.room))


def _attached(content: Any, encoded: list[Any]) -> Any:
    """The arguments with their attachments in place, each exactly once: a repeated one could grow without a bound."""
    if len(encoded) > MAX_ATTACHMENTS:
        raise ValueError("too many attachments")
    left = {number: base64.b64decode(each, validate=True) for number, each in enumerate(encoded)}

    def place(value: Any) -> Any:
        if isinstance(value, list):
            return [place(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.get("_placeholder") is not True:
            return {name: place(each) for name, each in value.items()}
        number = value.get("num")
        if type(number) is not int or number not in left:
            raise ValueError("illegal attachments")
        return left.pop(number)

    placed = place(content)
    if left:
        raise ValueError("attachments without a place")
    return placed
