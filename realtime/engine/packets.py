"""Engine.IO 4 packets and polling payloads. An encoded packet is bytes: UTF-8 text, or `b` and base64 where binary."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable

SEPARATOR = b"\x1e"
PING, PONG, NOOP, CLOSE = b"2", b"3", b"6", b"1"
_URL_SAFE = str.maketrans("-_", "+/")  # an alphabet that the reference reads too, and so it does without padding
TYPES = frozenset("0123456")


class BadPacket(ValueError):
    """A client sent something that is not an Engine.IO packet."""


def decode(packet: str) -> tuple[str, str | bytes]:
    """Decode a polling packet to (type, data); a binary packet is a message whose data is bytes."""
    kind = packet[:1]
    if kind == "b":
        try:
            text = packet[1:].translate(_URL_SAFE)
            return "4", b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadPacket("not base64") from error
    if kind not in TYPES or not kind:
        raise BadPacket("unknown packet type")
    return kind, packet[1:]


def split(body: bytes) -> list[str]:
    """Return the packets of a polling payload, still encoded."""
    try:
        return body.decode().split("\x1e")
    except UnicodeDecodeError as error:
        raise BadPacket("not UTF-8") from error


def join(packets: Iterable[bytes]) -> bytes:
    """Return a polling payload of encoded packets."""
    return SEPARATOR.join(packets)


def pollable(frame: bytes, binary: bool) -> bytes:
    """Return a websocket frame as it travels in a polling payload."""
    return b"b" + b64encode(frame) if binary else frame


def framed(packet: bytes) -> tuple[bytes, bool]:
    """Return (frame, binary) of a polling packet: the inverse of `pollable`."""
    return (b64decode(packet[1:]), True) if packet.startswith(b"b") else (packet, False)
