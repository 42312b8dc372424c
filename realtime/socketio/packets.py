"""Socket.IO 5 packets: strict decoding of clients' packets, and frames encoded once for all receivers."""

import json
import re
from typing import Any, Final, NamedTuple

from socketio import packet as upstream
from socketio.packet import ACK, BINARY_ACK, BINARY_EVENT, CONNECT, DISCONNECT, EVENT

from social.contracts import codec

Frame = tuple[bytes, bool]  # what goes on the wire, with Engine.IO's `4` in front of text; True for a binary attachment

MAX_ATTACHMENTS = 10  # the reference parser's limit
RESERVED = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"})


class _Unreadable:
    """The type of `UNREADABLE`."""

    def __repr__(self) -> str:
        return "UNREADABLE"


UNREADABLE: Final = _Unreadable()  # stands for the arguments of a packet, or its `auth`, that are nested too deeply

_NAME = re.compile(r'[^\["]*+\[[ \t\r\n]*+("(?:[^"\\]++|\\.)*+"|-?[0-9][0-9.eE+-]*)[ \t\r\n]*[],]')
_ACK = re.compile(r"(?:3|(6)[0-9]{1,2}-)(?:(/[^,]*),)?([0-9]{1,18})\[")


class AckHead(NamedTuple):
    """The head of an ack packet: everything before its data."""

    binary: bool
    namespace: str
    id: int


class BadPacket(ValueError):
    """A client sent something that is not a Socket.IO packet; its connection is closed."""


class Json:
    """The JSON codec with the interface of the standard library's, as python-socketio calls it."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        try:
            return codec.encode(value).decode()
        except TypeError:  # such as half a character, which is sent as it was received
            return json.dumps(value, separators=(",", ":"))

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        try:
            return codec.decode_foreign(str(text))
        except codec.Unreadable:
            return UNREADABLE


class Packet(upstream.Packet):  # type: ignore[misc]
    """A packet whose placeholders must name an attachment, where the stock packet takes negative numbers too."""

    json = Json
    data: Any

    def add_attachment(self, attachment: bytes) -> bool:
        try:
            return bool(super().add_attachment(attachment))
        except RecursionError:
            self.data = [*self.data[:1], UNREADABLE] if self.packet_type == BINARY_EVENT else [UNREADABLE]
            return True

    @classmethod
    def _reconstruct_binary_internal(cls, data: Any, attachments: list[bytes]) -> Any:
        if isinstance(data, dict) and data.get("_placeholder") is True:
            number = data.get("num")
            if type(number) is not int or not 0 <= number < len(attachments):
                raise BadPacket("illegal attachments")
            return attachments[number]
        return super()._reconstruct_binary_internal(data, attachments)


def ack_of(text: str) -> AckHead | None:
    """Return the head of an ack, without reading its data; None for every other packet and a malformed ack."""
    match = _ACK.match(text) if text.startswith(("3", "6")) else None
    return AckHead(match[1] is not None, match[2] or "/", int(match[3])) if match else None


def decode(text: str) -> Packet:
    """Decode a client's packet; with `attachment_count` above 0 it waits for that many binary messages.

    Raises BadPacket, but for nothing that the reference parser reads: a number as an event's name is its text, and
    arguments that are nested too deeply for us are `UNREADABLE`.
    """
    try:
        packet = Packet(encoded_packet=text)
        if packet.data is UNREADABLE:
            packet.data = _unreadable(packet.packet_type, text)
    except ValueError as error:
        raise BadPacket(str(error)) from error
    if packet.packet_type in (EVENT, BINARY_EVENT):
        _name_by_text(packet.data)
    if not text or not _well_formed(packet):
        raise BadPacket("invalid payload")
    return packet


def _unreadable(kind: int, text: str) -> Any:
    if kind == CONNECT:
        return UNREADABLE
    if kind in (ACK, BINARY_ACK):
        return [UNREADABLE]
    name = _NAME.match(text)
    if name is None:
        raise BadPacket("invalid payload")
    return [codec.decode_foreign(name[1]), UNREADABLE]


def _name_by_text(data: Any) -> None:
    if isinstance(data, list) and data and isinstance(data[0], int | float) and not isinstance(data[0], bool):
        data[0] = str(data[0])


def _well_formed(packet: Packet) -> bool:
    kind, data = packet.packet_type, packet.data
    if kind in (BINARY_EVENT, BINARY_ACK):
        if packet.attachment_count > MAX_ATTACHMENTS:
            return False
    elif packet.attachment_count:
        return False
    if kind == CONNECT:
        return data is None or data is UNREADABLE or isinstance(data, dict)
    if kind == DISCONNECT:
        return data is None
    if kind in (EVENT, BINARY_EVENT):
        return isinstance(data, list) and bool(data) and isinstance(data[0], str) and data[0] not in RESERVED
    return kind in (ACK, BINARY_ACK) and isinstance(data, list) and packet.id is not None


def encode(kind: int, data: Any = None, namespace: str = "/", id: int | None = None) -> list[Frame]:
    """Return the frames of one packet: one frame, and one more for each bytes object inside."""
    if data is None:
        return [(f"4{kind}{_prefix(namespace, id)}".encode(), False)]
    try:
        return [(f"4{kind}{_prefix(namespace, id)}".encode() + codec.encode(data), False)]
    except TypeError:  # bytes inside, or keys that are not strings
        encoded = Packet(kind, data=data, namespace=namespace, id=id).encode()
    if isinstance(encoded, str):
        return [(b"4" + encoded.encode(), False)]
    return [(b"4" + encoded[0].encode(), False), *((bytes(attachment), True) for attachment in encoded[1:])]


def _prefix(namespace: str, id: int | None) -> str:
    return ("" if namespace == "/" else f"{namespace},") + ("" if id is None else str(id))


def arguments(data: Any) -> list[Any]:
    """Return an event's data as a list, as python-socketio takes it: a tuple is several arguments, None is none."""
    if isinstance(data, tuple):
        return list(data)
    return [] if data is None else [data]
