"""Commands of processes with python-socketio's own Redis manager: emits and room changes, applied to sockets here.

Their channel reaches every gateway, so they are for rare commands from outside; our pushes use a channel per room.
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
NAMESPACE = "/"  # no other namespace is served

GUARDED = re.compile(r"(post|presence):[0-9a-f]{24}")  # entered through `RoomAccess`
OWN = re.compile(r"user:.*", re.DOTALL)  # joined by the server, never by name


class _Command(BaseModel):
    """A message of python-socketio 5.18's pub/sub protocol; fields that are not needed are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    namespace: Literal["/"] = "/"


class Emit(_Command):
    event: str = Field(min_length=1)
    data: list[Any]
    binary: bool = False
    room: str | list[str] | None = None
    skip_sid: str | list[str] | None = None


class SocketCommand(_Command):
    sid: str


class RoomCommand(_Command):
    room: str = Field(min_length=1, max_length=256)


class MemberCommand(SocketCommand, RoomCommand):
    pass


class SocketIORedisBridge:
    """Applies the commands of stock managers; malformed, unknown and unrelated commands change nothing."""

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
        self._commands: dict[str, tuple[type[_Command], Callable[[Any], None]]] = {
            "emit": (Emit, self._emit),
            "disconnect": (SocketCommand, self._leave_for_good),
            "enter_room": (MemberCommand, self._enter_room),
            "leave_room": (MemberCommand, self._leave_room),
            "close_room": (RoomCommand, self._close_room),
        }

    def received(self, data: bytes) -> None:
        """Apply one message; raises ValueError for a malformed message."""
        if len(data) > self._max_bytes:  # it would fill the buffers of all its receivers
            raise ValueError("too large")
        message = decode(data)
        method = message.get("method") if isinstance(message, dict) else None
        kind, apply = self._commands.get(method, (None, None)) if isinstance(method, str) else (None, None)
        if kind is None or apply is None:  # `callback` is for one host, which is none of ours
            return
        try:
            command = kind.model_validate(message)
        except ValidationError as error:
            wrong = error.errors(include_input=False, include_url=False)[0]
            raise ValueError(f"{method}: {wrong['loc']} {wrong['type']}") from None
        try:
            apply(command)
        except (TypeError, RecursionError, Problem) as error:
            raise ValueError(f"{method}: {error}") from None

    def _emit(self, command: Emit) -> None:
        if command.event in RESERVED:
            raise ValueError("a reserved name")
        content = _attached(command.data[0], command.data[1:]) if command.binary and command.data else command.data
        if not isinstance(content, list):
            raise ValueError("no list of arguments")
        arguments = [] if content == [None] else list(content)
        if not arguments or isinstance(arguments[-1], str):
            arguments.append(None)  # a client that recovers connections takes a last string for its stream's offset
        skip = [command.skip_sid] if isinstance(command.skip_sid, str) else command.skip_sid or ()
        self._server.manager.write(encode(EVENT, [command.event, *arguments]), NAMESPACE, command.room, skip)

    def _leave_for_good(self, command: SocketCommand) -> None:
        if (socket := self._sockets.get(command.sid)) is not None:
            self._disconnect(socket)

    def _enter_room(self, command: MemberCommand) -> None:
        socket = self._sockets.get(command.sid)
        if socket is None or socket.ended or OWN.fullmatch(command.room):
            return
        if GUARDED.fullmatch(command.room):
            self._room_access.enter_by_command(socket, command.room)
        else:
            self._server.enter(socket.sid, command.room)

    def _leave_room(self, command: MemberCommand) -> None:
        socket = self._sockets.get(command.sid)
        if socket is None or socket.ended or OWN.fullmatch(command.room):
            return
        if GUARDED.fullmatch(command.room):
            self._room_access.leave_by_command(socket, command.room)
        else:
            self._server.leave(socket.sid, command.room)

    def _close_room(self, command: RoomCommand) -> None:
        if OWN.fullmatch(command.room) or self._server.manager.is_sid_room(NAMESPACE, command.room):
            return
        for sid, _ in list(self._server.manager.get_participants(NAMESPACE, command.room)):
            self._leave_room(MemberCommand(sid=sid, room=command.room))


def _attached(content: Any, encoded: list[Any]) -> Any:
    """Return the arguments with each attachment in place exactly once: repeated, it could grow without bound."""
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
